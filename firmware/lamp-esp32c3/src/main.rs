//! The lamp for the ESP32-C3: see `firmware/README.md`.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod console;
mod descriptor;
mod flash;
mod variant;
mod wifi;

use embassy_executor::Spawner;
use embassy_net::{Runner, StackResources};
use embassy_time::{Duration, Timer};
use esp_alloc as _;
use esp_backtrace as _;
use esp_hal::clock::CpuClock;
use esp_hal::efuse::{InterfaceMacAddress, interface_mac_address};
use esp_hal::ram;
use esp_hal::rng::Rng;
use esp_hal::timer::timg::TimerGroup;
use esp_radio::wifi::Interface;
use esp_storage::FlashStorage;
use lamp_app::{AppSettings, Config};
use static_cell::StaticCell;

use crate::board::Board;
use crate::console::log;

/// DHCP, DNS, the connection to the broker, that of an update, SNTP, and one in reserve.
static SOCKETS: StaticCell<StackResources<6>> = StaticCell::new();

#[esp_hal::main]
async fn main(spawner: Spawner) -> ! {
    let chip = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));
    // The bootloader's RAM, and as much of the rest as Wi-Fi needs.
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 48 * 1024);
    let timers = TimerGroup::new(chip.TIMG0);
    esp_rtos::start(timers.timer0, chip.FROM_CPU_INTR0);
    let watchdog = TimerGroup::new(chip.TIMG1).wdt;

    let (version, _) = descriptor::version().split_once('+').unwrap_or((descriptor::version(), ""));
    log("lamp", format_args!("{} {version}, core {}", descriptor::PROJECT, descriptor::CORE));
    log("lamp", format_args!("reset reason: {}", board::reset_reason()));
    let mac = interface_mac_address(InterfaceMacAddress::Station);
    let mac: [u8; 6] = mac.as_bytes().try_into().unwrap_or_default();
    let mut storage = FlashStorage::new(chip.FLASH);
    let settings = AppSettings::read(&mut flash::settings(&mut storage), mac);
    let mut board = Board::new(watchdog, settings.pin);
    let (Some(access_point), Some(broker)) = (settings.wifi, settings.broker) else {
        log("lamp", format_args!("no `wifi.ssid` or no `mqtt.host` in NVS: nothing to do"));
        idle(&mut board).await
    };

    let random = Rng::new();
    let seed = random.random();
    let device = Interface::station();
    let network = embassy_net::Config::dhcpv4(embassy_net::DhcpConfig::default());
    let sockets = SOCKETS.init(StackResources::new());
    let (stack, runner) =
        embassy_net::new(device, network, sockets, u64::from(seed) << 32 | u64::from(random.random()));
    match (wifi::stay_connected(chip.WIFI, access_point, seed), run_network(runner)) {
        (Ok(station), Ok(network)) => {
            spawner.spawn(station);
            spawner.spawn(network);
        }
        _ => panic!("a task is started twice"),
    }
    log("mqtt", format_args!("starting, broker {}:{}", broker.host, broker.port));
    let updates = match settings.lamp.update_topic {
        Some(_) => flash::updates(storage, settings.trial_ms),
        None => None,
    };
    let config = Config {
        broker,
        settings: settings.lamp,
        variant: variant::chosen(),
        updates,
        services: settings.services,
        // Truly random while the radio is on, and there is no update without it (ESP-IDF, "Random Number Generation").
        random: |bytes| Rng::new().read(bytes),
        seed,
    };
    lamp_app::run(stack, board, config).await
}

#[embassy_executor::task]
async fn run_network(mut runner: Runner<'static, Interface>) {
    runner.run().await
}

/// A lamp without settings waits for the next flashing.
async fn idle(board: &mut Board) -> ! {
    loop {
        lamp_app::Platform::alive(board);
        Timer::after(Duration::from_secs(1)).await;
    }
}
