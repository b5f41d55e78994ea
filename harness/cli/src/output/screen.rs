//! Progress bars on a terminal.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A change of the progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bar {
    ScenarioBegins {
        id: u32,
        name: String,
    },
    ScenarioEnds {
        id: u32,
    },
    Flashing {
        board: String,
        firmware: String,
        done: u64,
        total: u64,
    },
    FlashEnds {
        board: String,
    },
    /// Removes all bars that are still shown.
    Clear,
}

/// The bars. Only the writing thread has them, because drawing blocks if the terminal is stopped.
#[derive(Default)]
pub(super) struct Screen {
    all: MultiProgress,
    flashes: BTreeMap<String, ProgressBar>,
    running: BTreeMap<u32, ProgressBar>,
}

impl Screen {
    pub(super) fn has_bars(&self) -> bool {
        !self.running.is_empty() || !self.flashes.is_empty()
    }

    pub(super) fn change(&mut self, bar: Bar) {
        match bar {
            Bar::ScenarioBegins { id, name } => {
                let bar = self.all.add(ProgressBar::new_spinner());
                bar.set_style(template("{spinner} {wide_msg} {elapsed}"));
                // A name may contain control characters.
                bar.set_message(hil_report::inert(&name));
                self.running.insert(id, bar);
            }
            Bar::ScenarioEnds { id } => {
                if let Some(bar) = self.running.remove(&id) {
                    bar.finish_and_clear();
                }
            }
            Bar::Flashing { board, firmware, done, total } => {
                let all = &self.all;
                let bar = self.flashes.entry(board).or_insert_with_key(|board| {
                    let bar = all.add(ProgressBar::new(total));
                    bar.set_style(template("  {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}"));
                    bar.set_message(hil_report::inert(&format!("flashing {firmware} to {board}")));
                    bar
                });
                bar.set_position(done);
            }
            Bar::FlashEnds { board } => {
                if let Some(bar) = self.flashes.remove(&board) {
                    bar.finish_and_clear();
                }
            }
            Bar::Clear => {
                self.running.clear();
                self.flashes.clear();
                // The terminal may be gone.
                let _ = self.all.clear();
            }
        }
    }

    /// Redraws the bars, one tick further.
    pub(super) fn redraw(&self) {
        self.running.values().chain(self.flashes.values()).for_each(ProgressBar::tick);
    }

    /// Removes the bars so that a line can be written; the next [`Screen::redraw`] shows them again.
    ///
    /// Not `MultiProgress::suspend`, which panics if the terminal is gone.
    pub(super) fn make_room(&self) {
        if self.has_bars() {
            let _ = self.all.clear();
        }
    }
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}
