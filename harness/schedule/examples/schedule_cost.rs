//! What scheduling costs: `schedule_cost JOBS BOARDS HOSTS`.

#[path = "../tests/simulation/lab.rs"]
mod lab;

use lab::{Lab, Size};

#[expect(clippy::print_stdout, reason = "a measurement")]
fn main() {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse().expect("a number"));
    let mut next = |usual| sizes.next().unwrap_or(usual);
    let size = Size { jobs: next(10_000), boards: next(200), hosts: next(50) };
    let lab = Lab::mixed(size, 18);
    let course = lab.run(0);
    assert!(lab.faults(&course).is_empty());
    let each = course.cost.as_secs_f64() * 1e6 / size.jobs as f64;
    let ratio = course.makespan() as f64 / lab.lower_bound() as f64;
    println!(
        "{} scenarios on {} boards of {} hosts: {each:.1} µs for each scenario, makespan {ratio:.3} of the lower bound",
        size.jobs, size.boards, size.hosts
    );
}
