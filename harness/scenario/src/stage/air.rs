//! The access points of a scenario's boards: the bench's, and those of virtual boards.

use std::collections::BTreeSet;

use hil_config::BoardKind;
use hil_radio::Change;
use hil_timeline::Effect;

use super::Stage;
use crate::error::StepError;
use crate::radio::is_on_air;

impl Stage {
    /// Changes the access point of every board of the scenario: that of the bench, and that of each virtual board.
    pub(crate) async fn change_access_points(&mut self, change: Change) -> Result<Effect, StepError> {
        let begin = self.end();
        let of_kind = |is: fn(BoardKind) -> bool| -> BTreeSet<String> {
            self.boards.iter().filter(|(_, board)| is(board.config().kind)).map(|(name, _)| name.clone()).collect()
        };
        let (on_air, simulated) = (of_kind(is_on_air), of_kind(|kind| kind == BoardKind::Virtual));
        let mut last = None;
        for name in simulated {
            last = Some(self.change_virtual(&name, change).await?);
        }
        if !on_air.is_empty()
            && let Some(changed) = self.on_air.change(change, &self.recorder, &on_air).await
        {
            last = Some(changed?);
        }
        let none = || StepError::errored("no board of this scenario is at an access point that `hil` runs");
        Ok(Effect { cursor: begin, at: last.ok_or_else(none)?.at })
    }

    async fn change_virtual(&mut self, name: &str, change: Change) -> Result<Effect, StepError> {
        let present = match change {
            Change::Away => false,
            Change::Back => true,
            Change::OtherPassword | Change::OwnPassword | Change::Channel(_) => {
                let message = format!("the access point of the virtual board `{name}` has no channel and one password");
                return Err(StepError::errored(message).about(name));
            }
        };
        let effect = self.board(name)?.set_access_point(present).await?;
        effect.ok_or_else(|| StepError::errored(format!("`{name}` has no access point that can go away")))
    }
}
