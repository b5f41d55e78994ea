//! At which moments of an update to disturb it.

use std::fmt;
use std::time::Duration;

use hil_bench::FlashWork;

/// What is known of an undisturbed update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moments {
    /// What the flash did, in order.
    OfFlash(Vec<FlashWork>),
    /// How long it took.
    OfTime(Duration),
}

/// A moment of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moment {
    /// So much of an operation of the flash is done.
    Flash { operation: usize, thousandths: u32, work: FlashWork, chooses: bool },
    /// So long after the start.
    Time(Duration),
}

impl Moment {
    /// Whether the choice between the two firmwares may have been made by then, so that the board need not go on with the
    /// update.
    pub(super) fn chooses(&self) -> bool {
        match self {
            Self::Flash { chooses, .. } => *chooses,
            Self::Time(_) => true,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash { operation, thousandths, work, .. } => {
                write!(f, "{} % of operation {operation} of the flash, {work}", thousandths / 10)
            }
            Self::Time(after) => write!(f, "{:.2} s after the start", after.as_secs_f64()),
        }
    }
}

/// How much of an operation a cut lets happen, in thousandths: the middle, early, late.
const IN_PART: &[u32] = &[500, 150, 850];

/// A partition with fewer operations than this holds no app.
const FEW: usize = 64;

impl Moments {
    /// As many moments, in order; fewer if the flash did less. Half of them, at most, are in what is written seldom: there
    /// the firmware is chosen. The others are spread evenly. `whole`: the flash ends what it does.
    pub(super) fn choose(&self, count: usize, whole: bool) -> Vec<Moment> {
        match self {
            Self::OfTime(took) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                (0..count).map(|n| Moment::Time(took.mul_f64((f64::from(n) + 0.5) / f64::from(count)))).collect()
            }
            Self::OfFlash(work) => chosen(work, count, if whole { &[1000] } else { IN_PART }),
        }
    }
}

/// `parts`: how much of the operations is done, in thousandths, one after the other.
fn chosen(work: &[FlashWork], count: usize, parts: &[u32]) -> Vec<Moment> {
    let is_rare =
        |one: &FlashWork| work.iter().filter(|other| other.partition == one.partition).take(FEW).count() < FEW;
    let (rare, often): (Vec<usize>, Vec<usize>) = (0..work.len()).partition(|n| is_rare(&work[*n]));
    let seldom = rare.len().min(count.div_ceil(2)).max(count.saturating_sub(often.len()));
    let mut operations = [spread(&rare, seldom), spread(&often, count.saturating_sub(seldom))].concat();
    operations.sort_unstable();
    let first_choice = rare.first().copied().unwrap_or(usize::MAX);
    let moment = |(n, operation): (usize, &usize)| Moment::Flash {
        operation: *operation,
        thousandths: parts[n % parts.len()],
        work: work[*operation].clone(),
        chooses: *operation >= first_choice,
    };
    operations.iter().enumerate().map(moment).collect()
}

/// As many of these, at equal distances, the first and the last among them.
fn spread(all: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(all.len());
    let last = all.len().saturating_sub(1);
    (0..count).map(|n| all[if count == 1 { last / 2 } else { n * last / (count - 1) }]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(partition: &str, count: usize) -> Vec<FlashWork> {
        (0..count).map(|at| FlashWork { erases: false, at, partition: Some(partition.to_owned()) }).collect()
    }

    fn operations(work: &[FlashWork], count: usize) -> Vec<(usize, bool)> {
        let of = |moment: Moment| match moment {
            Moment::Flash { operation, chooses, .. } => (operation, chooses),
            Moment::Time(_) => panic!("a time"),
        };
        Moments::OfFlash(work.to_vec()).choose(count, false).into_iter().map(of).collect()
    }

    #[test]
    fn half_of_the_moments_are_where_the_firmware_is_chosen() {
        let work = [work("app1", 1000), work("otadata", 6)].concat();
        let chosen = operations(&work, 8);
        assert_eq!(chosen[..4], [(0, false), (333, false), (666, false), (999, false)]);
        assert_eq!(chosen[4..], [(1000, true), (1001, true), (1003, true), (1005, true)]);
        assert_eq!(operations(&work, 20).iter().filter(|(_, chooses)| *chooses).count(), 6);
        assert_eq!(operations(&work[..1000], 3), [(0, false), (499, false), (999, false)]);
    }

    #[test]
    fn every_moment_is_another_one() {
        let work = [work("app1", 100), work("otadata", 6)].concat();
        for count in 1..=106 {
            let mut chosen = operations(&work, count);
            chosen.dedup();
            assert_eq!(chosen.len(), count);
        }
    }

    #[test]
    fn a_reset_comes_when_an_operation_is_done_and_the_message_says_so() {
        let moments = |whole| {
            let moments = Moments::OfFlash(work("app1", 100)).choose(2, whole);
            moments.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let of = |done, n: usize| format!("{done} % of operation {n} of the flash, programming {n:#x} (`app1`)");
        assert_eq!(moments(true), [of(100, 0), of(100, 99)]);
        assert_eq!(moments(false), [of(50, 0), of(15, 99)]);
    }

    #[test]
    fn times_are_in_the_middle_of_equal_parts() {
        let times = Moments::OfTime(Duration::from_secs(4)).choose(2, false);
        assert_eq!(times, [Moment::Time(Duration::from_secs(1)), Moment::Time(Duration::from_secs(3))]);
    }
}
