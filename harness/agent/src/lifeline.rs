//! The lifeline: an agent works only as long as it hears from its head.
//!
//! A program that ssh started without a terminal runs on when the connection is gone. So a head that says nothing, and
//! an end of the input, mean the same: the run is over. The agent then ends in order.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How often each side says something.
pub(crate) const BEAT: Duration = Duration::from_secs(2);

/// How long a side that says nothing is taken to be there.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);

/// How long an agent that is stopped or hangs keeps its boards: its keeper then makes them safe. The head has given it up
/// by then.
pub(crate) const STANDS_STILL: Duration = Duration::from_secs(15);

/// How long an agent may take to say hello: a user may have to type a password first.
pub(crate) const HELLO: Duration = Duration::from_secs(60);

/// When something was heard last.
#[derive(Debug, Clone)]
pub(crate) struct Heard(watch::Sender<Instant>);

impl Heard {
    pub(crate) fn now() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }

    /// Something was heard.
    pub(crate) fn again(&self) {
        self.0.send_replace(Instant::now());
    }

    /// Waits until nothing was heard for [`SILENCE`].
    pub(crate) async fn silence(&self) {
        let mut heard = self.0.subscribe();
        loop {
            let until = *heard.borrow_and_update() + SILENCE;
            if tokio::time::timeout_at(until, heard.changed()).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_ten_seconds_after_the_last_sign() {
        let begun = Instant::now();
        let heard = Heard::now();
        let speaking = async {
            for _ in 0..5 {
                tokio::time::sleep(BEAT).await;
                heard.again();
            }
        };
        let ((), ended) = tokio::join!(speaking, async {
            heard.silence().await;
            Instant::now()
        });
        assert_eq!(ended - begun, BEAT * 5 + SILENCE);
    }
}
