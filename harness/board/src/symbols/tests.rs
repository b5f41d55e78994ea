use super::*;

#[path = "../../tests/made/elf.rs"]
mod made;

#[test]
fn addresses_of_code_are_found_in_a_line_of_a_panic() {
    let line = "MEPC    : 0x42001234  RA      : 0x403801a2  SP      : 0x3fc92a40  Backtrace: 0x400d1234:0x3ffb1f60";
    assert_eq!(addresses(line).map(|(hex, _)| hex).collect::<Vec<_>>(), ["42001234", "403801a2", "400d1234"]);
}

/// The lamp that is built in has symbols, but no line tables.
fn lamp() -> SharedSymbols {
    let symbols = SharedSymbols::default();
    let elf = crate::virtual_board::builtin_image("lamp-esp32c3").expect("built in");
    symbols.set(Some(&elf.into()));
    symbols
}

#[test]
fn without_line_tables_functions_are_named_and_labels_are_not() {
    let elf = crate::virtual_board::builtin_image("lamp-esp32c3").expect("built in");
    let symbols = Symbols::of(&elf).expect("symbols");
    let function = symbols.functions.iter().find(|of| of.name.ends_with("4Lamp5event"));
    let address = function.expect("a function of the lamp").begin + 6;
    let decoded = lamp().decode(&format!("Backtrace:\n0x{address:08x}\n0x{address:08x}\nRA : 0x{address:08x} "));
    let lines: Vec<_> = decoded.lines().collect();
    assert_eq!(lines[0], "Backtrace:");
    assert!(lines[1].starts_with(&format!("0x{address:08x}  ")) && lines[1].ends_with("event"), "{decoded}");
    assert_eq!(lines[2..], [format!("0x{address:08x}"), format!("RA : 0x{address:08x} ")], "decoded once");
    assert!(symbols.functions.iter().all(|function| !function.name.starts_with(".L")));
}

#[test]
fn what_is_not_known_stays_as_it_is() {
    let output = "panicked\n0x4fffffff\n0x42001234 ";
    assert_eq!(SharedSymbols::default().decode(output), output);
    let symbols = SharedSymbols::default();
    symbols.set(Some(&b"\x7fELF and then nothing".as_slice().into()));
    assert_eq!(symbols.decode(output), output);
    symbols.set(Some(&made::elf(None, 64).into()));
    assert_eq!(symbols.decode(output), output);
}

#[test]
fn texts_of_the_file_are_bounded_and_can_not_steer_a_terminal() {
    assert_eq!(shown("a\u{1b}[2J\nb"), "a?[2J?b");
    assert_eq!(without_types("sum<core::slice::iter::Iter<u8>, u8>"), "sum");
    assert_eq!(without_types("<lamp_core::lamp::Lamp>::event"), "<lamp_core::lamp::Lamp>::event");
    assert_eq!(shown(&"ä".repeat(500)).chars().count(), LONGEST_NAME + 1);
}

#[test]
fn a_stack_full_of_addresses_is_decoded_up_to_a_limit() {
    let symbols =
        Symbols::of(&crate::virtual_board::builtin_image("lamp-esp32c3").expect("built in")).expect("symbols");
    let functions = symbols.functions.iter().filter(|function| function.begin >> 24 == 0x42);
    let stack: Vec<_> = functions.map(|function| format!("3fc92a40: 0x{:08x}", function.begin)).take(500).collect();
    assert_eq!(lamp().decode(&stack.join("\n")).lines().count(), stack.len() + 24);
}

#[test]
fn paths_begin_where_a_reader_knows_them() {
    let symbols =
        Symbols { folder: Some("/home/me/lamp".into()), ..Symbols::of(&made::elf(None, 1)).expect("symbols") };
    for (path, short) in [
        ("/home/me/lamp/src/main.rs", "src/main.rs"),
        ("/home/me/.cargo/registry/src/index.crates.io-1949cf8c/esp-hal-1.2.2/src/soc.rs", "esp-hal-1.2.2/src/soc.rs"),
        ("/registry/index.crates.io-1949cf8c/esp-hal-1.2.2/src/soc.rs", "esp-hal-1.2.2/src/soc.rs"),
        ("/rustc/59807616e1fa/library/core/src/panicking.rs", "library/core/src/panicking.rs"),
        ("firmware/lamp-core/src/lamp.rs", "firmware/lamp-core/src/lamp.rs"),
    ] {
        assert_eq!(symbols.short(path), short);
    }
}
