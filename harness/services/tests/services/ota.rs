//! Requests in the order of ESP-IDF's `esp_https_ota`
//! (`components/esp_https_ota/src/esp_https_ota.c`, master of July 2026), made by curl.
//!
//! In parts (`partial_http_download`), it asks for the length with `HEAD`, and then for ranges of
//! `max_http_request_size` on one connection; the last range has no end. A load that goes on begins where it was cut. It
//! names no `ETag`. curl has one connection for all; the device opens another after `HEAD`.

use hil_services::Behaviour;
use hil_timeline::Exchange;

use crate::support::{Bench, FILE, curl};

const SCHEMES: [&str; 2] = ["http", "https"];

/// What curl prints of each answer: its status, its length, and how many connections were opened for it.
const WRITTEN: &str = "%{stderr}%{http_code} %{size_download} %header{content-length} %{num_connects}\n";

/// One run of curl: `HEAD` if that is asked for, then these ranges. The bytes, and a line for each answer.
async fn load(bench: &Bench, scheme: &str, asks_length: bool, ranges: &[&str]) -> (Vec<u8>, String) {
    let url = bench.url(scheme);
    let each = ["-s", "--cacert", &bench.ca, "-w", WRITTEN, &url];
    let head = asks_length.then(|| vec!["-I", "-o", "/dev/null"]);
    let requests = head.into_iter().chain(ranges.iter().map(|range| vec!["-r", range]));
    let requests: Vec<_> = requests.map(|request| [&each[..], &request].concat()).collect();
    let got = curl(&requests.join(&"--next")).await;
    assert!(got.status.success(), "{got:?}");
    (got.stdout, String::from_utf8_lossy(&got.stderr).into_owned())
}

/// What the server has recorded: connections, and the ranges that were asked for.
async fn recorded(bench: &Bench) -> Vec<String> {
    bench.wait(|exchange| matches!(exchange, Exchange::Closed { .. })).await;
    let of = |exchange| match exchange {
        Exchange::Opened { .. } => Some("opened".to_owned()),
        Exchange::Request { method, range, .. } => Some(format!("{method} {}", range.unwrap_or_default())),
        _ => None,
    };
    bench.exchanges().into_iter().filter_map(of).collect()
}

#[tokio::test]
async fn a_file_is_loaded_in_ranges_on_one_connection() {
    for scheme in SCHEMES {
        let bench = Bench::new(Behaviour::default());
        let ranges = ["0-29999", "30000-59999", "60000-89999", "90000-"];
        let (bytes, answers) = load(&bench, scheme, true, &ranges).await;
        assert_eq!(
            answers, "200 0 100000 1\n206 30000 30000 0\n206 30000 30000 0\n206 30000 30000 0\n206 10000 10000 0\n",
            "{scheme}"
        );
        assert!(bytes == *FILE, "{scheme}");
        let expected = [
            "opened",
            "HEAD ",
            "GET bytes=0-29999",
            "GET bytes=30000-59999",
            "GET bytes=60000-89999",
            "GET bytes=90000-",
        ];
        assert_eq!(recorded(&bench).await, expected, "{scheme}");
    }
}

#[tokio::test]
async fn a_load_that_was_cut_goes_on_in_ranges() {
    for scheme in SCHEMES {
        let bench = Bench::new(Behaviour::default());
        let (bytes, answers) = load(&bench, scheme, true, &["50000-79999", "80000-"]).await;
        assert_eq!(answers, "200 0 100000 1\n206 30000 30000 0\n206 20000 20000 0\n", "{scheme}");
        assert!(bytes == FILE[50_000..], "{scheme}");
    }
}

/// If less than one range is left, the end that it asks for is the length of the file: one byte too far.
#[tokio::test]
async fn a_range_may_end_after_the_file() {
    for scheme in SCHEMES {
        let bench = Bench::new(Behaviour::default());
        let (bytes, answers) = load(&bench, scheme, true, &["80000-100000"]).await;
        assert_eq!(answers, "200 0 100000 1\n206 20000 20000 0\n", "{scheme}");
        assert!(bytes == FILE[80_000..], "{scheme}");
    }
}

/// Without `partial_http_download`, `ota_resumption` asks for all that is left, and takes nothing but 206.
#[tokio::test]
async fn a_load_that_was_cut_goes_on_in_one_piece() {
    for scheme in SCHEMES {
        let bench = Bench::new(Behaviour::default());
        for (range, from) in [("0-", 0), ("50000-", 50_000)] {
            let (bytes, answers) = load(&bench, scheme, false, &[range]).await;
            let length = FILE.len() - from;
            assert_eq!(answers, format!("206 {length} {length} 1\n"), "{scheme}");
            assert!(bytes == FILE[from..], "{scheme}");
        }
    }
}

/// With a `HEAD` that has another status than 200, it learns the length from `Content-Range` of the first byte.
#[tokio::test]
async fn the_first_byte_says_how_long_the_file_is() {
    for scheme in SCHEMES {
        let bench = Bench::new(Behaviour::default());
        let got = curl(&["-si", "--cacert", &bench.ca, "-r", "0-0", &bench.url(scheme)]).await;
        let head = String::from_utf8_lossy(&got.stdout).into_owned();
        assert!(head.contains("Content-Range: bytes 0-0/100000\r\n"), "{scheme}: {head}");
    }
}
