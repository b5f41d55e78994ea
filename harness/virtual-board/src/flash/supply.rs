//! A power cut at an exact moment of what the flash does.
//!
//! Operations are counted in the order in which they take effect: the erase of a sector, and each program command. The
//! program decides their order, not the clock, so that a moment means the same flash in every run. Those of the loader do not
//! count.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// What the flash does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashAction {
    /// Erases a sector.
    Erase,
    /// Programs bytes.
    Program,
}

/// Something that the flash has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashOperation {
    /// What.
    pub action: FlashAction,
    /// Its address.
    pub at: usize,
    /// Bytes.
    pub length: usize,
}

/// A moment of the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashMoment {
    /// Which operation, counted from 0 since they are noted; if they are not, since the moment was set.
    pub operation: usize,
    /// How much of it is done, in thousandths.
    pub thousandths: u32,
}

/// All thousandths.
pub(super) const WHOLE: u32 = 1000;

/// A moment at which the supply falls. Dropping this forgets the moment.
#[derive(Debug)]
pub struct Fall {
    fell: watch::Receiver<bool>,
    supply: Arc<Supply>,
}

impl Fall {
    /// Waits for the moment.
    pub async fn come(&mut self) {
        // The sender lives as long as this.
        let _ = self.fell.wait_for(|fell| *fell).await;
    }
}

impl Drop for Fall {
    fn drop(&mut self) {
        self.supply.forget_moment();
    }
}

/// The supply of the flash as its operations see it.
#[derive(Debug)]
pub(crate) struct Supply {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the moment has come.
    fell: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// When it falls.
    moment: Option<FlashMoment>,
    /// What has been done since then was asked for.
    done: Option<Vec<FlashOperation>>,
    /// Nothing is taken any more.
    fell: bool,
    /// The processor is being stopped: it no longer stands still.
    stops: bool,
    /// The host writes, through the loader: that is not counted.
    by_host: bool,
}

impl Default for Supply {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), fell: watch::Sender::new(false) }
    }
}

impl Supply {
    /// Says whether the loader has the flash now, and not the bootloader or an app.
    pub(crate) fn set_by_host(&self, by_host: bool) {
        self.state.lock().by_host = by_host;
    }

    /// Notes operations from now on.
    pub(crate) fn note(&self) {
        self.state.lock().done = Some(Vec::new());
    }

    /// What was done since then; ends the noting.
    pub(crate) fn noted(&self) -> Vec<FlashOperation> {
        self.state.lock().done.take().unwrap_or_default()
    }

    /// The supply falls at that moment; none if it is over.
    pub(crate) fn fall_at(self: &Arc<Self>, moment: FlashMoment) -> Option<Fall> {
        let mut state = self.state.lock();
        let done = state.done.as_ref().map_or(0, Vec::len);
        let operation = moment.operation.checked_sub(done)?;
        state.moment = Some(FlashMoment { operation, ..moment });
        self.fell.send_replace(false);
        Some(Fall { fell: self.fell.subscribe(), supply: Arc::clone(self) })
    }

    /// Lets a processor go on that stands still, so that it can be stopped. The flash takes nothing from it.
    pub(crate) fn stop(&self) {
        self.state.lock().stops = true;
        self.changed.notify_all();
    }

    /// There is no processor any more; the next one has a supply.
    pub(crate) fn restore(&self) {
        let mut state = self.state.lock();
        (state.fell, state.stops) = (false, false);
    }

    /// The supply no longer falls by itself.
    fn forget_moment(&self) {
        self.state.lock().moment = None;
    }

    /// Whether nothing is taken any more.
    pub(crate) fn has_fallen(&self) -> bool {
        self.state.lock().fell
    }

    /// Stands still from the moment on, as a processor without a supply does.
    pub(crate) fn wait_if_fallen(&self) {
        let mut state = self.state.lock();
        while state.fell && !state.stops {
            self.changed.wait(&mut state);
        }
    }

    /// How much of an operation takes place, in thousandths.
    pub(super) fn share(&self, action: FlashAction, at: usize, length: usize) -> u32 {
        let mut state = self.state.lock();
        if state.fell {
            return 0;
        }
        if state.by_host {
            return WHOLE;
        }
        if let Some(done) = &mut state.done {
            done.push(FlashOperation { action, at, length });
        }
        match &mut state.moment {
            Some(moment) if moment.operation > 0 => {
                moment.operation -= 1;
                WHOLE
            }
            Some(moment) => {
                let part = moment.thousandths.min(WHOLE);
                (state.moment, state.fell) = (None, true);
                self.fell.send_replace(true);
                part
            }
            None => WHOLE,
        }
    }

    /// The same of an operation that does nothing.
    pub(super) fn share_of_nothing(&self) -> u32 {
        if self.has_fallen() { 0 } else { WHOLE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::{Flash, SECTOR};

    fn ones(flash: &Flash, at: usize) -> u32 {
        flash.read(at, SECTOR).expect("read").iter().map(|byte| byte.count_ones()).sum()
    }

    /// Erases two sectors and programs the second one, with the supply falling at a moment.
    fn cut(operation: usize, thousandths: u32) -> [u32; 2] {
        let flash = Flash::erased(false).expect("flash");
        assert!(flash.program(0, &[0; 2 * SECTOR]));
        let _fall = flash.supply().fall_at(FlashMoment { operation, thousandths }).expect("a moment to come");
        assert!(flash.erase(0, 2 * SECTOR) && flash.program(SECTOR, &[0; SECTOR]));
        [ones(&flash, 0), ones(&flash, SECTOR)]
    }

    #[test]
    fn the_operation_at_the_moment_is_done_in_part_and_none_after_it() {
        const ALL: u32 = 8 * 4096;
        assert_eq!(cut(0, 0), [0, 0]);
        let [half, none] = cut(0, 600);
        assert!(half > ALL / 4 && half < ALL * 3 / 4 && none == 0, "{half} {none}");
        assert_eq!(cut(0, 1000), [ALL, 0]);
        assert_eq!(cut(1, 1000), [ALL, ALL]);
        let [all, half] = cut(2, 500);
        assert!(all == ALL && half > ALL / 4 && half < ALL * 3 / 4, "{half}");
        assert_eq!(cut(3, 0), [ALL, 0]);
        assert_eq!(cut(1, 600), cut(1, 600));
    }

    #[test]
    fn a_moment_that_is_dropped_never_comes() {
        let flash = Flash::erased(false).expect("flash");
        drop(flash.supply().fall_at(FlashMoment { operation: 0, thousandths: 0 }));
        assert!(flash.program(0, &[0]) && flash.read(0, 1) == Some(vec![0]));
    }

    #[test]
    fn a_moment_is_counted_since_operations_are_noted() {
        let flash = Flash::erased(false).expect("flash");
        flash.supply().note();
        assert!(flash.program(0, &[0]) && flash.program(1, &[0]));
        assert!(flash.supply().fall_at(FlashMoment { operation: 1, thousandths: 0 }).is_none(), "it is over");
        let _fall = flash.supply().fall_at(FlashMoment { operation: 3, thousandths: 0 });
        assert!(flash.program(2, &[0]) && flash.program(3, &[0]));
        assert_eq!(flash.read(0, 4), Some(vec![0, 0, 0, 0xff]));
    }

    #[test]
    fn operations_are_noted_in_their_order() {
        let flash = Flash::erased(false).expect("flash");
        flash.supply().note();
        assert!(flash.erase(SECTOR + 1, 1) && flash.program(SECTOR, &[1, 2]) && flash.program(9, &[0xff]));
        let noted = |action, at, length| FlashOperation { action, at, length };
        let expected = [noted(FlashAction::Erase, SECTOR, SECTOR), noted(FlashAction::Program, SECTOR, 2)];
        assert_eq!(flash.supply().noted(), expected);
    }

    #[test]
    fn who_works_at_the_moment_stands_still_until_the_supply_is_really_off() {
        let flash = Flash::erased(false).expect("flash");
        let mut fall = flash.supply().fall_at(FlashMoment { operation: 0, thousandths: 0 }).expect("a moment to come");
        let worker = std::thread::spawn({
            let flash = flash.clone();
            move || {
                flash.erase(0, 1);
                flash.supply().wait_if_fallen();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(fall.come());
        assert!(!worker.is_finished());
        flash.supply().stop();
        worker.join().expect("goes on");
        assert!(flash.program(1, &[0]) && flash.read(1, 1) == Some(vec![0xff]), "nothing is taken");
        flash.supply().restore();
        assert!(flash.program(0, &[0]) && flash.read(0, 1) == Some(vec![0]));
    }
}
