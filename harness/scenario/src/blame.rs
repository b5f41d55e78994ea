//! Which boards may be the cause of a failure of the bench, and what follows from that.

use hil_timeline::Verdict;

use crate::course::Ended;
use crate::error::StepError;
use crate::world::Scene;

/// The boards that may be the cause of a scenario's failure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Blame {
    suspects: Vec<String>,
}

impl Blame {
    /// The board that the failure is about; for a deadline the boards that had problems, else all of the scenario.
    pub(crate) fn of(scene: &Scene, troubled: Vec<String>) -> Self {
        let boards = scene.turn.as_ref().map(|turn| turn.boards()).unwrap_or_default();
        let Some(error) = scene.failure.as_ref().filter(|_| scene.verdict == Verdict::Errored) else {
            return Self::default();
        };
        let suspects = match error.board() {
            Some(board) => boards.into_iter().filter(|own| own == board).collect(),
            None if error.is_a_deadline() => {
                if troubled.is_empty() {
                    boards
                } else {
                    troubled
                }
            }
            None => Vec::new(),
        };
        Self { suspects }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.suspects.is_empty()
    }

    /// How the scenario ended. Another board may do better, even where the user must change something first.
    pub(crate) fn ended(&self, scene: &Scene) -> Ended {
        let transient = scene.failure.as_ref().is_some_and(StepError::is_transient);
        let has_others = self.replaceable(scene).next().is_some();
        let (key, tags, suspects) = (scene.key.clone(), scene.tags.clone(), self.suspects.clone());
        Ended { key, tags, verdict: scene.verdict, transient: transient || has_others, suspects }
    }

    fn replaceable<'a>(&'a self, scene: &'a Scene) -> impl Iterator<Item = &'a String> {
        let turn = scene.turn.as_ref();
        self.suspects.iter().filter(move |board| turn.is_some_and(|turn| turn.is_replaceable(board)))
    }

    /// Says which board is suspect, lets the retry avoid it, and counts the failure against it.
    pub(crate) fn settle(&self, scene: &mut Scene, ended: &Ended) {
        let boards = scene.turn.as_ref().map(|turn| turn.boards()).unwrap_or_default();
        let is_errored = scene.verdict == Verdict::Errored;
        // Without a suspect, any of them may be the cause.
        let avoided = if is_errored && self.is_empty() { boards.clone() } else { self.suspects.clone() };
        scene.course.note_boards(&scene.key, boards, avoided);
        let replaceable: Vec<_> = self.replaceable(scene).map(|board| format!("`{board}`")).collect();
        let again = if scene.course.tries_again(ended) { "; the retry prefers another board that fits" } else { "" };
        let Some(error) = scene.failure.take() else { return };
        if let Some(turn) = &mut scene.turn
            && !self.is_empty()
        {
            turn.failed_on(self.suspects.clone(), format!("in `{}`: {}", scene.key.2, error.failure().message));
        }
        let suspect = (!replaceable.is_empty()).then(|| format!("suspect: {}{again}", replaceable.join(" or ")));
        scene.failure = Some(error.with_details(suspect));
    }
}
