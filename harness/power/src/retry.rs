//! Retries after a lost reply.

use std::time::Duration;

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// Another attempt may succeed: no connection, no answer, an invalid answer.
    Passing(String),
    /// Another attempt fails as well: there is no such relay, no such program.
    Lasting(String),
}

impl Failed {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Passing(reason) | Self::Lasting(reason) => reason,
        }
    }
}

/// Repeats an idempotent operation until it succeeds: a switch that gets "on" twice is on. Returns the last failure.
pub(super) async fn retry<T, A: Future<Output = Result<T, Failed>>>(
    attempts: u32,
    pause: Duration,
    mut attempt: impl FnMut() -> A,
) -> Result<T, Failed> {
    let mut result = attempt().await;
    for _ in 1..attempts {
        if !matches!(result, Err(Failed::Passing(_))) {
            break;
        }
        tokio::time::sleep(pause).await;
        result = attempt().await;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_what_lasts_is_not() {
        let pause = Duration::from_secs(1);
        let mut calls = 0;
        let done = retry(3, pause, || {
            calls += 1;
            let call = calls;
            async move { if call < 3 { Err(Failed::Passing("no answer".into())) } else { Ok(call) } }
        });
        assert_eq!(done.await, Ok(3));
        let mut calls = 0;
        let never = retry(3, pause, || {
            calls += 1;
            async { Err::<(), _>(Failed::Passing("no answer".into())) }
        });
        assert_eq!((never.await, calls), (Err(Failed::Passing("no answer".into())), 3));
        let mut calls = 0;
        let lasts = retry(3, pause, || {
            calls += 1;
            async { Err::<(), _>(Failed::Lasting("no such relay".into())) }
        });
        assert_eq!((lasts.await, calls), (Err(Failed::Lasting("no such relay".into())), 1));
    }
}
