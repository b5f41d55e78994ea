//! Symbols of a program for this machine, with line tables. It takes memory that a test of `board` measures.

use hil_board::Symbols;

/// A function of this program, with a line of its own.
#[inline(never)]
fn a_function_that_is_found() -> u32 {
    std::hint::black_box(line!())
}

/// The ELF file is this test program.
#[test]
fn an_address_becomes_a_function_and_a_line() {
    assert!(a_function_that_is_found() > 0);
    let path = std::env::current_exe().expect("this program");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let own = maps.lines().find(|line| line.ends_with(&*path.to_string_lossy())).expect("mapped");
    let base = usize::from_str_radix(own.split('-').next().expect("start"), 16).expect("address");
    let address = a_function_that_is_found as *const () as usize - base;
    let places = Symbols::read(&path).expect("symbols").places_at(address as u64);
    let place = places.first().expect("known");
    assert!(place.contains("a_function_that_is_found  ") && place.contains("tests/symbols.rs:"), "{place}");
}
