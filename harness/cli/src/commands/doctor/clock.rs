//! Checks the clock: certificates and file times need the right time, and a Raspberry Pi has no battery-backed clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Check;

/// 2026-01-01, before this program was written.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

/// Checks the clock of this machine. `needs_network` says that nothing but the network can set it, or that boards of
/// this bench depend on it.
pub(super) fn check(needs_network: bool) -> Check {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    judge(now, needs_network.then(is_synchronized).flatten())
}

fn judge(now: Duration, synchronized: Option<bool>) -> Check {
    if now < EARLIEST {
        return Check::bad(
            "clock",
            "the time is before 2026",
            "set it from the network: `sudo timedatectl set-ntp true`",
        );
    }
    match synchronized {
        None => Check::good("clock", "set"),
        Some(true) => Check::good("clock", "set, and synchronized with the network"),
        Some(false) => Check::warns(
            "clock",
            "set, but not synchronized with the network",
            "`sudo timedatectl set-ntp true`; then `timedatectl` shows whether it is. TLS needs the right time",
        ),
    }
}

/// Whether a service keeps the clock synchronized, as the kernel was informed by it; `None` if the kernel does not say.
#[expect(unsafe_code, reason = "no safe library asks the kernel for this")]
fn is_synchronized() -> Option<bool> {
    // SAFETY: `timex` consists of integers, for which zero is valid; with `modes` 0 the call only fills it.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nothing_synchronizes_is_a_warning_and_a_wrong_one_is_missing() {
        let checked = |now, synchronized| {
            let check = judge(now, synchronized);
            (check.how.clone(), check.is_missing(), check.hint.is_some())
        };
        let later = EARLIEST + Duration::from_secs(1);
        assert_eq!(checked(Duration::ZERO, Some(true)), ("the time is before 2026".to_owned(), true, true));
        assert_eq!(checked(later, None), ("set".to_owned(), false, false));
        assert_eq!(checked(later, Some(true)), ("set, and synchronized with the network".to_owned(), false, false));
        assert_eq!(checked(later, Some(false)), ("set, but not synchronized with the network".to_owned(), false, true));
    }

    #[test]
    fn the_kernel_answers() {
        assert!(is_synchronized().is_some());
    }
}
