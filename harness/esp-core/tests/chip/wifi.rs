//! The radio's driver, as programs call it. The programs here have the driver's symbols and nothing behind them.

use hil_esp_core::chip::{AccessPoint, Auth, End, Input, Output};

use crate::program::{Ran, run, setup};

/// A station that joins "lab" with a password. It prints each event's number, and why it left; it sends a frame when it
/// has joined and when it receives one, whose first byte it prints.
const STATION: &str = "
    .macro driver name, first=0, second=0, third=0
        li a0, \\first
        la a1, \\second
        li a2, \\third
        call \\name
    .endm
        la a0, config
        call esp_wifi_init_internal
        la a0, sent
        call esp_wifi_set_tx_done_cb
        driver esp_wifi_internal_reg_rxcb, 0, received
        li a0, 1
        call esp_wifi_set_mode
        driver esp_wifi_set_config, 0, station
        call esp_wifi_start
        call esp_wifi_connect_internal
    idle:
        wfi
        j idle

    event_post:
        addi sp, sp, -16
        sw ra, 0(sp)
        sw a1, 4(sp)
        sw a2, 8(sp)
        addi a0, a1, '0'
        rom UART_TX_ONE_CHAR
        lw t0, 4(sp)
        li t1, 5
        bne t0, t1, 1f
        lw t0, 8(sp)
        lbu a0, 39(t0)
        sub a0, a0, t1
        rom UART_TX_ONE_CHAR
    1:  put '\\n'
        lw t0, 4(sp)
        li t1, 4
        bne t0, t1, 2f
        driver esp_wifi_internal_tx, 0, frame, 20
    2:  lw ra, 0(sp)
        addi sp, sp, 16
        li a0, 0
        ret

    sent:
        ret

    received:
        addi sp, sp, -16
        sw ra, 0(sp)
        sw a2, 4(sp)
        lbu a0, 0(a0)
        rom UART_TX_ONE_CHAR
        put '\\n'
        lw a0, 4(sp)
        call esp_wifi_internal_free_rx_buffer
        lw ra, 0(sp)
        addi sp, sp, 16
        li a0, 0
        ret

    .macro function name
        .globl \\name
        .type \\name, @function
    \\name:
        unimp
    .endm
    function esp_wifi_init_internal
    function esp_wifi_set_tx_done_cb
    function esp_wifi_internal_reg_rxcb
    function esp_wifi_set_mode
    function esp_wifi_set_config
    function esp_wifi_start
    function esp_wifi_connect_internal
    function esp_wifi_internal_tx
    function esp_wifi_internal_free_rx_buffer
    function esp_wifi_ftm_initiate_session

    .balign 4
    config:
        .word adapter
    adapter:
        .word ADAPTER
        .zero 44*4
        .word event_post
    station:
        .ascii \"lab\"
        .zero 29
        .ascii \"secret99\"
        .zero 56
        .zero 24
        .word 3
        .zero 64
    frame:
        .ascii \"a frame of 20 bytes!\"
";

fn station(adapter: u32) -> String {
    format!(".equ ADAPTER, {adapter}\n{STATION}")
}

fn lab(password: &str) -> AccessPoint {
    AccessPoint {
        ssid: b"lab".to_vec(),
        bssid: [2, 0, 0, 0, 0, 9],
        channel: 6,
        rssi: -50,
        auth: Auth::Wpa2,
        password: password.into(),
    }
}

/// Runs the station; `react` says what to do at an output.
fn with_air(name: &str, air: Vec<AccessPoint>, mut react: impl FnMut(&Output) -> Option<Input>) -> Ran {
    let mut setup = setup(name, &station(9));
    setup.access_points = air;
    run(setup, |output, inputs| {
        if let Some(input) = react(output) {
            let _ = inputs.send(input);
        }
    })
}

#[test]
fn a_station_joins_sends_and_receives() {
    let ran = with_air("join", vec![lab("secret99")], |output| match output {
        Output::Frame(_) => Some(Input::Frame(b"frame".to_vec())),
        Output::Uart(bytes) if bytes.starts_with(b"f") => Some(Input::Stop),
        _ => None,
    });
    assert_eq!(ran.console(), "2\n4\nf\n");
    let joined = Output::Joined { ssid: "lab".to_owned(), bssid: [2, 0, 0, 0, 0, 9] };
    assert!(ran.outputs.contains(&joined), "{:?}", ran.outputs);
    assert!(ran.outputs.contains(&Output::Frame(b"a frame of 20 bytes!".to_vec())));
}

/// The reason for which a station does not join.
fn reason(name: &str, air: Vec<AccessPoint>) -> u8 {
    let mut found = 0;
    with_air(name, air, |output| match output {
        Output::Left { reason } => {
            found = *reason;
            Some(Input::Stop)
        }
        Output::Joined { .. } => Some(Input::Stop),
        _ => None,
    });
    found
}

#[test]
fn a_network_that_is_not_there_can_not_be_joined() {
    assert_eq!(reason("no-network", Vec::new()), 201);
}

#[test]
fn a_wrong_password_ends_the_handshake() {
    assert_eq!(reason("password", vec![lab("secret98")]), 15);
}

#[test]
fn a_station_leaves_when_the_access_point_is_silent_for_long() {
    let ran = with_air("silence", vec![lab("secret99")], |output| match output {
        Output::Joined { .. } => Some(Input::AccessPoints(Vec::new())),
        Output::Left { .. } => Some(Input::Stop),
        _ => None,
    });
    assert!(ran.outputs.contains(&Output::Left { reason: 200 }), "{:?}", ran.outputs);
}

/// Prints how many access points a scan finds, then the first letter and the channel of each.
const SCAN: &str = "
    .macro driver name, first=0, second=0, third=0
        li a0, \\first
        li a1, \\second
        call \\name
    .endm
    .macro function name
        .globl \\name
    \\name:
        unimp
    .endm
        driver esp_wifi_scan_start, 0, 1
        la a0, record
        call esp_wifi_scan_get_ap_num
        la t0, record
        lhu s0, 0(t0)
        addi a0, s0, '0'
        rom UART_TX_ONE_CHAR
    next:
        la a0, record
        call esp_wifi_scan_get_ap_record
        bnez a0, end
        la s1, record
        lbu a0, 6(s1)
        rom UART_TX_ONE_CHAR
        lbu a0, 39(s1)
        addi a0, a0, '0'
        rom UART_TX_ONE_CHAR
        j next
    end:
        rom SOFTWARE_RESET
    function esp_wifi_scan_start
    function esp_wifi_scan_get_ap_num
    function esp_wifi_scan_get_ap_record
    .balign 4
    record:
        .zero 80
";

#[test]
fn a_scan_finds_the_access_points_strongest_first() {
    let mut setup = setup("scan", SCAN);
    let weak = AccessPoint { ssid: b"weak".to_vec(), channel: 3, rssi: -80, ..lab("") };
    setup.access_points = vec![weak, lab("secret99")];
    assert_eq!(run(setup, |_, _| ()).console(), "2l6w3");
}

fn refusal(name: &str, source: &str) -> String {
    match run(setup(name, source), |_, _| ()).end {
        End::Refused(unsupported) => unsupported.to_string(),
        end => panic!("{end:?}"),
    }
}

#[test]
fn both_adapters_are_known_and_another_is_refused() {
    let text = refusal("adapter", &station(7));
    assert_eq!(
        text,
        "version 7 of the Wi-Fi driver's OS adapter is not supported: \
         there is a model for 9 (esp-radio 1.0.0-beta.1) and 8 (esp-radio 1.0.0-beta.0)"
    );
    let mut setup = setup("adapter-8", &station(8));
    setup.access_points = vec![lab("secret99")];
    let ran = run(setup, |output, inputs| {
        if matches!(output, Output::Joined { .. }) {
            let _ = inputs.send(Input::Stop);
        }
    });
    assert_eq!(ran.end, End::Stopped);
}

#[test]
fn a_function_of_the_driver_without_a_model_is_named() {
    let text = refusal("ftm", &format!("call esp_wifi_ftm_initiate_session\n{}", station(9)));
    assert!(text.starts_with("the radio driver's function esp_wifi_ftm_initiate_session is not supported"), "{text}");
}
