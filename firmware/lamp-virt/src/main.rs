//! The lamp for QEMU's RISC-V machine `virt`: see `firmware/README.md`.
#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the entry macro makes a public function")]

extern crate alloc;

mod board;
mod clock;
mod console;
mod flash;
mod machine;
mod network;
mod panic;

use core::mem::MaybeUninit;

use embassy_executor::Spawner;
use embassy_net::{Runner, StackResources};
use embedded_alloc::LlffHeap;
use lamp_app::{AppSettings, Config, MemFlash, Updates, Variant};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::Board;
use crate::console::log;
use crate::network::Card;

const HEAP: usize = 256 * 1024;

#[global_allocator]
static ALLOCATOR: LlffHeap = LlffHeap::empty();
static ARENA: ConstStaticCell<[MaybeUninit<u8>; HEAP]> = ConstStaticCell::new([MaybeUninit::uninit(); HEAP]);
/// DHCP, DNS, the connection to the broker, and one in reserve.
static SOCKETS: StaticCell<StackResources<4>> = StaticCell::new();

#[embassy_executor::main(entry = "riscv_rt::entry")]
async fn main(spawner: Spawner) -> ! {
    let arena = ARENA.take();
    // SAFETY: the allocator alone has this memory, and is initialised once.
    unsafe { ALLOCATOR.init(arena.as_mut_ptr() as usize, HEAP) };
    clock::start();
    // SAFETY: all handlers and what they use are ready.
    unsafe { riscv::interrupt::enable() };

    log("lamp", format_args!("lamp-virt {}, core {}", env!("CARGO_PKG_VERSION"), env!("LAMP_CORE_HASH")));
    log("lamp", format_args!("reset reason: {}", board::reset_reason()));
    let Some(card) = Card::find() else { idle("the machine has no virtio-net-device").await };
    let settings = AppSettings::read(&mut flash::settings(), card.mac());
    let board = Board::new(settings.pin);
    let Some(broker) = settings.broker else { idle("no `mqtt.host` in NVS").await };

    let seed = machine::seed();
    let network = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let (stack, runner) = embassy_net::new(card, network, SOCKETS.init(StackResources::new()), seed);
    match run_network(runner) {
        Ok(network) => spawner.spawn(network),
        Err(_) => panic!("a task is started twice"),
    }
    log("mqtt", format_args!("starting, broker {}:{}", broker.host, broker.port));
    let spread = (seed ^ seed >> 32) as u32;
    // Nothing here loads a program from flash.
    let updates = None::<Updates<MemFlash>>;
    let config = Config {
        broker,
        settings: settings.lamp,
        variant: Variant::GOOD,
        updates,
        services: settings.services,
        // Only updates need random bytes.
        random: |bytes| bytes.fill(0),
        seed: spread,
    };
    lamp_app::run(stack, board, config).await
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Card>) {
    runner.run().await
}

/// A lamp without settings or network waits for the next start.
async fn idle(why: &str) -> ! {
    log("lamp", format_args!("{why}: nothing to do"));
    core::future::pending().await
}
