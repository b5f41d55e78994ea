//! The network device: virtio-net for `embassy-net`.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use riscv::interrupt::Interrupt;
use virtio_drivers::device::net::{RxBuffer, VirtIONet};
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::machine;

/// An Ethernet frame without its checksum.
const FRAME: usize = 1514;
/// With the header of virtio.
const BUFFER: usize = 1536;
const QUEUE: usize = 16;

/// Wakes the network task.
static WAKER: AtomicWaker = AtomicWaker::new();
static SLOT: AtomicU32 = AtomicU32::new(0);

type Device = RefCell<VirtIONet<Memory, MmioTransport<'static>, QUEUE>>;

/// The machine's network device.
pub(crate) struct Card(Device);

impl Card {
    /// Starts the first network device and its interrupt. None if the machine has no such device.
    pub(crate) fn find() -> Option<Self> {
        let (slot, transport) = (0..machine::VIRTIO_SLOTS).find_map(|slot| Some((slot, network_device(slot)?)))?;
        let device = VirtIONet::new(transport, BUFFER).ok()?;
        SLOT.store(slot, Ordering::Relaxed);
        machine::enable_virtio(slot);
        // SAFETY: the handler is below.
        unsafe { riscv::register::mie::set_mext() };
        Some(Self(RefCell::new(device)))
    }

    /// Its MAC address.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.0.borrow().mac_address()
    }
}

fn network_device(slot: u32) -> Option<MmioTransport<'static>> {
    let header = NonNull::new(machine::virtio(slot) as *mut _)?;
    // SAFETY: the machine has registers in every slot, and nothing else drives them: `acknowledge_virtio` touches only
    // those of interrupts.
    let transport = unsafe { MmioTransport::new(header, machine::VIRTIO_SIZE) }.ok()?;
    (transport.device_type() == DeviceType::Network).then_some(transport)
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn external() {
    let source = machine::claim();
    if source != 0 {
        machine::acknowledge_virtio(SLOT.load(Ordering::Relaxed));
        machine::complete(source);
        WAKER.wake();
    }
}

impl Driver for Card {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        // First the waker: a frame that comes between the two is not missed.
        WAKER.register(cx.waker());
        let buffer = self.0.borrow_mut().receive().ok()?;
        Some((Received { device: &self.0, buffer }, Room(&self.0)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        // Sending waits until the device has the frame: there is always room.
        Some(Room(&self.0))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac())
    }
}

/// A frame that arrived.
pub(crate) struct Received<'a> {
    device: &'a Device,
    buffer: RxBuffer,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        let result = f(self.buffer.packet_mut());
        if let Err(error) = self.device.borrow_mut().recycle_rx_buffer(self.buffer) {
            panic!("the network device takes no buffer: {error}");
        }
        result
    }
}

/// Room for a frame.
pub(crate) struct Room<'a>(&'a Device);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut device = self.0.borrow_mut();
        let mut buffer = device.new_tx_buffer(length);
        let result = f(buffer.packet_mut());
        // A frame that is lost here is sent again, as if it were lost on the way.
        let _ = device.send(buffer);
        result
    }
}

/// Memory that the device shares: addresses are the same on both sides.
struct Memory;

fn pages(count: usize) -> Layout {
    match Layout::from_size_align(count * PAGE_SIZE, PAGE_SIZE) {
        Ok(layout) => layout,
        Err(_) => panic!("{count} pages are more than the address space"),
    }
}

// SAFETY: the allocator gives aligned, zeroed memory that is not used elsewhere, at its physical address.
unsafe impl Hal for Memory {
    fn dma_alloc(count: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: no queue has zero pages.
        match NonNull::new(unsafe { alloc_zeroed(pages(count)) }) {
            Some(memory) => (memory.as_ptr() as PhysAddr, memory),
            None => panic!("no memory for the network device"),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, count: usize) -> i32 {
        // SAFETY: the caller returns what `dma_alloc` made.
        unsafe { dealloc(memory.as_ptr(), pages(count)) };
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        match NonNull::new(address as *mut u8) {
            Some(address) => address,
            None => panic!("a device at address 0"),
        }
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
