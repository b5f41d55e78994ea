//! Files over HTTP and HTTPS, as clients see them and as they are recorded. `curl` and Python are clients that were not
//! written here.

use hil_services::{Behaviour, Stop};
use hil_timeline::Exchange;

use crate::support::{Bench, FILE, curl, curl_output};

#[tokio::test]
async fn a_file_has_a_length_a_tag_and_ranges() {
    let bench = Bench::new(Behaviour::default());
    let head = curl_output(&["-sI", &bench.url("http")]).await;
    for line in ["HTTP/1.1 200 OK", "Content-Length: 100000", "Accept-Ranges: bytes", "Etag: \""] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_eq!(curl(&["-s", &bench.url("http")]).await.stdout, *FILE);
    for (range, part) in
        [("0-0", 0..1), ("5000-5999", 5000..6000), ("99000-", 99_000..100_000), ("-10", 99_990..100_000)]
    {
        let got = curl(&["-s", "-r", range, "-w", "%{stderr}%{http_code}", &bench.url("http")]).await;
        assert_eq!((got.stdout.as_slice(), got.stderr.as_slice()), (&FILE[part], b"206".as_slice()), "{range}");
    }
    let beyond = curl_output(&["-si", "-r", "100000-", &bench.url("http")]).await;
    assert!(
        beyond.contains("416 Range Not Satisfiable") && beyond.contains("Content-Range: bytes */100000"),
        "{beyond}"
    );
}

#[tokio::test]
async fn a_download_continues_where_it_was_cut() {
    let behaviour = Behaviour { stop: Some((60, Stop::Reset)), times: Some(1), ..Behaviour::default() };
    let bench = Bench::new(behaviour);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("app.bin");
    let path = path.to_str().expect("text");
    let cut = curl(&["-s", "-o", path, &bench.url("http")]).await;
    assert!(!cut.status.success());
    let got = std::fs::metadata(path).map_or(0, |file| file.len());
    assert!(got <= 60_000, "{got}");
    let rest = curl(&["-s", "-C", "-", "-o", path, &bench.url("http")]).await;
    assert!(rest.status.success(), "{rest:?}");
    assert_eq!(std::fs::read(path).expect("file"), *FILE);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let bench = Bench::new(Behaviour::default());
    let head = curl_output(&["-sI", &bench.url("http")]).await;
    let tag = head.lines().find_map(|line| line.strip_prefix("Etag: ")).expect("a tag").trim().to_owned();
    let status = |headers: Vec<String>| {
        let url = bench.url("http");
        async move {
            let mut arguments = vec!["-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
            headers.iter().for_each(|header| arguments.extend(["-H", header.as_str()]));
            arguments.push(&url);
            curl_output(&arguments).await
        }
    };
    assert_eq!(status(vec![format!("If-None-Match: {tag}")]).await, "304 0");
    assert_eq!(status(vec![format!("If-None-Match: \"other\", W/{tag}")]).await, "304 0");
    assert_eq!(status(vec!["If-None-Match: \"other\"".to_owned()]).await, "200 100000");
    let range = || "Range: bytes=0-9".to_owned();
    assert_eq!(status(vec![range(), format!("If-Range: {tag}")]).await, "206 10");
    assert_eq!(status(vec![range(), "If-Range: \"other\"".to_owned()]).await, "200 100000");
}

#[tokio::test]
async fn the_server_misbehaves_as_asked() {
    let none = Behaviour::default;
    // What curl says: its exit code (18: the body ends too early; 28: time-out; 56: reset), the status and the size.
    let cases = [
        (Behaviour { status: Some(404), ..none() }, &[][..], (0, "404 28")),
        (Behaviour { status: Some(500), times: Some(1), ..none() }, &[], (0, "500 28")),
        (Behaviour { chunked: true, ..none() }, &[], (0, "200 100000")),
        (Behaviour { chunked: true, ..none() }, &["-r", "10-19"], (0, "206 10")),
        (Behaviour { chunked: true, ..none() }, &["--http1.0"], (0, "200 100000")),
        (Behaviour { ranges: false, ..none() }, &["-r", "10-19"], (0, "200 100000")),
        (Behaviour { redirect: true, ..none() }, &[], (0, "302 0")),
        (Behaviour { redirect: true, ..none() }, &["-L"], (0, "200 100000")),
        // As MicroPython's `requests` does, which leaves the port out.
        (Behaviour { redirect: true, ..none() }, &["-L", "-H", "Host: 127.0.0.1"], (0, "200 100000")),
        (Behaviour { length_off: 1000, ..none() }, &[], (18, "200 100000")),
        (Behaviour { length_off: -1000, ..none() }, &[], (0, "200 99000")),
        (Behaviour { stop: Some((50, Stop::Close)), ..none() }, &[], (18, "200 50000")),
        (Behaviour { stop: Some((50, Stop::Stall)), ..none() }, &["-m", "1"], (28, "200 50000")),
        (Behaviour { stop: Some((50, Stop::Close)), ..none() }, &["-r", "60000-"], (18, "206 0")),
        (Behaviour { stop: Some((50, Stop::Close)), ..none() }, &["-r", "0-40000"], (0, "206 40001")),
    ];
    for (behaviour, more, (code, said)) in cases {
        let bench = Bench::new(behaviour.clone());
        let url = bench.url("http");
        let mut arguments = vec!["-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
        arguments.extend(more);
        arguments.push(&url);
        let got = curl(&arguments).await;
        let found = (got.status.code(), String::from_utf8_lossy(&got.stdout).into_owned());
        assert_eq!(found, (Some(code), said.to_owned()), "{behaviour:?} {more:?}");
    }
}

#[tokio::test]
async fn only_the_first_requests_are_answered_wrongly() {
    let bench = Bench::new(Behaviour { status: Some(503), times: Some(2), ..Behaviour::default() });
    for status in ["503", "503", "200", "200"] {
        let url = bench.url("http");
        assert_eq!(curl_output(&["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]).await, status);
    }
}

#[tokio::test]
async fn only_answers_that_are_wrong_are_counted() {
    let stop = Some((50, Stop::Close));
    let bench = Bench::new(Behaviour { redirect: true, stop, times: Some(1), ..Behaviour::default() });
    let url = bench.url("http");
    let ends = async |more: &[&str]| {
        let arguments: Vec<_> = ["-s", "-o", "/dev/null", "-L"].iter().chain(more).copied().chain([&*url]).collect();
        curl(&arguments).await.status.code()
    };
    // The head, the redirection, what is before the middle, and what the client has already.
    assert_eq!(ends(&["-I"]).await, Some(0));
    assert_eq!(ends(&["-r", "0-9"]).await, Some(0));
    assert_eq!(ends(&["-H", "If-None-Match: *"]).await, Some(0));
    assert_eq!(bench.offer.never_happened(), Some("closes at"));
    assert_eq!(ends(&[]).await, Some(18), "it closes in the middle");
    assert_eq!(bench.offer.never_happened(), None);
    assert_eq!(ends(&[]).await, Some(0), "once");
}

#[tokio::test]
async fn a_redirection_that_is_all_that_is_asked_for_counts() {
    let bench = Bench::new(Behaviour { redirect: true, times: Some(1), ..Behaviour::default() });
    let url = bench.url("http");
    for status in ["302", "200"] {
        assert_eq!(curl_output(&["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]).await, status);
    }
}

#[tokio::test]
async fn what_has_not_happened_is_known() {
    let none = Behaviour::default;
    for (behaviour, in_vain, then, option) in [
        (Behaviour { ranges: false, ..none() }, &[][..], &["-r", "10-19"][..], "ranges"),
        (Behaviour { altered: true, ..none() }, &["-r", "0-9"], &[], "content"),
        (Behaviour { stop: Some((50, Stop::Reset)), ..none() }, &["-r", "0-9"], &[], "resets at"),
        (Behaviour { chunked: true, ..none() }, &["-I"], &[], "encoding"),
        (Behaviour { length_off: 9, ..none() }, &["-I"], &[], "length"),
        (Behaviour { status: Some(404), ..none() }, &["-X", "POST"], &[], "status"),
    ] {
        let bench = Bench::new(behaviour);
        let url = bench.url("http");
        let load = async |more: &[&str]| {
            curl(&["-s", "-o", "/dev/null"].iter().chain(more).copied().chain([&*url]).collect::<Vec<_>>()).await
        };
        load(in_vain).await;
        assert_eq!(bench.offer.never_happened(), Some(option));
        load(then).await;
        assert_eq!(bench.offer.never_happened(), None, "{option}");
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let bench = Bench::new(Behaviour { stop: Some((50, Stop::Reset)), ..Behaviour::default() });
    let got = curl(&["-s", "-o", "/dev/null", &bench.url("http")]).await;
    assert_eq!(got.status.code(), Some(56), "{got:?}");
    bench.wait(|exchange| matches!(exchange, Exchange::Closed { how } if how == "reset by the server")).await;
}

#[tokio::test]
async fn an_altered_file_has_another_hash_and_the_right_length() {
    let bench = Bench::new(Behaviour { altered: true, ..Behaviour::default() });
    let got = curl(&["-s", &bench.url("http")]).await.stdout;
    let differs: Vec<_> = (0..FILE.len()).filter(|at| got[*at] != FILE[*at]).collect();
    assert_eq!((got.len(), differs), (FILE.len(), vec![FILE.len() / 2]));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let bench = Bench::new(Behaviour::default());
    let base = bench.url("http").replace("/app.bin", "");
    for (arguments, status) in [
        (vec!["/other.bin"], "404"),
        (vec!["/"], "404"),
        (vec!["/../app.bin", "--path-as-is"], "404"),
        (vec!["/moved/app.bin"], "404"),
        (vec!["/app.bin", "-d", "x"], "405"),
        (vec!["/app.bin", "-X", "DELETE"], "405"),
        (vec!["/app.bin?version=1"], "200"),
    ] {
        let url = format!("{base}{}", arguments[0]);
        let mut all = vec!["-s", "-o", "/dev/null", "-w", "%{http_code}"];
        all.extend(&arguments[1..]);
        all.push(&url);
        assert_eq!(curl_output(&all).await, status, "{arguments:?}");
    }
}

#[tokio::test]
async fn requests_answers_and_progress_are_recorded() {
    let bench = Bench::new(Behaviour::default());
    curl(&["-s", "-o", "/dev/null", "-r", "50000-", &bench.url("http")]).await;
    bench.wait(|exchange| matches!(exchange, Exchange::Closed { .. })).await;
    let all = bench.exchanges();
    assert!(matches!(&all[0], Exchange::Opened { .. }), "{all:?}");
    let request = Exchange::Request {
        method: "GET".to_owned(),
        path: "/app.bin".to_owned(),
        range: Some("bytes=50000-".to_owned()),
    };
    assert_eq!(all[1], request);
    let response = Exchange::Response {
        path: "/app.bin".to_owned(),
        status: 206,
        length: Some(50_000),
        content_range: Some("bytes 50000-99999/100000".to_owned()),
    };
    assert_eq!(all[2], response);
    let sent: Vec<_> = all
        .iter()
        .filter_map(|exchange| match exchange {
            Exchange::Sent { sent, of, .. } => Some((*sent, *of)),
            _ => None,
        })
        .collect();
    assert!(sent.is_sorted() && sent.first().is_some_and(|(sent, _)| *sent > 50_000), "{sent:?}");
    assert_eq!(sent.last(), Some(&(100_000, 100_000)));
    assert_eq!(all.last(), Some(&Exchange::Closed { how: "closed by the board".to_owned() }));
}

#[tokio::test]
async fn chunks_are_counted_without_their_sizes() {
    let bench = Bench::new(Behaviour { chunked: true, ..Behaviour::default() });
    curl(&["-s", "-o", "/dev/null", &bench.url("http")]).await;
    bench.wait(|exchange| matches!(exchange, Exchange::Closed { .. })).await;
    let all = bench.exchanges();
    assert!(
        all.iter().any(|exchange| matches!(exchange, Exchange::Response { status: 200, length: None, .. })),
        "{all:?}"
    );
    assert!(
        all.iter().any(|exchange| matches!(exchange, Exchange::Sent { sent: 100_000, of: 100_000, .. })),
        "{all:?}"
    );
}

#[tokio::test]
async fn several_requests_on_one_connection_are_told_apart() {
    let bench = Bench::new(Behaviour::default());
    let (url, other) = (bench.url("http"), bench.url("http").replace("app.bin", "none.bin"));
    curl(&["-s", "-o", "/dev/null", "-I", &url, "-o", "/dev/null", &other, "-o", "/dev/null", &url]).await;
    bench.wait(|exchange| matches!(exchange, Exchange::Closed { .. })).await;
    let statuses: Vec<_> = bench
        .exchanges()
        .into_iter()
        .filter_map(|exchange| match exchange {
            Exchange::Response { path, status, .. } => Some((path, status)),
            _ => None,
        })
        .collect();
    let expected = [("/app.bin", 200), ("/none.bin", 404), ("/app.bin", 200)];
    assert_eq!(statuses, expected.map(|(path, status)| (path.to_owned(), status)));
}

#[tokio::test]
async fn https_has_the_certificate_of_the_bench() {
    let bench = Bench::new(Behaviour::default());
    let trusting = curl(&["-s", "--cacert", &bench.ca, &bench.url("https")]).await;
    assert_eq!(trusting.stdout, *FILE);
    let layer = |exchange: &Exchange| matches!(exchange, Exchange::Upgraded { layer } if layer.starts_with("TLS 1."));
    bench.wait(layer).await;
    // 60: the certificate is not trusted.
    let other = curl(&["-s", "--capath", "/nonexistent", &bench.url("https")]).await;
    assert!(matches!(other.status.code(), Some(60 | 77)), "{other:?}");
    bench.wait(|exchange| matches!(exchange, Exchange::Refused { .. })).await;
}

#[tokio::test]
async fn python_loads_it_as_well() {
    let bench = Bench::new(Behaviour { redirect: true, ..Behaviour::default() });
    let program = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(r.Request(sys.argv[1], headers={'Range': 'bytes=10-'})).read())";
    let got = tokio::process::Command::new("python3").args(["-c", program, &bench.url("http")]).output().await;
    let got = got.expect("Python runs");
    assert_eq!(got.stdout, FILE[10..], "{}", String::from_utf8_lossy(&got.stderr));
}

#[tokio::test]
async fn without_a_scenario_connections_are_reset() {
    let bench = Bench::new(Behaviour::default());
    bench.port.close_route();
    let got = curl(&["-s", &bench.url("http")]).await;
    assert!(matches!(got.status.code(), Some(7 | 52 | 56)), "{got:?}");
    assert_eq!(bench.exchanges(), []);
}
