//! Rails behind anything that is switched by HTTP requests: a relay board, a PDU, a home automation server. The bench
//! file names the requests.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use hil_config::spec::{Key, Kind, TableSpec, words};
use hil_config::table::{Table, Value};
use hil_config::{OFF_TIME, RailContext, RailUses, RemoteDevice, SAFE_STATE};
use serde::{Deserialize, Serialize};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::http::{HttpClient, HttpMethod, HttpRequest};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::retry::{Failed, retry};

/// The requests that switch a rail and ask for its state.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Http {
    on: Url,
    off: Url,
    method: HttpMethod,
    on_body: Option<String>,
    off_body: Option<String>,
    state: Option<Url>,
    /// The place of the state in the answer to `state`, if the answer is JSON.
    state_pointer: Option<String>,
    /// Whether `state` measures the supply.
    state_measures: bool,
    login: Option<(String, String)>,
    timeout: Duration,
}

/// `http://host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Url {
    whole: String,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Url {
    const HINT: &str = "example: `http://192.168.7.20/relay/1/on`; `https` is not supported";

    fn read(value: &Value<'_, '_>) -> Option<Self> {
        let whole = value.with_variables()?;
        let url = Self::parse(&whole);
        if url.is_none() {
            // Not the URL itself: it may hold a token.
            value.problem("this is not an `http://` URL", Self::HINT.to_owned());
        }
        url
    }

    fn parse(whole: &str) -> Option<Self> {
        let uri: ureq::http::Uri = whole.parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        let is_plain = uri.scheme_str() == Some("http") && !uri.authority()?.as_str().contains('@');
        let host = host.trim_matches(['[', ']']).to_owned();
        is_plain.then(|| Self { whole: whole.to_owned(), host, port: uri.port_u16().unwrap_or(80) })
    }
}

const METHODS: &[(&str, HttpMethod)] =
    &[("GET", HttpMethod::Get), ("POST", HttpMethod::Post), ("PUT", HttpMethod::Put)];

impl PowerKind for Http {
    const WORD: &'static str = "http";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required(
                "on",
                Kind::Text,
                "URL of the request that switches it on; a status of 200 to 299 means done. `http` only; `${NAME}` is taken from the environment.",
            ),
            Key::required("off", Kind::Text, "URL of the request that switches it off."),
            Key::optional("method", Kind::Word(|| words(METHODS)), "`\"GET\"`", "Method of both requests."),
            Key::optional("on-body", Kind::Text, "", "Body of the request `on`, as JSON where it begins with `{`."),
            Key::optional("off-body", Kind::Text, "", "Body of the request `off`."),
            Key::optional(
                "state",
                Kind::Text,
                "",
                "URL of a GET request whose answer is the state: `on`, `true` or `1`; `off`, `false` or `0`.",
            ),
            Key::optional(
                "state-pointer",
                Kind::Text,
                "the whole answer",
                "Where in a JSON answer the state is, as a JSON pointer (RFC 6901): `\"/relays/0/ison\"`.",
            ),
            Key::optional(
                "state-measures",
                Kind::Boolean,
                "`false`",
                "Whether `state` is a measurement of the supply, not what the relay is switched to; makes a cut proven.",
            ),
            Key::optional("user", Kind::Text, "", "User, for HTTP basic authentication."),
            Key::optional("password", Kind::Text, "", "Its password; `${NAME}` takes it from the environment."),
            Key::optional("timeout", Kind::Duration, "`\"2s\"`", "How long each request may take."),
            OFF_TIME,
            SAFE_STATE,
        ],
    };

    fn read(table: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        const TIMEOUT: Duration = Duration::from_secs(2);
        let on = table.required("on", Url::HINT).and_then(|v| Url::read(&v));
        let off = table.required("off", Url::HINT).and_then(|v| Url::read(&v));
        let method = table.value("method").and_then(|v| v.one_of("method", METHODS)).unwrap_or(HttpMethod::Get);
        let mut body = |key| table.value(key).and_then(|v| body_for(method, &v));
        let (on_body, off_body) = (body("on-body"), body("off-body"));
        let state = table.value("state").and_then(|v| Url::read(&v));
        let mut of_state = |key| {
            let value = table.value(key)?;
            if state.is_none() {
                value.problem(format!("`{key}` needs `state`"), "add the URL that is asked".to_owned());
            }
            Some(value)
        };
        let state_pointer = of_state("state-pointer").and_then(|v| {
            let hint = "example: `/relays/0/ison`";
            v.parsed("a JSON pointer", hint, |text| text.starts_with('/').then(|| text.to_owned()))
        });
        let state_measures = of_state("state-measures").and_then(|v| v.boolean()).unwrap_or(false);
        let user = table.value("user").and_then(|v| v.with_variables());
        let password = table.value("password").and_then(|v| v.password());
        let login = user.map(|user| (user, password.unwrap_or_default()));
        let timeout = table.value("timeout").and_then(|v| v.duration_above_zero()).unwrap_or(TIMEOUT);
        let (on, off) = (on?, off?);
        Some(Self { on, off, method, on_body, off_body, state, state_pointer, state_measures, login, timeout })
    }

    fn label(&self) -> String {
        format!("{}:{}", self.on.host, self.on.port)
    }

    /// Two boards on one relay have the same requests. They are compared by a checksum: a path or a query may hold a
    /// token, and this text becomes a part of messages.
    fn uses(&self) -> RailUses {
        let text = format!("{}\n{}", self.on.whole, self.on_body.as_deref().unwrap_or_default());
        let what = format!("relay switched by the requests {:08x}", crc32fast::hash(text.as_bytes()));
        RailUses { remote: Some(RemoteDevice::new(&self.on.host, self.on.port, what)), ..RailUses::default() }
    }

    /// Three attempts to switch, each with a look at the state, and the pauses between them.
    fn patience(&self) -> Duration {
        const LEAST: Duration = Duration::from_secs(20);
        (self.timeout * 2 * ATTEMPTS + Duration::from_secs(5)).max(LEAST)
    }

    fn open(rails: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        Opening::each(rails, |settings, name| {
            let client = HttpClient::new(settings.timeout);
            Ok(Relay { name, settings, client })
        })
    }

    fn check(&self) -> Diagnosis {
        Diagnosis::of_remote(&self.uses())
    }
}

fn body_for(method: HttpMethod, value: &Value<'_, '_>) -> Option<String> {
    if method == HttpMethod::Get {
        value.problem("a GET request has no body", "add `method = \"POST\"`, or leave the body out".to_owned());
        return None;
    }
    value.with_variables()
}

const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// One relay.
#[derive(Debug)]
struct Relay {
    name: String,
    settings: Http,
    client: HttpClient,
}

impl Relay {
    async fn send(&self, method: HttpMethod, url: &Url, body: Option<&String>) -> Result<String, Failed> {
        let encoded = |(user, password): &(String, String)| {
            let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            format!("Basic {token}")
        };
        let media_type = |body: &String| {
            let media_type = if body.trim_start().starts_with(['{', '[']) { "application/json" } else { "text/plain" };
            (media_type.to_owned(), body.clone())
        };
        let request = HttpRequest {
            method,
            url: url.whole.clone(),
            authorization: self.settings.login.as_ref().map(encoded),
            body: body.map(media_type),
        };
        self.client.send(request).await
    }

    async fn ask_state(&self, url: &Url) -> Result<bool, Failed> {
        let answer = self.send(HttpMethod::Get, url, None).await?;
        let word = match &self.settings.state_pointer {
            None => Some(answer.trim().trim_matches('"').to_owned()),
            Some(pointer) => value_at(&answer, pointer),
        };
        match word.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("on" | "true" | "1") => Ok(true),
            Some("off" | "false" | "0") => Ok(false),
            _ => Err(Failed::Passing("the answer to `state` is neither on nor off".to_owned())),
        }
    }

    /// Each request names the wanted state, so that it may be sent again when its answer is lost.
    async fn set(&self, on: bool) -> Result<(), Failed> {
        let Http { method, .. } = self.settings;
        let (url, body) = if on {
            (&self.settings.on, self.settings.on_body.as_ref())
        } else {
            (&self.settings.off, self.settings.off_body.as_ref())
        };
        retry(ATTEMPTS, PAUSE, || async move {
            let sent = self.send(method, url, body).await;
            // What is measured follows later than the relay: a supply falls slowly.
            let state = self.settings.state.as_ref().filter(|_| !self.settings.state_measures);
            let Some(state) = state else { return sent.map(drop) };
            if let Err(failed @ Failed::Lasting(_)) = sent {
                return Err(failed);
            }
            match (self.ask_state(state).await?, sent) {
                (is_on, _) if is_on == on => Ok(()),
                (_, Err(failed)) => Err(failed),
                (_, Ok(_)) => Err(Failed::Passing("the relay did not switch".to_owned())),
            }
        })
        .await
    }

    async fn ask(&self) -> Result<Option<bool>, PowerError> {
        let Some(url) = &self.settings.state else { return Ok(None) };
        let state = retry(ATTEMPTS, PAUSE, || self.ask_state(url)).await;
        state.map(Some).map_err(|failed| self.explain(&failed))
    }

    fn explain(&self, failed: &Failed) -> PowerError {
        let hint = "send the requests by hand: `curl -v URL`";
        let error = PowerError::new(&self.name, failed.reason(), hint);
        if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
    }
}

/// The value at a JSON pointer, as text.
fn value_at(answer: &str, pointer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let value = answer.pointer(pointer)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

impl PowerDriver for Relay {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.set(on).await.map_err(|failed| self.explain(&failed)) })
    }

    fn measure(&self) -> Measuring<'_> {
        Box::pin(async move { if self.settings.state_measures { self.ask().await } else { Ok(None) } })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(self.ask())
    }

    fn rail(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_http_urls_without_a_login_are_taken() {
        let address = |text: &str| Url::parse(text).map(|url| (url.host, url.port));
        assert_eq!(address("http://10.0.0.7/on"), Some(("10.0.0.7".to_owned(), 80)));
        assert_eq!(address("http://plug.local:8080/a?b=c"), Some(("plug.local".to_owned(), 8080)));
        assert_eq!(address("http://[fd00::7]/on"), Some(("fd00::7".to_owned(), 80)));
        for wrong in ["10.0.0.7/on", "https://10.0.0.7/on", "http://", "http://a b/", "http://u:p@host/", "ftp://host/"]
        {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_is_found_in_json() {
        assert_eq!(value_at(r#"{"relays":[{"ison":true}]}"#, "/relays/0/ison").as_deref(), Some("true"));
        assert_eq!(value_at(r#"{"power":"ON"}"#, "/power").as_deref(), Some("ON"));
        assert_eq!(value_at(r#"{"power":"ON"}"#, "/state"), None);
        assert_eq!(value_at("<html>", "/state"), None);
    }
}
