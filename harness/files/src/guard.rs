//! Turns panics of foreign parsers into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// A foreign parser panicked: its input is invalid in a way that it does not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// Its panic message, on one line.
    pub message: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "its parser panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The number of open guards, and the hook that they silence.
static OPEN: Mutex<(usize, Option<Arc<Hook>>)> = Mutex::new((0, None));

thread_local! {
    /// Whether this thread is in a guard: panics of other threads are printed as usual.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a foreign parser. A panic in it is returned as an error, and not printed.
///
/// Inputs that are known to make a parser panic should be rejected before, with an error that says what is wrong.
///
/// # Errors
/// When it panics.
///
/// ```
/// let table = hil_files::guarded(|| [0_u8; 0].first().copied().expect("an entry"));
/// assert_eq!(table.unwrap_err().to_string(), "its parser panicked: an entry");
/// ```
pub fn guarded<T>(parse: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = QUIET.replace(true);
    // A thread that is already unwinding must not change the hook.
    let quiet = (!outer && !std::thread::panicking()).then(Quiet::begin);
    // Its partial results are dropped: only its return value gets out.
    let outcome = catch_unwind(AssertUnwindSafe(parse));
    drop(quiet);
    QUIET.set(outer);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Panicked { message: text.split_whitespace().collect::<Vec<_>>().join(" ") }
    })
}

/// While one exists, the hook prints no panics of guards. The previous hook is restored afterwards: it belongs to the
/// program.
struct Quiet;

impl Quiet {
    fn begin() -> Self {
        let mut open = open_guards();
        if open.0 == 0 {
            let hook = Arc::new(take_hook());
            open.1 = Some(Arc::clone(&hook));
            set_hook(Box::new(move |info| {
                if !QUIET.get() {
                    hook(info);
                }
            }));
        }
        open.0 += 1;
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let mut open = open_guards();
        open.0 -= 1;
        if open.0 == 0 {
            // Our hook is gone, so the other one has one owner again.
            drop(take_hook());
            if let Some(hook) = open.1.take() {
                set_hook(Arc::try_unwrap(hook).unwrap_or_else(|hook| Box::new(move |info| hook(info))));
            }
        }
    }
}

fn open_guards() -> MutexGuard<'static, (usize, Option<Arc<Hook>>)> {
    OPEN.lock()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// One test, since a process has one hook.
    #[test]
    fn panics_in_a_guard_are_errors_and_quiet_and_others_stay_as_they_are() {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        let before = take_hook();
        set_hook(Box::new(|_| {
            HEARD.fetch_add(1, Ordering::SeqCst);
        }));
        let inner = guarded(|| guarded(|| panic!("in\nside")).map_err(|inner: Panicked| inner.message));
        assert_eq!(inner, Ok(Err::<(), _>("in side".to_owned())));
        let index = 7;
        let error = guarded(|| [0_u8][index]).expect_err("out of bounds");
        assert!(error.message.starts_with("index out of bounds"), "{error}");
        assert_eq!(HEARD.load(Ordering::SeqCst), 0);
        // Another thread panics while this one is in a guard: that is printed.
        let outside = guarded(|| std::thread::spawn(|| panic!("outside")).join().is_err());
        assert_eq!((outside, HEARD.load(Ordering::SeqCst)), (Ok(true), 1));
        // Many at once leave the hook unchanged.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|_| assert!(guarded(|| panic!("again")).is_err())));
            }
        });
        assert_eq!(HEARD.load(Ordering::SeqCst), 1);
        assert!(catch_unwind(|| panic!("heard")).is_err());
        assert_eq!(HEARD.load(Ordering::SeqCst), 2);
        drop(take_hook());
        set_hook(before);
    }
}
