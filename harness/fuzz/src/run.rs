//! Runs a target.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::Corpus;

/// The time limit of one input. The slowest target takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many inputs to try.
#[derive(Debug, Clone, Copy)]
enum Amount {
    Inputs(u64),
    Time(Duration),
}

/// Tries inputs on a target: `inputs` of them, or as many as `HIL_FUZZ_SECONDS` allows.
///
/// # Panics
/// When the target panics, or takes longer than 60 s for one input; the number of the input is printed.
pub fn fuzz(name: &str, corpus: &Corpus, inputs: u64, target: impl Fn(&[u8]) + Send + Sync) {
    let number = |variable: &str| {
        let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{variable} is not a number: `{text}`")))
    };
    let amount = match number("HIL_FUZZ_SECONDS") {
        Some(seconds) => Amount::Time(Duration::from_secs(seconds.clamp(1, 86_400))),
        None => Amount::Inputs(inputs),
    };
    run(name, corpus, number("HIL_FUZZ_SEED").unwrap_or(0), amount, &target);
}

fn run(name: &str, corpus: &Corpus, first: u64, amount: Amount, target: &(impl Fn(&[u8]) + Sync)) {
    let (done, is_done) = channel();
    let began = Instant::now();
    let tried = std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let mut tried = 0;
            while goes_on(amount, tried, began) {
                let number = first.wrapping_add(tried);
                try_one(name, number, &corpus.input(number), target);
                tried += 1;
                // The other end waits while this one exists.
                let _ = done.send(());
            }
            tried
        });
        let mut waited_for = 0;
        loop {
            match is_done.recv_timeout(PATIENCE) {
                Ok(()) => waited_for += 1,
                Err(RecvTimeoutError::Disconnected) => break,
                // A thread can't be stopped: the process exits, or the test would hang.
                Err(RecvTimeoutError::Timeout) => hung(name, first.wrapping_add(waited_for)),
            }
        }
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    let took = began.elapsed().as_secs_f64();
    report(format_args!("{name}: {tried} inputs from number {first} on in {took:.1} s"));
}

fn goes_on(amount: Amount, tried: u64, began: Instant) -> bool {
    match amount {
        Amount::Inputs(inputs) => tried < inputs,
        Amount::Time(time) => began.elapsed() < time,
    }
}

fn try_one(name: &str, number: u64, input: &[u8], target: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        report(format_args!("{name}: input {number} of {} bytes; HIL_FUZZ_SEED={number} begins with it", input.len()));
        resume_unwind(panic);
    }
}

fn hung(name: &str, number: u64) -> ! {
    report(format_args!(
        "{name}: input {number} takes longer than {PATIENCE:?}; HIL_FUZZ_SEED={number} begins with it"
    ));
    std::process::abort()
}

#[expect(clippy::print_stderr, reason = "a test says on which input it failed")]
fn report(words: std::fmt::Arguments<'_>) {
    eprintln!("{words}");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_limits_of_inputs_and_time_are_kept() {
        let corpus = Corpus::new([b"x".to_vec()]);
        let tried = AtomicU64::new(0);
        let count = |_: &[u8]| {
            tried.fetch_add(1, Ordering::SeqCst);
        };
        run("count", &corpus, 0, Amount::Inputs(123), &count);
        assert_eq!(tried.load(Ordering::SeqCst), 123);
        let began = Instant::now();
        run("time", &corpus, 7, Amount::Time(Duration::from_millis(50)), &count);
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert!(tried.load(Ordering::SeqCst) > 124);
    }

    #[test]
    fn a_panic_of_the_target_fails_the_test() {
        let corpus = Corpus::new([b"x".to_vec()]);
        let fails = |input: &[u8]| assert!(input != b"x", "found");
        let outcome = catch_unwind(|| run("panic", &corpus, 0, Amount::Inputs(1), &fails));
        assert!(outcome.is_err());
    }
}
