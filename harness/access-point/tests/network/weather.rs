//! Bytes arrive unchanged and in order, whatever happens to frames.

use proptest::prelude::*;

use crate::lab::{Client, Echo, Lab, SERVER, Weather};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn loss_duplicates_and_disorder_change_nothing(
        seed: u64,
        (lost, doubled, late) in (0..25usize, 0..30usize, 0..60usize),
        lengths in prop::collection::vec(0..60_000usize, 1..4),
        speed in prop_oneof![Just(usize::MAX), 1_000..40_000usize],
    ) {
        let weather = Weather::foul(seed, lost, doubled, late);
        let mut lab = Lab::with(hil_access_point::Config::default(), weather);
        let mut server = Echo { speed, ..Echo::new() };
        let connect = |(stream, length): (usize, &usize)| {
            Client::new(lab.station.connect(SERVER), stream as u64, *length)
        };
        let mut clients: Vec<_> = lengths.iter().enumerate().map(connect).collect();
        lab.until("an echo of everything", |lab| {
            while let Some(event) = lab.events.pop_front() {
                server.serve(&mut lab.ap, &event);
            }
            let work = |client: &mut Client| client.work(lab.station.socket(client.handle));
            clients.iter_mut().map(work).fold(true, |all, done| all & done)
        });
        prop_assert_eq!(server.resets, 0);
    }
}
