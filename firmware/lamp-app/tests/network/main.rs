//! The program over a network in memory, on a clock that the tests move: no test waits.

mod cable;
mod room;

use room::Room;

/// The clock is one for the whole process: these tests run in turn.
#[test]
fn the_program_over_a_network() {
    it_connects_answers_and_acknowledges();
    a_network_that_goes_away_costs_one_connection_and_no_growing_pauses();
    an_unreachable_broker_is_tried_with_growing_pauses();
    a_broker_that_closes_is_connected_to_again();
}

fn it_connects_answers_and_acknowledges() {
    let mut room = Room::new();
    room.run_for(1_000);
    assert_eq!(room.packets("CONNECT"), 1);
    assert_eq!((room.packets("SUBSCRIBE"), room.packets("PUBLISH")), (1, 1));
    room.command("on");
    room.run_for(200);
    assert!(room.is_lit());
    assert_eq!((room.packets("PUBACK"), room.packets("PUBLISH")), (1, 2));
    room.command("off");
    room.run_for(200);
    assert!(!room.is_lit());
    room.run_for(30_000);
    assert_eq!(room.packets("CONNECT"), 1, "its pings keep the connection");
    assert!(room.packets("PINGREQ") >= 10);
    room.check_watchdog();
}

fn a_network_that_goes_away_costs_one_connection_and_no_growing_pauses() {
    let mut room = Room::new();
    room.run_for(1_000);
    room.plug(false);
    room.run_for(60_000);
    room.plug(true);
    // A host that asks for a neighbour in vain asks again after a second.
    room.run_for(3_000);
    assert_eq!(room.packets("CONNECT"), 2);
    assert_eq!(room.lines("connection lost"), 1, "without a network there are no attempts");
    room.command("on");
    room.run_for(200);
    assert!(room.is_lit());
    room.check_watchdog();
}

fn an_unreachable_broker_is_tried_with_growing_pauses() {
    let mut room = Room::new();
    room.listens(false);
    room.run_for(30_000);
    assert_eq!(room.packets("CONNECT"), 0);
    let pauses = room.pauses();
    assert!(pauses.len() >= 5 && pauses.is_sorted_by(|a, b| a < b || *b > 6_000), "{pauses:?}");
    room.listens(true);
    room.run_for(15_000);
    assert_eq!(room.packets("CONNECT"), 1);
    room.check_watchdog();
}

fn a_broker_that_closes_is_connected_to_again() {
    let mut room = Room::new();
    room.run_for(1_000);
    room.listens(false);
    room.run_for(500);
    room.listens(true);
    room.run_for(5_000);
    assert_eq!(room.packets("CONNECT"), 2);
    room.command("on");
    room.run_for(200);
    assert!(room.is_lit());
}
