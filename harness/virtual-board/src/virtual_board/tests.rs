use std::sync::Arc;

use tokio::sync::mpsc;

use super::VirtualBoard;
use crate::Options;
use crate::image::{AppDescriptor, EspImage, Segment, builtin};

const APP: usize = 0x1_0000;
const SECTOR: usize = 0x20_0000;

/// Drives GPIO3 low, and then has the ROM erase the sector.
const ERASER: [u32; 7] = [
    0x6000_42b7, // lui t0, 0x60004
    0x0080_0313, // li t1, 8
    0x0262_a223, // sw t1, 0x24(t0): enable
    0x2000_0513, // li a0, 0x200
    0x4000_02b7, // lui t0, 0x40000
    0x1282_80e7, // jalr 0x128(t0): esp_rom_spiflash_erase_sector
    0x0000_006f, // j .
];

fn eraser() -> Vec<u8> {
    let descriptor = AppDescriptor { project: "eraser".to_owned(), version: "1.0.0".to_owned() };
    let mut descriptor = descriptor.encode();
    // Without the mark of a native app.
    descriptor[112..144].fill(0);
    let code = ERASER.iter().flat_map(|word| word.to_le_bytes()).collect();
    let segments =
        vec![Segment { address: 0x3c00_0020, data: descriptor }, Segment { address: 0x4038_0000, data: code }];
    EspImage { entry: 0x4038_0000, segments }.encode()
}

/// The boot loader and the table of a built-in image, with another app.
fn image() -> Vec<u8> {
    let mut image = builtin("mqtt-client").expect("an image");
    image.truncate(APP);
    image.extend(eraser());
    image
}

#[tokio::test]
async fn a_reset_by_en_does_not_stop_the_flash_chip() {
    let (driven, mut pins) = mpsc::unbounded_channel();
    let on_pin = Arc::new(move |gpio, high| {
        let _ = driven.send((gpio, high));
    });
    let board =
        VirtualBoard::start(Options { on_pin: Some(on_pin), ..Options::named("eraser", &[]) }).expect("a board");
    assert!(board.program(0, &image()) && board.program(SECTOR, &[0; 4096]));
    board.set_rail(true).await;
    while pins.recv().await != Some((3, false)) {}
    board.set_enable(false).await;
    assert_eq!(board.contents.read(SECTOR, 4096), Some(vec![0xff; 4096]));
}
