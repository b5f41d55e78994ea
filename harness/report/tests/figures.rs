//! Made-up histories with and without known changes, and the results of their comparison.
//!
//! The figures in `docs/appendix/simulations.md` are those of `cargo test --release -p hil-report --test figures -- --ignored
//! --nocapture`; the tests that always run look at fewer histories.

use hil_report::{Metric, MetricKind, RECORD_SCHEMA, Record, TimeChange, compare};
use hil_timeline::{BoardInfo, Verdict};

/// A small pseudo-random number generator (SplitMix64, Steele et al. 2014): the same figures every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.share(), self.share());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// How times vary: within a run, between runs (a host has good and bad days), and as outliers.
#[derive(Clone, Copy)]
struct Noise {
    within: f64,
    between: f64,
    outliers: f64,
}

const USUAL: Noise = Noise { within: 0.05, between: 0.02, outliers: 0.02 };
const LOUD: Noise = Noise { within: 0.15, between: 0.05, outliers: 0.05 };

/// Metrics of boards, measured in each scenario that boots one, and of steps, measured once per run.
const BOARD_METRICS: usize = 20;
const SAMPLES: usize = 10;
const STEPS: usize = 300;

/// Every nth metric is shifted.
const SHIFTED: usize = 10;

fn run(dice: &mut Dice, n: usize, noise: Noise, shift: f64) -> Record {
    let day = 1.0 + noise.between * dice.normal();
    let mut record = Record {
        schema: RECORD_SCHEMA,
        run: format!("{n}"),
        unix_ms: n as u64,
        bench: "made up".into(),
        provenance: hil_timeline::Provenance::default(),
        broker: "embedded".into(),
        boards: vec![BoardInfo {
            name: "lamp".into(),
            kind: "esp".into(),
            chip: "esp32c3".into(),
            simulated: false,
            emulator: None,
        }],
        firmware: vec![],
        exit_code: Some(0),
        parts: vec![],
        regressed: false,
        scenarios: [("a".to_owned(), Verdict::Passed)].into(),
        failures: [].into(),
        quarantined: [].into(),
        times: [].into(),
        metrics: [].into(),
        traffic: [].into(),
    };
    for at in 0..BOARD_METRICS + STEPS {
        let (kind, samples) = if at < BOARD_METRICS { (MetricKind::Latency, SAMPLES) } else { (MetricKind::Step, 1) };
        // From 20 ms to 2 s.
        let centre = 20.0 * 100.0_f64.powf((at % 37) as f64 / 36.0);
        let shifted = if at % SHIFTED == 0 { 1.0 + shift } else { 1.0 };
        let mut value = || {
            let far = if dice.share() < noise.outliers { 1.0 + 2.0 * dice.share() } else { 1.0 };
            centre * shifted * day * far * (noise.within * dice.normal()).exp()
        };
        let values = (0..samples).map(|_| value()).collect();
        record.metrics.insert(Metric { kind, subject: format!("{at:04}") }, values);
    }
    record
}

/// The share of comparisons with a false alarm, and the share of shifts that were found.
struct Found {
    alarms: f64,
    of_boards: f64,
    of_steps: f64,
}

fn look(comparisons: usize, base_runs: usize, head_runs: usize, noise: Noise, shift: f64) -> Found {
    let mut dice = Dice(42);
    let (mut alarms, mut boards, mut steps) = (0, 0, 0);
    for _ in 0..comparisons {
        let base: Vec<_> = (0..base_runs).map(|n| run(&mut dice, n, noise, 0.0)).collect();
        let head: Vec<_> = (0..head_runs).map(|n| run(&mut dice, 100 + n, noise, shift)).collect();
        let changes = compare(&base, &head).expect("comparable").measurements.changes;
        let is_shifted = |metric: &Metric| metric.subject.parse::<usize>().is_ok_and(|at| at.is_multiple_of(SHIFTED));
        let (right, wrong): (Vec<_>, Vec<_>) = changes
            .iter()
            .partition(|change| shift > 0.0 && is_shifted(&change.metric) && change.direction == TimeChange::Slower);
        alarms += usize::from(!wrong.is_empty());
        let of_steps = right.iter().filter(|change| change.metric.kind == MetricKind::Step).count();
        steps += of_steps;
        boards += right.len() - of_steps;
    }
    let share = |hits: usize, each: usize| hits as f64 / (comparisons * each) as f64;
    Found {
        alarms: share(alarms, 1),
        of_boards: share(boards, BOARD_METRICS / SHIFTED),
        of_steps: share(steps, STEPS / SHIFTED),
    }
}

#[test]
fn noise_does_not_alarm() {
    // Comparing many runs takes long in a debug build.
    for (base, head, comparisons) in [(1, 1, 60), (5, 1, 60), (10, 10, 8)] {
        assert_eq!(look(comparisons, base, head, USUAL, 0.0).alarms, 0.0, "{base} and {head} runs");
        // Fewer than ten in a thousand: see the figures.
        assert!(look(comparisons, base, head, LOUD, 0.0).alarms < 0.02, "{base} and {head} runs");
    }
}

#[test]
fn a_shift_of_30_percent_is_found_with_10_samples() {
    // Ten measurements in one run of each side, or ten runs of one measurement.
    let one = look(40, 1, 1, USUAL, 0.30);
    assert!(one.of_boards > 0.75, "{}", one.of_boards);
    let ten = look(10, 10, 10, USUAL, 0.30);
    assert!(ten.of_boards > 0.99 && ten.of_steps > 0.7, "{} {}", ten.of_boards, ten.of_steps);
    assert!(one.alarms == 0.0 && ten.alarms == 0.0);
}

/// Whether a scenario that fails sometimes is reported as newly flaky or failing, and one that never does is not.
fn flakes(histories: usize, runs: usize, rate: f64) -> f64 {
    let mut dice = Dice(7);
    let mut reported = 0;
    for _ in 0..histories {
        let mut record = |n, rate: f64| {
            let mut record = run(&mut Dice(0), n, USUAL, 0.0);
            record.metrics.clear();
            let verdict = if dice.share() < rate { Verdict::Failed } else { Verdict::Passed };
            record.scenarios.insert("a".to_owned(), verdict);
            record
        };
        let base: Vec<_> = (0..runs).map(|n| record(n, 0.0)).collect();
        let head: Vec<_> = (0..runs).map(|n| record(100 + n, rate)).collect();
        reported += usize::from(compare(&base, &head).expect("comparable").regression);
    }
    reported as f64 / histories as f64
}

#[test]
fn a_flake_is_reported_when_it_is_seen_and_never_invented() {
    assert_eq!(flakes(200, 20, 0.0), 0.0);
    assert!(flakes(200, 20, 0.20) > 0.95);
}

#[test]
#[ignore = "prints the figures of docs/appendix/simulations.md; minutes in a debug build"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn figures() {
    println!("| noise | runs | shift | false alarms | found: boards | found: steps |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, noise) in [("usual", USUAL), ("loud", LOUD)] {
        for (base, head) in [(1, 1), (5, 1), (10, 10)] {
            for shift in [0.0, 0.05, 0.10, 0.30] {
                let comparisons = if shift == 0.0 { 1000 } else { 200 };
                let found = look(comparisons, base, head, noise, shift);
                let percent = |share: f64| format!("{:.1} %", share * 100.0);
                let shares = if shift == 0.0 {
                    "– | –".to_owned()
                } else {
                    format!("{} | {}", percent(found.of_boards), percent(found.of_steps))
                };
                println!(
                    "| {name} | {base} and {head} | {:.0} % | {} of {comparisons} | {shares} |",
                    shift * 100.0,
                    (found.alarms * comparisons as f64).round(),
                );
            }
        }
    }
    println!("\n| flakes | 10 runs | 20 runs |\n| --- | --- | --- |");
    for rate in [0.0, 0.01, 0.05, 0.20] {
        let shares = [10, 20].map(|runs| format!("{:.1} %", flakes(2000, runs, rate) * 100.0));
        println!("| {:.0} % | {} |", rate * 100.0, shares.join(" | "));
    }
}
