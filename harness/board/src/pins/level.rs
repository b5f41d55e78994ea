//! The level of one line: by the changes that the kernel reports, and by reading it where none are reported.

use std::time::Duration;

use gpiocdev::line::{EdgeEvent, EdgeKind};

use super::PinDoubt;

/// The kernel reports a change after an interrupt, within microseconds; its thread may have to wait for a processor.
const REPORTED_WITHIN: Duration = Duration::from_millis(50);

/// What a line tells.
pub(super) trait Line {
    /// The next change that the kernel has kept.
    fn next_edge(&self) -> Result<Option<EdgeEvent>, String>;

    /// Whether it is on right now.
    fn is_on(&self) -> Result<bool, String>;

    /// Waits until there is a change to be read.
    fn has_edge_within(&self, patience: Duration) -> Result<bool, String>;
}

/// What is to be recorded of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The kernel reported it.
    Edge {
        on: bool,
        /// On the kernel's monotonic clock.
        at: Duration,
        number: u32,
    },
    /// The kernel reported nothing, but the level is another.
    Seen { on: bool },
    /// Changes that nothing has seen, and why if it is not the kernel that dropped them.
    Lost { lost: u32, why: Option<PinDoubt> },
}

/// The level of a line, and how it is known.
#[derive(Debug)]
pub(super) struct Level {
    on: bool,
    numbers: Numbers,
    doubt: Option<PinDoubt>,
}

impl Level {
    pub(super) fn new(on: bool) -> Self {
        Self { on, numbers: Numbers::default(), doubt: None }
    }

    /// Whether it has reported a change.
    pub(super) fn reports_edges(&self) -> bool {
        self.numbers.any
    }

    pub(super) fn doubt(&self) -> Option<PinDoubt> {
        self.doubt.clone()
    }

    /// Passes on all changes so far, and returns the level after them; none if the line can't be read any more.
    pub(super) fn read(&mut self, line: &impl Line, mut record: impl FnMut(Change)) -> Option<bool> {
        if matches!(self.doubt, Some(PinDoubt::NotSensed { .. })) {
            return None;
        }
        let read = self.read_edges(line, &mut record).and_then(|()| match self.reports_edges() {
            true => Ok(()),
            false => self.compare(line, &mut record),
        });
        if let Err(reason) = read {
            let doubt = PinDoubt::NotSensed { reason };
            self.doubt = Some(doubt.clone());
            record(Change::Lost { lost: 1, why: Some(doubt) });
            return None;
        }
        Some(self.on)
    }

    fn read_edges(&mut self, line: &impl Line, record: &mut impl FnMut(Change)) -> Result<(), String> {
        while let Some(event) = line.next_edge()? {
            let lost = self.numbers.take(event.line_seqno);
            if lost > 0 {
                record(Change::Lost { lost, why: None });
            }
            self.on = event.kind == EdgeKind::Rising;
            let at = Duration::from_nanos(event.timestamp_ns);
            record(Change::Edge { on: self.on, at, number: event.line_seqno });
        }
        Ok(())
    }

    /// Compares the level with the one after the last change. If they differ, there was a change after the last one was
    /// read: unless the kernel reports it soon, this line reports none.
    fn compare(&mut self, line: &impl Line, record: &mut impl FnMut(Change)) -> Result<(), String> {
        let on = line.is_on()?;
        if on == self.on {
            return Ok(());
        }
        if self.doubt.is_none() {
            if line.has_edge_within(REPORTED_WITHIN)? {
                return self.read_edges(line, record);
            }
            self.doubt = Some(PinDoubt::NoEdges);
        }
        self.on = on;
        record(Change::Lost { lost: 1, why: self.doubt.clone() });
        record(Change::Seen { on });
        Ok(())
    }
}

/// The numbers that the kernel gives to the changes of one line, counted from 1.
#[derive(Debug, Default)]
struct Numbers {
    last: u32,
    any: bool,
}

impl Numbers {
    /// Takes the number of the next change, and returns how many changes before it were lost: the kernel drops the
    /// oldest ones where it can keep no more.
    fn take(&mut self, number: u32) -> u32 {
        let ahead = number.wrapping_sub(self.last);
        self.last = number;
        self.any = true;
        // A number that goes back is not a gap of four thousand million.
        if ahead > u32::MAX / 2 { 0 } else { ahead.saturating_sub(1) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn a_number_that_is_left_out_is_a_lost_change() {
        let mut numbers = Numbers::default();
        let lost: Vec<_> = [1, 2, 5, 6, 6, 3].map(|number| numbers.take(number)).into();
        assert_eq!(lost, [0, 0, 2, 0, 0, 0]);
        let mut begun_late = Numbers::default();
        assert_eq!(begun_late.take(4), 3, "the first ones count as well");
        let mut wraps = Numbers { last: u32::MAX, any: true };
        assert_eq!((wraps.take(0), wraps.take(2)), (0, 1));
    }

    /// A line whose level and changes are independent of each other.
    #[derive(Default)]
    struct TestLine {
        on: Cell<bool>,
        edges: RefCell<VecDeque<EdgeEvent>>,
        /// Come only when they are waited for.
        late: RefCell<VecDeque<EdgeEvent>>,
        broken: Cell<bool>,
    }

    impl Line for TestLine {
        fn next_edge(&self) -> Result<Option<EdgeEvent>, String> {
            Ok(self.edges.borrow_mut().pop_front())
        }

        fn is_on(&self) -> Result<bool, String> {
            if self.broken.get() { Err("no such device".to_owned()) } else { Ok(self.on.get()) }
        }

        fn has_edge_within(&self, _: Duration) -> Result<bool, String> {
            self.edges.borrow_mut().append(&mut self.late.borrow_mut());
            Ok(!self.edges.borrow().is_empty())
        }
    }

    fn edge(number: u32, on: bool) -> EdgeEvent {
        let kind = if on { EdgeKind::Rising } else { EdgeKind::Falling };
        EdgeEvent { timestamp_ns: 1000, kind, offset: 0, seqno: number, line_seqno: number }
    }

    fn changes(level: &mut Level, line: &TestLine) -> Vec<Change> {
        let mut changes = Vec::new();
        let on = level.read(line, |change| changes.push(change));
        assert!(on.is_none_or(|on| on == line.on.get()), "{changes:?}");
        changes
    }

    const fn by_edge(number: u32, on: bool) -> Change {
        Change::Edge { on, at: Duration::from_micros(1), number }
    }

    #[test]
    fn a_line_that_reports_its_changes_is_not_in_doubt() {
        let (line, mut level) = (TestLine::default(), Level::new(false));
        assert_eq!(changes(&mut level, &line), []);
        line.on.set(true);
        line.late.borrow_mut().push_back(edge(1, true));
        assert_eq!(changes(&mut level, &line), [by_edge(1, true)], "its report was on the way");
        line.on.set(false);
        line.edges.borrow_mut().push_back(edge(2, false));
        assert_eq!(changes(&mut level, &line), [by_edge(2, false)]);
        assert_eq!((level.doubt(), level.reports_edges()), (None, true));
    }

    #[test]
    fn a_line_that_changes_and_reports_nothing_is_in_doubt_from_then_on() {
        let (line, mut level) = (TestLine::default(), Level::new(false));
        for on in [true, false, true] {
            assert_eq!(changes(&mut level, &line), []);
            line.on.set(on);
            let lost = Change::Lost { lost: 1, why: Some(PinDoubt::NoEdges) };
            assert_eq!(changes(&mut level, &line), [lost, Change::Seen { on }]);
        }
        assert_eq!(level.doubt(), Some(PinDoubt::NoEdges));
    }

    #[test]
    fn a_line_that_can_not_be_read_has_no_level() {
        let (line, mut level) = (TestLine::default(), Level::new(false));
        line.broken.set(true);
        let doubt = PinDoubt::NotSensed { reason: "no such device".to_owned() };
        assert_eq!(changes(&mut level, &line), [Change::Lost { lost: 1, why: Some(doubt.clone()) }]);
        assert_eq!((level.read(&line, |_| panic!("nothing more")), level.doubt()), (None, Some(doubt)));
    }
}
