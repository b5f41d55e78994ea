//! A cable between two network devices.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

#[derive(Default)]
struct End {
    frames: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Inner {
    ends: [End; 2],
    is_unplugged: bool,
}

/// A cable that can be unplugged.
#[derive(Clone, Default)]
pub(crate) struct Cable(Rc<RefCell<Inner>>);

/// One of its two devices.
pub(crate) struct Device {
    cable: Cable,
    end: usize,
}

pub(crate) struct Received(Vec<u8>);

pub(crate) struct Sender {
    cable: Cable,
    to: usize,
}

impl Cable {
    pub(crate) fn device(&self, end: usize) -> Device {
        Device { cable: self.clone(), end }
    }

    pub(crate) fn plug(&self, plugged: bool) {
        let mut inner = self.0.borrow_mut();
        inner.is_unplugged = !plugged;
        for end in &mut inner.ends {
            end.frames.clear();
            if let Some(waker) = end.waker.take() {
                waker.wake();
            }
        }
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

impl TxToken for Sender {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let mut inner = self.cable.0.borrow_mut();
        if !inner.is_unplugged {
            let end = &mut inner.ends[self.to];
            end.frames.push_back(frame);
            if let Some(waker) = end.waker.take() {
                waker.wake();
            }
        }
        result
    }
}

impl Driver for Device {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender;

    fn receive(&mut self, cx: &mut Context) -> Option<(Received, Sender)> {
        let mut inner = self.cable.0.borrow_mut();
        let end = &mut inner.ends[self.end];
        end.waker = Some(cx.waker().clone());
        let frame = end.frames.pop_front()?;
        Some((Received(frame), Sender { cable: self.cable.clone(), to: 1 - self.end }))
    }

    fn transmit(&mut self, _: &mut Context) -> Option<Sender> {
        Some(Sender { cable: self.cable.clone(), to: 1 - self.end })
    }

    fn link_state(&mut self, _: &mut Context) -> LinkState {
        let inner = self.cable.0.borrow();
        // Only the lamp's radio loses its link.
        if inner.is_unplugged && self.end == 0 { LinkState::Down } else { LinkState::Up }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, u8::try_from(self.end).unwrap_or(9)])
    }
}
