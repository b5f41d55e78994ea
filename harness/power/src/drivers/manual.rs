//! Rails that a person switches.

use std::sync::Arc;

use crate::driver::{PowerDriver, PowerError, Switching};

/// Asks the person at the terminal to do something; true once it is done, false where there is nobody.
pub type AskPerson = Arc<dyn Fn(String) -> bool + Send + Sync>;

/// A person with a plug in hand.
pub struct Manual {
    board: String,
    ask: Option<AskPerson>,
}

impl Manual {
    /// Switches the supply of a board; `ask` is none where there is no terminal.
    #[must_use]
    pub fn new(board: &str, ask: Option<AskPerson>) -> Self {
        Self { board: board.to_owned(), ask }
    }
}

impl PowerDriver for Manual {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let nobody = || {
                PowerError::new(
                    "manual",
                    "there is nobody at the terminal to ask",
                    "run it in a terminal, or use another driver",
                )
            };
            let ask = self.ask.clone().ok_or_else(nobody)?;
            let question =
                format!("switch the power of `{}` {}, then press Enter", self.board, if on { "on" } else { "off" });
            // Blocks for as long as the person takes; the step's deadline bounds it.
            let done = tokio::task::spawn_blocking(move || ask(question)).await.unwrap_or(false);
            if done { Ok(()) } else { Err(nobody()) }
        })
    }

    /// Nobody is asked at the end of a run: there may be nobody left.
    fn make_safe(&self) -> Switching<'_> {
        Box::pin(async { Ok(()) })
    }

    fn rail(&self) -> &str {
        "manual"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_person_is_asked_and_where_there_is_none_that_is_an_error() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let questions = Arc::clone(&asked);
        let ask: AskPerson = Arc::new(move |question| {
            questions.lock().expect("questions").push(question);
            true
        });
        let person = Manual::new("lamp", Some(ask));
        person.switch(true).await.expect("done");
        person.switch(false).await.expect("done");
        person.make_safe().await.expect("nobody is asked at the end");
        let questions = asked.lock().expect("questions").join("\n");
        assert_eq!(
            questions,
            "switch the power of `lamp` on, then press Enter\nswitch the power of `lamp` off, then press Enter"
        );
        let error = Manual::new("lamp", None).switch(true).await.expect_err("nobody");
        assert_eq!(error.to_string(), "rail `manual`: there is nobody at the terminal to ask");
    }
}
