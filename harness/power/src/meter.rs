//! The supply behind a relay, as the meter of its plug shows it.

use std::time::Duration;

use crate::driver::PowerError;

/// Whether there is supply, by what a plug reports: whether its relay is on, and the power in watts that is drawn
/// through it. None without a meter, and where the relay is on and nothing draws power.
pub(crate) async fn metered<R: Future<Output = Result<(bool, Option<f64>), PowerError>>>(
    report: impl Fn() -> R,
) -> Result<Option<bool>, PowerError> {
    /// A meter shows the mean of about a second: what it shows just after a cut is from before it.
    const LOOKS: u32 = 6;
    const PAUSE: Duration = Duration::from_millis(500);
    for look in 1.. {
        match report().await? {
            (_, None) => return Ok(None),
            (false, Some(watts)) if watts > 0.0 && look < LOOKS => tokio::time::sleep(PAUSE).await,
            (_, Some(watts)) if watts > 0.0 => return Ok(Some(true)),
            (on, Some(_)) => return Ok((!on).then_some(false)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn shown(reports: &[(bool, Option<f64>)]) -> (Option<bool>, usize) {
        let looks = Cell::new(0);
        let measured = metered(|| {
            let report = reports[looks.get().min(reports.len() - 1)];
            looks.set(looks.get() + 1);
            async move { Ok(report) }
        });
        (measured.await.expect("reports"), looks.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_shows_supply_and_a_relay_alone_does_not() {
        assert_eq!(shown(&[(true, Some(0.4))]).await, (Some(true), 1));
        assert_eq!(shown(&[(false, Some(0.0))]).await, (Some(false), 1));
        assert_eq!(shown(&[(true, Some(0.0))]).await, (None, 1), "it may feed nothing");
        assert_eq!(shown(&[(false, None)]).await, (None, 1), "it may be welded");
        assert_eq!(shown(&[(false, Some(0.4)), (false, Some(0.2)), (false, Some(0.0))]).await, (Some(false), 3));
        assert_eq!(shown(&[(false, Some(0.4))]).await, (Some(true), 6), "a welded relay");
    }
}
