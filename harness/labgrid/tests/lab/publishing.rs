//! Boards as places.

use hil_labgrid::{Published, serial_ports_of};

use crate::{lab_with, publication, session};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_are_places_that_labgrids_own_client_can_use() {
    let Some(lab) = lab_with(&["lamp", "lamp-2"]).await else { return };
    let shown = lab.client(&["-p", "pi-a-lamp", "show"]);
    let lines: Vec<_> = shown.lines().filter(|line| !line.contains("created") && !line.contains("changed")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    let session = session(&lab, "ci/hil-1").await;
    assert_eq!(session.view().place("pi-a-lamp").unwrap().holder.as_deref(), Some("desk/anna"));
    lab.client(&["-p", "pi-a-lamp", "release"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_again_changes_only_what_differs() {
    let Some(lab) = lab_with(&["lamp", "lamp-2", "lamp-3"]).await else { return };
    let session = session(&lab, "ci/publish").await;
    let all = publication("pi-a", &["lamp", "lamp-2", "lamp-3"]).publish(&session).await.unwrap();
    assert!(all.iter().all(|(_, done)| *done == Published::Unchanged), "{all:?}");
    lab.client(&["-p", "pi-a-lamp", "set-tags", "rack=3"]);
    lab.client(&["-p", "pi-a-lamp-3", "acquire"]);
    let mut fewer = publication("pi-a", &["lamp"]);
    fewer.boards[0].tags.clear();
    fewer.boards[0].failed_checks = 2;
    let mut done = fewer.publish(&session).await.unwrap();
    done.sort_by(|a, b| a.0.cmp(&b.0));
    let expected =
        [("pi-a-lamp", Published::Changed), ("pi-a-lamp-2", Published::Removed), ("pi-a-lamp-3", Published::Kept)];
    assert_eq!(done, expected.map(|(place, done)| (place.to_owned(), done)));
    let view = session.view();
    let tags = &view.place("pi-a-lamp").unwrap().tags;
    assert_eq!(
        (tags.get("rack").map(String::as_str), tags.get("hil_doctor").map(String::as_str)),
        (Some("3"), Some("2"))
    );
    assert!(!tags.contains_key("hil_tag_wifi") && view.place("pi-a-lamp-2").is_none());
}

/// An exporter of the lab's own, with a serial port: the place leaves it out, so that no `ser2net` opens it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serial_ports_are_left_out() {
    let Some(mut lab) = lab_with(&[]).await else { return };
    let config = "lamp:\n  NetworkService:\n    address: 'pi-b'\n    username: 'pi'\n  RawSerialPort:\n    port: /dev/null\n    speed: 115200\n  \
                  NetworkPowerPort:\n    model: rest\n    host: 'http://127.0.0.1:9/{value}'\n    index: 0\n";
    lab.start_exporter("pi-b", config);
    let session = session(&lab, "ci/publish").await;
    while session.view().resources().count() < 3 {
        let view = session.view();
        tokio::time::timeout(crate::PATIENCE, session.changed(&view)).await.unwrap().unwrap();
    }
    publication("pi-b", &["lamp"]).publish(&session).await.unwrap();
    let view = session.view();
    let place = view.place("pi-b-lamp").unwrap();
    let classes: Vec<_> = view.resources_of(place).map(|(_, resource)| resource.class.as_str()).collect();
    assert_eq!(classes, ["NetworkPowerPort", "NetworkService"]);
    assert_eq!((view.problem_of(place), serial_ports_of(&view, place)), (None, Vec::new()));
    // One that a person described takes them all.
    lab.client(&["-p", "bench", "create"]);
    lab.client(&["-p", "bench", "add-match", "pi-b/lamp/*"]);
    session.settle().await.unwrap();
    let view = session.view();
    assert_eq!(serial_ports_of(&view, view.place("bench").unwrap()).len(), 1);
}
