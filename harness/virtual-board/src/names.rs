//! What the name server of a board's network knows.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hil_access_point::{Answer, Asks};
use hil_link::{Control, PathDirection};
use parking_lot::Mutex;

/// Called with a name that the board asks for, and the answer; none if there is none.
type QuestionListener = Arc<dyn Fn(&str, Option<&str>) + Send + Sync>;

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// This machine.
    Here,
    /// There is no such name.
    Nothing,
}

/// The names of the network of a board that executes its firmware; cheap to clone, all clones are one. What is not said
/// otherwise is resolved as on this machine.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<Rules>>);

#[derive(Default)]
struct Rules {
    known: BTreeMap<String, Known>,
    silent: bool,
    control: Option<Control>,
    listener: Option<QuestionListener>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.0.lock();
        f.debug_struct("Names").field("known", &rules.known).field("silent", &rules.silent).finish_non_exhaustive()
    }
}

impl Names {
    /// A scenario begins: questions pass this control, and are reported.
    pub fn open(&self, control: Control, listener: impl Fn(&str, Option<&str>) + Send + Sync + 'static) {
        let (control, listener) = (Some(control), Some(Arc::new(listener) as QuestionListener));
        *self.0.lock() = Rules { control, listener, ..Rules::default() };
    }

    /// A scenario ends: everything is as at first.
    pub fn close(&self) {
        *self.0.lock() = Rules::default();
    }

    /// From now on this name is this machine.
    pub fn know(&self, name: &str) {
        self.0.lock().known.insert(plain(name), Known::Here);
    }

    /// From now on there is no such name.
    pub fn forget(&self, name: &str) {
        self.0.lock().known.insert(plain(name), Known::Nothing);
    }

    /// From now on no question is answered.
    pub fn silence(&self) {
        self.0.lock().silent = true;
    }

    /// The answer to a question; none if there is none, or it is lost.
    pub(crate) async fn resolve(self, name: String, asks: Asks) -> Option<Answer> {
        let up = self.carries(PathDirection::Upstream)?;
        tokio::time::sleep(up).await;
        let (known, silent, listener) = {
            let rules = self.0.lock();
            (rules.known.get(&plain(&name)).copied(), rules.silent, rules.listener.clone())
        };
        let answer = match known {
            _ if silent => None,
            Some(Known::Here) => Some(Answer::Addresses(vec![Ipv4Addr::LOCALHOST])),
            Some(Known::Nothing) => Some(Answer::NoSuchName),
            None if asks == Asks::Addresses => Some(resolve_here(&name).await),
            None => Some(Answer::Known),
        };
        // A name is asked for once, also by clients that ask for its IPv6 addresses as well.
        if let Some(listener) = listener.filter(|_| asks != Asks::Other) {
            listener(&name, answer.as_ref().map(words).as_deref());
        }
        let down = self.carries(PathDirection::Downstream)?;
        tokio::time::sleep(down).await;
        answer
    }

    fn carries(&self, direction: PathDirection) -> Option<Duration> {
        self.0.lock().control.as_ref().map_or(Some(Duration::ZERO), |control| control.carries(direction))
    }
}

/// Names are compared in any case, with or without the final dot (RFC 4343, RFC 1034 §3.1).
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// As the board sees it: this machine is its gateway.
fn words(answer: &Answer) -> String {
    let gateway = crate::gateway();
    match answer {
        Answer::Addresses(addresses) if addresses.is_empty() => "no address".to_owned(),
        Answer::Addresses(addresses) => {
            let seen = addresses.iter().map(|address| if address.is_loopback() { gateway } else { *address });
            seen.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
        }
        // Only this machine's names are configured.
        Answer::Known => gateway.to_string(),
        Answer::NoSuchName => "no such name".to_owned(),
        Answer::Failed => "failed".to_owned(),
    }
}

/// As this machine resolves it.
async fn resolve_here(name: &str) -> Answer {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => Answer::Addresses(
            found
                .filter_map(|address| match address.ip() {
                    IpAddr::V4(ip) => Some(ip),
                    IpAddr::V6(_) => None,
                })
                .collect(),
        ),
        Err(_) => Answer::NoSuchName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(names: &Names, name: &str) -> Option<Answer> {
        names.clone().resolve(name.to_owned(), Asks::Addresses).await
    }

    #[tokio::test]
    async fn what_else_is_asked_is_answered_only_by_a_server_that_is_not_silent() {
        let names = Names::default();
        let other = async |name: &str, asks| names.clone().resolve(name.to_owned(), asks).await;
        let control = Control::default();
        names.open(control.clone(), |name, _| assert_eq!(name, "localhost", "others ask for no address"));
        names.forget("broker.example");
        assert_eq!(other("broker.example", Asks::Other).await, Some(Answer::NoSuchName));
        assert_eq!(other("any.example", Asks::Other).await, Some(Answer::Known));
        assert_eq!(other("localhost", Asks::Configured).await, Some(Answer::Known));
        let silence = control.silence(&PathDirection::BOTH);
        assert_eq!(other("", Asks::Other).await, None);
        control.resume(silence);
        names.silence();
        for asks in [Asks::Configured, Asks::Other] {
            assert_eq!(other("localhost", asks).await, None);
        }
    }

    #[tokio::test]
    async fn a_name_is_known_unknown_or_not_answered() {
        let names = Names::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (control, log) = (Control::default(), Arc::clone(&seen));
        names.open(control.clone(), move |name, answer| {
            log.lock().push(format!("{name}: {}", answer.unwrap_or("no answer")));
        });
        names.know("broker.example");
        names.forget("localhost");
        let here = Answer::Addresses(vec![Ipv4Addr::LOCALHOST]);
        assert_eq!(asked(&names, "Broker.Example.").await, Some(here));
        assert_eq!(asked(&names, "localhost").await, Some(Answer::NoSuchName));
        let silence = control.silence(&PathDirection::BOTH);
        // The question is lost: no server sees it.
        assert_eq!(asked(&names, "broker.example").await, None);
        control.resume(silence);
        names.silence();
        assert_eq!(asked(&names, "broker.example").await, None);
        let expected =
            ["Broker.Example.: 10.0.2.2", "localhost: no such name", "broker.example: no answer"].map(str::to_owned);
        assert_eq!(*seen.lock(), expected);
        names.close();
        assert!(matches!(asked(&names, "localhost").await, Some(Answer::Addresses(_))));
    }

    /// As to all datagrams: the table is in `services/tests/services/link.rs`.
    #[tokio::test(start_paused = true)]
    async fn faults_act_on_questions_as_on_all_datagrams() {
        let names = Names::default();
        let seen = Arc::new(Mutex::new(0));
        let (control, log) = (Control::default(), Arc::clone(&seen));
        names.open(control.clone(), move |_, _| *log.lock() += 1);
        names.know("broker.example");
        // The server sees a question whose answer is lost.
        for (direction, sees) in [(PathDirection::Upstream, 0), (PathDirection::Downstream, 1)] {
            let silence = control.silence(&[direction]);
            assert_eq!(asked(&names, "broker.example").await, None);
            control.resume(silence);
            assert_eq!(std::mem::take(&mut *seen.lock()), sees, "{direction:?}");
        }
        let by = Duration::from_millis(150);
        control.delay(&PathDirection::BOTH, by, Duration::ZERO);
        let begin = tokio::time::Instant::now();
        assert!(asked(&names, "broker.example").await.is_some());
        assert_eq!(begin.elapsed(), 2 * by);
        control.clear();
        control.limit(&PathDirection::BOTH, std::num::NonZeroU64::MIN);
        for ending in [hil_link::Ending::Close, hil_link::Ending::Reset] {
            control.end(ending);
            assert!(asked(&names, "broker.example").await.is_some());
        }
    }
}
