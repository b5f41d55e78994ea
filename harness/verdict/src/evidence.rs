//! Whether a power cut removed the supply.

use std::time::Duration;

use hil_timeline::{ConnectionChange, Direction, Evidence, Packet, RunEvent, Stamp, What};

use crate::presence::open_connections;
use crate::reset_cause::ResetCause;
use crate::show::{show, signed};
use crate::stalls::Stalls;
use crate::unmet::Unmet;

/// Output that was in transit when the rail went off; a line without an end is captured 200 ms late.
const GRACE: Duration = Duration::from_millis(500);

/// The power cut that a board is in, if it has no power: where the switching began, and when the rails were off.
struct Cut<'a> {
    begin: u64,
    off: &'a RunEvent,
}

fn cut<'a>(board: &str, events: &[&'a RunEvent]) -> Option<Cut<'a>> {
    let mine = |event: &&&RunEvent| event.what.board() == Some(board);
    let is_off = |event: &&&RunEvent| matches!(event.what, What::Power { on: false, .. });
    let is_on =
        |event: &RunEvent| matches!(event.what, What::PowerSwitching { on: true, .. } | What::Power { on: true, .. });
    let off = events.iter().rev().filter(mine).find(is_off)?;
    if events.iter().any(|event| event.seq > off.seq && event.what.board() == Some(board) && is_on(event)) {
        return None;
    }
    let begins = |event: &&&RunEvent| matches!(event.what, What::PowerSwitching { on: false, .. });
    let begin = events.iter().rev().filter(mine).filter(|event| event.seq < off.seq).find(begins);
    Some(Cut { begin: begin.map_or(off.seq, |event| event.seq), off })
}

/// A board without power must be silent: one that keeps printing, or that closes its connection cleanly, was not cut
/// off.
///
/// # Errors
/// When the records contradict the cut. A record that a stall delayed may be of before the cut, and does not
/// contradict.
pub fn contradiction(board: &str, events: &[&RunEvent], mark: Stamp, stalls: &Stalls) -> Result<(), Unmet> {
    let Some(Cut { begin, off }) = cut(board, events) else { return Ok(()) };
    // Held bytes are not a sign of life: while a network fault is active, only the console counts.
    let faulty = events.iter().any(|event| matches!(&event.what, What::Fault { board: of, .. } if of == board));
    let hint = "is it powered through its UART lines or a second supply?";
    let talk = |event: &&&RunEvent| talks(event, board, !faulty) && stalls.came(event) > off.at + GRACE;
    if let Some(talk) = events.iter().find(talk) {
        let after = talk.at.since(off.at).as_secs_f64();
        let message = format!("the power of `{board}` was cut, but it kept printing {after:.2} s later");
        return Err(Unmet::errored(message).with_details([show(talk, mark)]).with_hint(hint));
    }
    let closing = |event: &&&RunEvent| event.seq > begin && !faulty && closes(event, board, begin, events);
    if let Some(closing) = events.iter().find(closing) {
        let after = signed(closing.at, off.at);
        let message = format!(
            "the power of `{board}` was cut, but it closed its connection cleanly ({after}): its network survived the cut"
        );
        return Err(Unmet::errored(message).with_details([show(closing, mark)]).with_hint(hint));
    }
    Ok(())
}

fn talks(event: &RunEvent, board: &str, packets_count: bool) -> bool {
    match &event.what {
        What::Console { board: of, .. } => of == board,
        What::Packet { board: of, direction: Direction::FromBoard, .. } => packets_count && of == board,
        _ => false,
    }
}

/// A FIN of the board on a connection on which it had not sent DISCONNECT before the switching began.
fn closes(event: &RunEvent, board: &str, begin: u64, events: &[&RunEvent]) -> bool {
    let What::Connection { board: of, connection, change: ConnectionChange::Closed { how }, .. } = &event.what else {
        return false;
    };
    let was_leaving = |event: &&RunEvent| {
        event.seq < begin
            && matches!(event.what.sent_by_board(), Some((of, on, Packet::Disconnect { .. })) if of == board && on == *connection)
    };
    // The end of a connection from before the latest boot says nothing about this cut.
    let opens = |event: &&&RunEvent| {
        matches!(&event.what, What::Connection { board: of, connection: on, change: ConnectionChange::Opened, .. }
            if of == board && on == connection)
    };
    let is_former = || {
        let before = || events.iter().filter(|event| event.seq < begin);
        before().any(|event| opens(&event)) && !open_connections(board, before().copied()).contains(connection)
    };
    of == board && how == "closed by the board" && !events.iter().any(was_leaving) && !is_former()
}

/// Whether a board that boots with this cause comes from power-on. Some chips report it for EN as well, so it is only
/// consistent with a cut.
#[must_use]
pub fn judge_boot(cause: &str) -> Evidence {
    match ResetCause::of(cause) {
        ResetCause::PowerOn => Evidence::Consistent,
        // It was awake: a board without supply can't reset by software.
        ResetCause::Software | ResetCause::Watchdog | ResetCause::DeepSleep | ResetCause::Soft => {
            Evidence::Contradicted
        }
        ResetCause::External | ResetCause::BrownOut | ResetCause::Usb | ResetCause::Other => Evidence::Unproven,
    }
}

/// Whether a record shows that a board boots again: its ROM prints, or its port, which has the same supply, is back.
#[must_use]
pub fn is_fresh_boot(event: &RunEvent, board: &str) -> Option<Evidence> {
    match &event.what {
        What::Found { board: of, finding: hil_timeline::Finding::Boot, detail } if of == board => {
            Some(judge_boot(detail))
        }
        What::ConsoleOpened { board: of, .. } if of == board => Some(Evidence::Consistent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    fn judged(events: Vec<What>) -> Result<(), Unmet> {
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<_> = events.into_iter().map(|what| timeline.record(None, what)).collect();
        let events: Vec<&RunEvent> = events.iter().map(AsRef::as_ref).collect();
        contradiction("lamp", &events, Stamp(0), &Stalls::default())
    }

    fn switch(on: bool) -> Vec<What> {
        let board = || "lamp".to_owned();
        vec![What::PowerSwitching { board: board(), on }, What::Power { board: board(), rail: String::new(), on }]
    }

    fn closed(how: &str) -> What {
        let change = ConnectionChange::Closed { how: how.to_owned() };
        What::Connection { board: "lamp".into(), connection: 1, peer: None, change }
    }

    #[test]
    fn a_fin_while_the_rail_switches_is_evidence_that_it_was_no_cut() {
        let mut events = switch(false);
        events.insert(1, closed("closed by the board"));
        let opened =
            What::Connection { board: "lamp".into(), connection: 1, peer: None, change: ConnectionChange::Opened };
        let reset = What::Reset { board: "lamp".into(), how: String::new() };
        let of_this_life = [vec![opened.clone()], events.clone()].concat();
        assert!(judged(of_this_life).is_err());
        let of_a_former = [vec![opened, reset], events.clone()].concat();
        assert_eq!(judged(of_a_former), Ok(()), "that connection was given up before");
        let unmet = judged(events.clone()).expect_err("a FIN");
        assert_eq!(unmet.verdict, hil_timeline::Verdict::Errored);
        insta::assert_snapshot!(unmet.failure.message);
        events[1] = closed("closed by the broker");
        assert_eq!(judged(events), Ok(()), "the broker gave it up");
        let mut silent = vec![closed("closed by the board")];
        silent.extend(switch(false));
        assert_eq!(judged(silent), Ok(()), "it had closed before");
    }

    #[test]
    fn a_board_that_has_power_again_is_not_in_a_cut() {
        let events = [switch(false), switch(true), vec![closed("closed by the board")]].concat();
        assert_eq!(judged(events), Ok(()));
    }

    /// A stall delays the console: the line may be from before the cut.
    #[test]
    fn a_line_that_a_stall_delayed_does_not_contradict_a_cut() {
        use crate::stalls::{Stall, Stalled};
        let timeline = Timeline::in_memory(Epoch::start());
        let line = What::Console { board: "lamp".into(), line: "connected".into() };
        let at = |seconds: u64, what: What| {
            let event = timeline.record(None, what);
            RunEvent { at: Stamp(seconds * 1_000_000), ..(*event).clone() }
        };
        let events: Vec<_> = switch(false).into_iter().map(|what| at(1, what)).chain([at(9, line)]).collect();
        let events: Vec<&RunEvent> = events.iter().collect();
        assert!(contradiction("lamp", &events, Stamp(0), &Stalls::default()).is_err(), "it keeps printing");
        let stall = |from| Stalls::new([Stall { who: Stalled::Machine, from: Stamp(from), over: Stamp(9_000_000) }]);
        assert_eq!(contradiction("lamp", &events, Stamp(0), &stall(1_100_000)), Ok(()));
        assert!(contradiction("lamp", &events, Stamp(0), &stall(2_000_000)).is_err(), "that stall began too late");
    }

    #[test]
    fn only_power_on_is_consistent_with_a_cut() {
        assert_eq!(judge_boot("POWERON"), Evidence::Consistent);
        assert_eq!(judge_boot("RTC_SW_CPU_RST"), Evidence::Contradicted);
        assert_eq!(judge_boot("BROWN_OUT_RST"), Evidence::Unproven);
    }
}
