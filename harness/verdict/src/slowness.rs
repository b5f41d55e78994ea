//! Whether a board that this machine executes got enough time for its failure to mean anything.

use std::time::Duration;

use crate::unmet::Unmet;

/// Smaller losses are common on a busy machine, and no deadline should be that close.
const LEAST: Duration = Duration::from_secs(1);

/// Which part of the time may be lost: firmware that needs more than the rest is as good as late.
const PART: u32 = 4;

/// Why the failure of an executed board proves nothing: in the time since the mark, it lost a quarter or more, and at least a second.
///
/// # Example
/// ```
/// use std::time::Duration;
/// let (lost, of) = (Duration::from_millis(1500), Duration::from_secs(4));
/// let unmet = hil_verdict::too_slow("lamp", lost, of).expect("more than a third of the time");
/// assert_eq!(unmet.verdict, hil_timeline::Verdict::Errored);
/// assert_eq!(hil_verdict::too_slow("lamp", Duration::from_millis(990), of), None);
/// ```
#[must_use]
pub fn too_slow(board: &str, lost: Duration, of: Duration) -> Option<Unmet> {
    if lost < LEAST || lost * PART < of {
        return None;
    }
    let (lost, of) = (lost.as_secs_f64(), of.as_secs_f64());
    let message = format!(
        "this machine executed `{board}` too slowly: it lost {lost:.2} s of the {of:.2} s since the mark, so its failure proves nothing"
    );
    Some(Unmet::errored(message).with_hint("run fewer boards at once (`--jobs`), or on a faster machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_time_is_too_much() {
        let lost = |lost, of| too_slow("lamp", Duration::from_millis(lost), Duration::from_millis(of));
        insta::assert_debug_snapshot!(lost(1250, 5000));
        assert_eq!(lost(1249, 5000), None);
        assert_eq!(lost(0, 0), None);
        assert_eq!(lost(999, 2000), None, "less than a second");
        assert!(lost(1000, 2000).is_some());
    }
}
