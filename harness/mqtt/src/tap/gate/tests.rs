//! What the gate does to packets, however the bytes are split.

use proptest::prelude::*;

use super::*;
use crate::budget::Budget;

const PUBLISH: &[u8] = b"\x32\x07\x00\x01t\x00\x01on";
const PINGREQ: &[u8] = b"\xc0\x00";

fn armed(action: PacketAction, name: &str) -> Armed {
    let armed = Armed::default();
    armed.arm(action, PacketMatch { name: name.to_owned(), direction: Direction::FromBoard, topic: None });
    armed
}

/// What is written for these chunks.
fn written(armed: &Armed, chunks: &[&[u8]]) -> Vec<u8> {
    let gate = Gate::default();
    let pieces = chunks.iter().flat_map(|chunk| gate.pass(PathDirection::Upstream, chunk.to_vec(), armed).0);
    pieces.filter(|piece| !piece.dropped).flat_map(|piece| piece.bytes).collect()
}

#[test]
fn only_the_selected_packet_is_changed() {
    let all = [PINGREQ, PUBLISH, PINGREQ].concat();
    let none: Vec<u8> = [PINGREQ, PINGREQ].concat();
    // Cut anywhere, the result is the same.
    for cut in 0..=all.len() {
        let chunks = [&all[..cut], &all[cut..]];
        assert_eq!(written(&armed(PacketAction::Drop, "PUBLISH"), &chunks), none, "cut at {cut}");
        let twice = [PINGREQ, PUBLISH, PUBLISH, PINGREQ].concat();
        assert_eq!(written(&armed(PacketAction::Duplicate, "PUBLISH"), &chunks), twice, "cut at {cut}");
        let swapped = [PINGREQ, PINGREQ, PUBLISH].concat();
        assert_eq!(written(&armed(PacketAction::Swap, "PUBLISH"), &chunks), swapped, "cut at {cut}");
        let corrupt = [PINGREQ, b"\x32\x07\x00\x01t\x00\x01oo", PINGREQ].concat();
        assert_eq!(written(&armed(PacketAction::Corrupt, "PUBLISH"), &chunks), corrupt, "cut at {cut}");
    }
}

#[test]
fn a_fault_armed_within_a_packet_waits_for_the_next_one() {
    let gate = Gate::default();
    let armed = Armed::default();
    for cut in 1..PUBLISH.len() {
        let mut out = gate.pass(PathDirection::Upstream, PUBLISH[..cut].to_vec(), &armed).0;
        armed.arm(
            PacketAction::Drop,
            PacketMatch { name: "PUBLISH".into(), direction: Direction::FromBoard, topic: None },
        );
        out.extend(gate.pass(PathDirection::Upstream, PUBLISH[cut..].to_vec(), &armed).0);
        let written: Vec<u8> = out.into_iter().flat_map(|piece| piece.bytes).collect();
        assert_eq!(written, PUBLISH, "cut at {cut}");
        let (out, applied) = gate.pass(PathDirection::Upstream, PUBLISH.to_vec(), &armed);
        assert!(out.iter().all(|piece| piece.dropped) && applied.len() == 1, "{out:?}");
    }
}

/// A gate with a budget of its own.
fn gate(budget: &'static Budget) -> Gate {
    let framing = || Mutex::new(Framing { share: Share::of(budget), ..Framing::default() });
    Gate { up: framing(), down: framing(), protocol: AtomicU8::default() }
}

fn bytes(pieces: Vec<Piece>) -> Vec<u8> {
    pieces.into_iter().flat_map(|piece| piece.bytes).collect()
}

#[test]
fn unfinished_packets_of_all_connections_share_a_budget_and_pass_when_it_is_used_up() {
    const MOST: usize = 1 << 20;
    const CHUNK: usize = 16 << 10;
    static BUDGET: Budget = Budget::of(MOST);
    let armed = Armed::default();
    let connections: Vec<_> = (0..60)
        .map(|_| {
            armed.arm(
                PacketAction::Drop,
                PacketMatch { name: "PUBLISH".into(), direction: Direction::FromBoard, topic: Some("t".into()) },
            );
            gate(&BUDGET)
        })
        .collect();
    // A PUBLISH of 15 MiB on `t`, of which half a megabyte arrives.
    let header = [&b"\x30\x80\x80\xc0\x07\x00\x01t"[..], &[7; (512 << 10) - 8]].concat();
    let mut written = vec![Vec::new(); connections.len()];
    let mut missed = 0;
    for chunk in header.chunks(CHUNK) {
        for (gate, written) in connections.iter().zip(&mut written) {
            let (pieces, applied) = gate.pass(PathDirection::Upstream, chunk.to_vec(), &armed);
            missed += applied.iter().filter(|applied| applied.missed).count();
            written.extend(bytes(pieces));
            // A buffer doubles.
            assert!(BUDGET.kept() <= MOST + 2 * CHUNK, "{} bytes are kept", BUDGET.kept());
        }
    }
    assert!(missed > 40, "{missed} passed");
    for (gate, mut written) in connections.into_iter().zip(written) {
        written.extend(bytes(gate.flush(PathDirection::Upstream)));
        assert!(written == header);
    }
    assert_eq!(BUDGET.kept(), 0);
}

#[test]
fn a_fault_that_misses_its_packet_is_not_applied_to_a_later_one() {
    // 256 MiB: too large to keep.
    let large = b"\x30\xff\xff\xff\x7f\x00\x03a/bx";
    for (topic, misses) in [(None, true), (Some("a/#"), true), (Some("b"), false)] {
        let armed = Armed::default();
        let packet =
            PacketMatch { name: "PUBLISH".into(), direction: Direction::FromBoard, topic: topic.map(str::to_owned) };
        armed.arm(PacketAction::Drop, packet.clone());
        let gate = Gate::default();
        let (pieces, applied) = gate.pass(PathDirection::Upstream, large.to_vec(), &armed);
        assert_eq!(bytes(pieces), large);
        let missed: Vec<_> = applied.into_iter().map(|applied| (applied.packet, applied.missed)).collect();
        assert_eq!(missed, if misses { vec![(packet, true)] } else { vec![] });
        assert_eq!(armed.first().is_none(), misses);
    }
}

#[test]
fn a_swap_beyond_the_budget_is_aborted_in_order() {
    static BUDGET: Budget = Budget::of(100 << 10);
    let armed = armed(PacketAction::Swap, "PUBLISH");
    let gate = gate(&BUDGET);
    let first = [&b"\x30\x80\x80\x04\x00\x01t"[..], &[1; (64 << 10) - 3]].concat();
    let (pieces, applied) = gate.pass(PathDirection::Upstream, first.clone(), &armed);
    assert!(pieces.is_empty() && applied.len() == 1, "it waits");
    let mut written = Vec::new();
    let mut missed = Vec::new();
    for chunk in first.chunks(10_000) {
        let (pieces, applied) = gate.pass(PathDirection::Upstream, chunk[..chunk.len() - 1].to_vec(), &armed);
        let (last, more) = gate.pass(PathDirection::Upstream, chunk[chunk.len() - 1..].to_vec(), &armed);
        written.extend(bytes(pieces).into_iter().chain(bytes(last)));
        missed.extend(applied.into_iter().chain(more).filter(|applied| applied.missed));
    }
    assert!(written == first.repeat(2));
    assert_eq!(missed.len(), 1);
    assert_eq!(BUDGET.kept(), 0);
}

proptest! {
    #[test]
    fn without_a_match_every_byte_passes(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..12), arm: bool) {
        let armed = if arm { armed(PacketAction::Drop, "AUTH") } else { Armed::default() };
        let gate = Gate::default();
        let mut out: Vec<u8> = Vec::new();
        for chunk in &chunks {
            let (pieces, applied) = gate.pass(PathDirection::Upstream, chunk.clone(), &armed);
            prop_assume!(applied.is_empty());
            out.extend(pieces.into_iter().flat_map(|piece| piece.bytes));
        }
        // What is still held back is the beginning of a packet that a fault waits for.
        let all = chunks.concat();
        prop_assert!(all.starts_with(&out));
        armed.disarm();
        out.extend(gate.pass(PathDirection::Upstream, Vec::new(), &armed).0.into_iter().flat_map(|piece| piece.bytes));
        prop_assert_eq!(out, all);
    }
}
