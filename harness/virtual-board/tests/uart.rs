//! The board's port as a host sees it.

use std::time::Duration;

use hil_config::Misbehaviour;
use hil_virtual_board::{Options, VirtualBoard};
use serial2_tokio::SerialPort;

fn board(misbehaves: &[Misbehaviour]) -> VirtualBoard {
    let options = Options { mac: [2, 0, 0, 0, 0, 1], misbehaves: misbehaves.to_vec(), ..Options::default() };
    VirtualBoard::start(options).expect("board")
}

/// What a host reads at a baud rate from power-on until a text appears, for at most ten seconds.
async fn hears_until(board: &VirtualBoard, baud: u32, text: &str) -> Vec<u8> {
    let port = SerialPort::open(board.port().expect("port"), baud).expect("open");
    board.set_rail(true).await;
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    let listen = async {
        while !contains(&heard, text) {
            let length = port.read(&mut buffer).await.expect("read");
            heard.extend(&buffer[..length]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), listen).await;
    board.set_rail(false).await;
    heard
}

/// What a host reads at a baud rate within half a second of power-on.
async fn hears(board: &VirtualBoard, baud: u32) -> Vec<u8> {
    let port = SerialPort::open(board.port().expect("port"), baud).expect("open");
    board.set_rail(true).await;
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    let listen = async {
        while let Ok(length @ 1..) = port.read(&mut buffer).await {
            heard.extend(&buffer[..length]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), listen).await;
    board.set_rail(false).await;
    heard
}

fn contains(heard: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(heard).contains(text)
}

#[tokio::test]
async fn the_boot_log_is_readable_at_its_speed_and_garbled_at_another() {
    let board = board(&[]);
    let heard = hears_until(&board, 115_200, "invalid header: 0xffffffff").await;
    assert!(contains(&heard, "ESP-ROM:esp32c3-api1-20210207\r\n") && contains(&heard, "rst:0x1 (POWERON),boot:0xd"));
    assert!(contains(&heard, "invalid header: 0xffffffff"), "its flash is empty");
    let garbled = hears(&board, 74_880).await;
    assert!(!garbled.is_empty() && !contains(&garbled, "ESP-ROM"), "{}", String::from_utf8_lossy(&garbled));
}

#[tokio::test]
async fn held_strapping_makes_the_rom_wait_for_a_download() {
    let board = board(&[]);
    board.drive_boot_pin(false).await;
    let wanted = "boot:0x5 (DOWNLOAD(USB/UART0))\r\nwaiting for download\r\n";
    let heard = hears_until(&board, 115_200, wanted).await;
    assert!(contains(&heard, wanted), "{}", String::from_utf8_lossy(&heard));
}

#[tokio::test]
async fn a_mute_board_and_one_held_in_reset_print_nothing() {
    assert!(hears(&board(&[Misbehaviour::Mute]), 115_200).await.is_empty());
    let held = board(&[]);
    held.set_enable(false).await;
    assert!(hears(&held, 115_200).await.is_empty());
}

#[tokio::test]
async fn a_port_that_nobody_reads_does_not_stop_the_board() {
    let board = board(&[]);
    for _ in 0..200 {
        board.set_rail(true).await;
        board.set_rail(false).await;
    }
    assert!(board.port().is_some());
}
