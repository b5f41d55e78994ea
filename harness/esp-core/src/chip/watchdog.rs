//! Watchdogs with four stages, as timer groups and the RTC have them.

/// What happens when a stage's time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing: the next stage begins.
    #[default]
    Off,
    /// An interrupt.
    Interrupt,
    /// The processor is reset.
    ResetCpu,
    /// The chip is reset.
    ResetSystem,
    /// The chip and its RTC are reset.
    ResetRtc,
}

impl Action {
    /// The action with this number in a configuration register.
    pub(super) const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Interrupt,
            2 => Self::ResetCpu,
            3 => Self::ResetSystem,
            4 => Self::ResetRtc,
            _ => Self::Off,
        }
    }
}

/// What a program has set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) enabled: bool,
    pub(super) actions: [Action; 4],
    /// How long each stage takes, in nanoseconds.
    pub(super) times: [u64; 4],
}

/// Which stage is counting, and since when.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    stage: usize,
    since: u64,
}

impl Watchdog {
    /// Begins with the first stage.
    pub(super) fn feed(&mut self, now: u64) {
        *self = Self { stage: 0, since: now };
    }

    /// When the current stage is over.
    pub(super) fn due(&self, plan: &Plan) -> u64 {
        if plan.enabled { self.since.saturating_add(plan.times[self.stage].max(1)) } else { u64::MAX }
    }

    /// The action of a stage that is over; the next one then counts.
    pub(super) fn expired(&mut self, plan: &Plan, now: u64) -> Option<Action> {
        if !plan.enabled || now < self.due(plan) {
            return None;
        }
        let action = plan.actions[self.stage];
        *self = Self { stage: (self.stage + 1) % 4, since: now };
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        enabled: true,
        actions: [Action::Interrupt, Action::ResetSystem, Action::Off, Action::Off],
        times: [100, 50, 50, 50],
    };

    #[test]
    fn a_fed_watchdog_stays_in_its_first_stage() {
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.expired(&PLAN, 99), None);
        watchdog.feed(99);
        assert_eq!(watchdog.due(&PLAN), 199);
        assert_eq!(watchdog.expired(&PLAN, 198), None);
    }

    #[test]
    fn stages_follow_each_other() {
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.expired(&PLAN, 100), Some(Action::Interrupt));
        assert_eq!(watchdog.expired(&PLAN, 149), None);
        assert_eq!(watchdog.expired(&PLAN, 150), Some(Action::ResetSystem));
    }

    #[test]
    fn a_disabled_watchdog_never_bites() {
        let mut watchdog = Watchdog::default();
        let plan = Plan { enabled: false, ..PLAN };
        assert_eq!(watchdog.expired(&plan, u64::MAX), None);
    }
}
