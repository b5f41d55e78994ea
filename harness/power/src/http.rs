//! Requests to plugs in the network.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::retry::Failed;

/// Asks one device, one request at a time, beside the runtime's threads.
#[derive(Debug)]
pub(crate) struct HttpClient {
    /// For one request.
    timeout: Duration,
    /// Held while the device is asked: a request that was given up ends before the next begins.
    busy: Arc<Mutex<()>>,
}

/// A request that may be sent again.
#[derive(Debug, Clone)]
pub(crate) struct HttpRequest {
    pub(crate) method: HttpMethod,
    pub(crate) url: String,
    /// The value of the header `Authorization`.
    pub(crate) authorization: Option<String>,
    /// Media type and content.
    pub(crate) body: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum HttpMethod {
    Get,
    Post,
    Put,
}

impl HttpRequest {
    pub(crate) fn get(url: String) -> Self {
        Self { method: HttpMethod::Get, url, authorization: None, body: None }
    }
}

impl HttpClient {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, busy: Arc::default() }
    }

    /// Sends a request and returns the text of the answer.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<String, Failed> {
        let (busy, timeout) = (Arc::clone(&self.busy).lock_owned().await, self.timeout);
        let sent = tokio::task::spawn_blocking(move || {
            let _busy = busy;
            send(request, timeout).map_err(|error| explained(&error))
        });
        sent.await.unwrap_or_else(|error| Err(Failed::Passing(error.to_string())))
    }
}

/// Blocks; bounded by the agent's own time-out.
fn send(request: HttpRequest, timeout: Duration) -> Result<String, ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(timeout)).proxy(None).build().into();
    let mut sending = ureq::http::Request::builder().uri(request.url).method(match request.method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
    });
    if let Some(authorization) = request.authorization {
        sending = sending.header("Authorization", authorization);
    }
    let mut response = match request.body {
        None => agent.run(sending.body(())?)?,
        Some((media_type, content)) => agent.run(sending.header("Content-Type", media_type).body(content)?)?,
    };
    response.body_mut().read_to_string()
}

fn explained(error: &ureq::Error) -> Failed {
    match error {
        // "Not found", "unauthorized": the device is another one than the bench file says.
        ureq::Error::StatusCode(400..=499) => Failed::Lasting(error.to_string()),
        _ => Failed::Passing(error.to_string()),
    }
}
