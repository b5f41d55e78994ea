//! Single decisions.

use std::time::Duration;

use hil_schedule::{CannotRun, Host, Job, JobId, Outcome, Place, PlaceId, Scheduler};

fn boards(scheduler: &mut Scheduler, host: &str, names: &[&str]) -> Vec<PlaceId> {
    names.iter().map(|name| scheduler.add_place(Place::new(host, *name))).collect()
}

/// Everything that can start now.
fn started(scheduler: &mut Scheduler) -> Vec<(JobId, Vec<PlaceId>)> {
    std::iter::from_fn(|| scheduler.next_assignment()).map(|it| (it.job, it.places)).collect()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_longest_start_first_and_unknown_ones_count_as_the_mean() {
    let mut scheduler = Scheduler::new(0);
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let job = |expected: Option<u64>| Job::new().role("lamp", all.clone()).expected(expected.map(seconds));
    let jobs: Vec<_> = [Some(1), None, Some(9), Some(2)].map(|expected| scheduler.add_job(job(expected))).into();
    let mut order = Vec::new();
    loop {
        let now = started(&mut scheduler);
        let Some((first, _)) = now.first().cloned() else { break };
        order.extend(now.iter().map(|(job, _)| *job));
        scheduler.release(first, &Outcome::Done);
    }
    assert_eq!(order, [jobs[2], jobs[1], jobs[3], jobs[0]]);
}

#[test]
fn where_boards_leave_no_choice_the_order_stays() {
    let run = |scheduler: &mut Scheduler| {
        let place = scheduler.add_place(Place::new("", "a"));
        let job = |expected| Job::new().role("lamp", [place]).expected(seconds(expected));
        let jobs: Vec<_> = [1, 9, 3].map(|expected| scheduler.add_job(job(expected))).into();
        for job in &jobs {
            assert_eq!(started(scheduler), [(*job, vec![place])]);
            scheduler.release(*job, &Outcome::Done);
        }
    };
    run(&mut Scheduler::new(0));
}

#[test]
fn a_shuffled_order_stays_with_several_boards_as_well() {
    let mut scheduler = Scheduler::new(0).in_order();
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let jobs = [1, 9, 3].map(|s| scheduler.add_job(Job::new().role("lamp", all.clone()).expected(seconds(s))));
    assert_eq!(started(&mut scheduler).iter().map(|(job, _)| *job).collect::<Vec<_>>(), jobs[..2]);
}

#[test]
fn roles_get_boards_of_their_own_on_one_host_or_none() {
    let mut scheduler = Scheduler::new(0);
    let here = boards(&mut scheduler, "pi-a", &["a"]);
    let there = boards(&mut scheduler, "pi-b", &["a", "b"]);
    let all = [here.clone(), there.clone()].concat();
    let two = scheduler.add_job(Job::new().role("pub", all.clone()).role("sub", all.clone()));
    let alone = scheduler.add_job(Job::new().role("lamp", [there[0]]));
    let never = scheduler.add_job(Job::new().role("pub", here.clone()).role("sub", [there[0]]));
    let now = started(&mut scheduler);
    // The board that only this job can use plays the first role.
    assert_eq!(now, [(two, vec![there[1], there[0]])]);
    assert_eq!(
        scheduler.cannot_run(),
        [(never, CannotRun::NotTogether { roles: vec!["pub".to_owned(), "sub".to_owned()] })]
    );
    scheduler.release(two, &Outcome::Done);
    assert_eq!(started(&mut scheduler), [(alone, vec![there[0]])]);
}

/// Jobs for one board keep both boards busy, never at the same time free: without boards that are held, the other job
/// would start last.
#[test]
fn a_job_for_two_boards_does_not_starve() {
    let mut scheduler = Scheduler::new(0);
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let single = || Job::new().role("lamp", all.clone());
    for _ in 0..200 {
        scheduler.add_job(single());
    }
    let mut running: Vec<_> = started(&mut scheduler).into_iter().map(|(job, _)| job).collect();
    let two = scheduler.add_job(Job::new().role("pub", all.clone()).role("sub", all.clone()));
    let mut passed = 0;
    loop {
        // One of the two ends, and then the other one: they never end together.
        scheduler.release(running.remove(0), &Outcome::Done);
        let now: Vec<_> = started(&mut scheduler).into_iter().map(|(job, _)| job).collect();
        if now.contains(&two) {
            break;
        }
        passed += now.len();
        running.extend(now);
        assert!(!running.is_empty(), "something runs");
    }
    assert!(passed <= 10, "{passed} jobs passed it");
}

#[test]
fn a_retry_waits_for_another_board_and_takes_the_same_one_only_if_no_other_fits() {
    let mut scheduler = Scheduler::new(0);
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let busy = scheduler.add_job(Job::new().role("lamp", [all[1]]));
    assert_eq!(started(&mut scheduler), [(busy, vec![all[1]])]);
    let retry = scheduler.add_job(Job::new().role("lamp", all.clone()).avoiding([all[0]]));
    assert_eq!(started(&mut scheduler), [], "`a` is free");
    scheduler.release(busy, &Outcome::Done);
    assert_eq!(started(&mut scheduler), [(retry, vec![all[1]])]);
    let only = scheduler.add_job(Job::new().role("lamp", [all[0]]).avoiding([all[0]]));
    assert_eq!(started(&mut scheduler), [(only, vec![all[0]])]);
}

#[test]
fn a_board_is_set_aside_after_two_faults_but_not_for_a_job_that_names_it() {
    let mut scheduler = Scheduler::new(0);
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let pooled = || Job::new().role("lamp", all.clone());
    for expected in [vec![], vec![all[0]]] {
        let job = scheduler.add_job(Job::new().role("lamp", [all[0]]));
        assert_eq!(started(&mut scheduler), [(job, vec![all[0]])]);
        assert_eq!(scheduler.release(job, &Outcome::BenchFault(vec![all[0]])), expected);
    }
    assert!(scheduler.is_set_aside(all[0]) && !scheduler.is_set_aside(all[1]));
    let (first, second) = (scheduler.add_job(pooled()), scheduler.add_job(pooled()));
    assert_eq!(started(&mut scheduler), [(first, vec![all[1]])]);
    let named = scheduler.add_job(Job::new().role("a", [all[0]]));
    assert_eq!(started(&mut scheduler), [(named, vec![all[0]])]);
    scheduler.set_aside(all[1]);
    scheduler.release(first, &Outcome::Done);
    assert_eq!(started(&mut scheduler), []);
    let cannot = scheduler.cannot_run();
    assert_eq!(cannot[0].0, second);
    assert_eq!(cannot[0].1.to_string(), "no board is left for the role `lamp`: `a`, `b` set aside");
    assert!(scheduler.cannot_run().is_empty(), "once");
}

#[test]
fn what_ran_on_a_lost_host_has_ended_and_the_rest_goes_elsewhere() {
    let mut scheduler = Scheduler::new(0);
    let all = [boards(&mut scheduler, "pi-a", &["a"]), boards(&mut scheduler, "pi-b", &["a"])].concat();
    let job = |scheduler: &mut Scheduler, fits: &[PlaceId]| scheduler.add_job(Job::new().role("lamp", fits.to_vec()));
    let (one, two, three) = (job(&mut scheduler, &all), job(&mut scheduler, &all), job(&mut scheduler, &all));
    let bound = job(&mut scheduler, &all[..1]);
    assert_eq!(started(&mut scheduler), [(one, vec![all[1]]), (two, vec![all[0]])], "`a@pi-a` is wanted by one more");
    assert_eq!(scheduler.lose_host("pi-a"), [two]);
    assert_eq!(scheduler.release(two, &Outcome::Done), [], "it has ended already");
    let cannot = scheduler.cannot_run();
    assert_eq!((cannot.len(), cannot[0].0), (1, bound));
    assert_eq!(cannot[0].1.to_string(), "no board is left for the role `lamp`: `a@pi-a` lost");
    scheduler.release(one, &Outcome::Done);
    assert_eq!(started(&mut scheduler), [(three, vec![all[1]])]);
    assert_eq!(scheduler.lose_host("pi-b"), [three]);
    let late = scheduler.add_job(Job::new());
    assert_eq!(scheduler.cannot_run(), [(late, CannotRun::NoHost)]);
}

#[test]
fn a_host_that_joins_takes_jobs_that_are_extended() {
    let mut scheduler = Scheduler::new(0);
    let here = boards(&mut scheduler, "pi-a", &["a"]);
    let jobs = [0, 1].map(|_| scheduler.add_job(Job::new().role("lamp", here.clone())));
    assert_eq!(started(&mut scheduler), [(jobs[0], here.clone())]);
    let there = boards(&mut scheduler, "pi-b", &["a"]);
    scheduler.extend(jobs[1], 0, there.clone());
    assert_eq!(started(&mut scheduler), [(jobs[1], there)]);
}

#[test]
fn jobs_without_boards_and_jobs_that_share_a_broker_are_limited() {
    let mut scheduler = Scheduler::new(0);
    scheduler.add_host(Host { without_boards: 2, ..Host::new("") });
    let jobs = [0, 1, 2].map(|_| scheduler.add_job(Job::new()));
    assert_eq!(started(&mut scheduler).len(), 2);
    scheduler.release(jobs[0], &Outcome::Done);
    assert_eq!(started(&mut scheduler), [(jobs[2], vec![])]);

    let mut scheduler = Scheduler::new(0);
    scheduler.add_host(Host { one_at_a_time: true, ..Host::new("") });
    let all = boards(&mut scheduler, "", &["a", "b"]);
    let jobs = [0, 1].map(|_| scheduler.add_job(Job::new().role("lamp", all.clone())));
    assert_eq!(started(&mut scheduler).len(), 1);
    scheduler.release(jobs[0], &Outcome::Done);
    assert_eq!(started(&mut scheduler).len(), 1);
}

#[test]
fn what_is_withdrawn_never_starts() {
    let mut scheduler = Scheduler::new(0);
    let all = boards(&mut scheduler, "", &["a"]);
    let jobs = [0, 1].map(|_| scheduler.add_job(Job::new().role("lamp", all.clone())));
    assert!(scheduler.withdraw(jobs[0]) && !scheduler.withdraw(jobs[0]));
    assert_eq!(started(&mut scheduler), [(jobs[1], all)]);
    assert!(!scheduler.withdraw(jobs[1]), "it runs");
}

#[test]
fn a_job_that_no_board_fits_says_so() {
    let mut scheduler = Scheduler::new(0);
    let job = scheduler.add_job(Job::new().role("lamp", []));
    scheduler.add_place(Place::new("", "a"));
    let [(of, reason)] = &scheduler.cannot_run()[..] else { panic!("one") };
    assert_eq!((*of, reason.to_string().as_str()), (job, "no board fits the role `lamp`"));
}
