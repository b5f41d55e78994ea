//! Whole runs in simulated time.

mod lab;

use lab::{Lab, Size};
use proptest::prelude::*;

fn ratio(lab: &Lab, makespan: u64) -> f64 {
    makespan as f64 / lab.lower_bound() as f64
}

#[test]
fn ten_thousand_scenarios_end_near_the_lower_bound() {
    let lab = Lab::mixed(Size { jobs: 10_000, boards: 200, hosts: 50 }, 18);
    let course = lab.run(0);
    assert_eq!(lab.faults(&course), [""; 0]);
    let ratio = ratio(&lab, course.makespan());
    assert!(ratio <= 1.05, "{ratio:.3}, at a cost of {:?}", course.cost);
}

#[test]
fn a_seed_is_a_course() {
    let lab = Lab::mixed(Size { jobs: 500, boards: 20, hosts: 4 }, 1);
    assert_eq!(lab.run(7).ran, lab.run(7).ran);
    assert_ne!(lab.run(7).ran, lab.run(8).ran);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_scenario_runs_once_on_boards_of_its_own(seed: u64, boards in 20..60_usize, hosts in 1..8_usize) {
        let lab = Lab::mixed(Size { jobs: 300, boards, hosts }, seed);
        let course = lab.run(seed);
        prop_assert_eq!(lab.faults(&course), Vec::<String>::new());
    }
}
