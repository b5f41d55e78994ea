//! What steps captured for later ones, and how long a scenario waited.

use std::time::Duration;

use hil_timeline::What;

use super::{Mark, Stage};

impl Stage {
    /// Keeps a value for later steps, which write `${captured:NAME}`; a value of the same name is replaced.
    pub fn capture(&mut self, board: &str, name: &str, value: &str) {
        self.captured.insert(name.to_owned(), value.to_owned());
        let (board, name, value) = (board.to_owned(), name.to_owned(), value.to_owned());
        self.recorder.record(What::Captured { board, name, value });
    }

    /// The same for what the named groups of a pattern matched.
    pub(crate) fn capture_all(&mut self, board: &str, values: &[(String, String)]) {
        for (name, value) in values {
            self.capture(board, name, value);
        }
    }

    /// A value that a step has captured.
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&str> {
        self.captured.get(name).map(String::as_str)
    }

    /// Waits, and moves the deadlines of later steps to the end of the wait. What came since the last action still matches:
    /// a board that has answered meanwhile has answered.
    pub async fn wait(&mut self, span: Duration) {
        let until = self.recorder.now() + span;
        self.wait_until(until).await;
        self.mark = Mark { cursor: self.mark.cursor, at: until };
        self.waited_to = Some(self.end());
    }

    /// Whether the last action was a wait.
    pub(crate) fn has_waited(&self) -> bool {
        self.waited_to.is_some()
    }
}
