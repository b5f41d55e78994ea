//! The reference of the bench file is generated from the descriptions of its keys and of all kinds of driver.

use hil_config::{markdown, schema};
use hil_scenario::kinds;
use serde_json::json;

/// `HIL_UPDATE_DOCS=1 cargo test -p hil-scenario` updates it.
#[test]
fn the_documentation_has_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/bench-file.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let (begin, end) = ("<!-- keys -->\n\n", "<!-- end of keys -->");
    let start = text.find(begin).expect("begin") + begin.len();
    let stop = text.find(end).expect("end");
    if std::env::var_os("HIL_UPDATE_DOCS").is_some() {
        let new = format!("{}{}{}", &text[..start], markdown(&kinds()), &text[stop..]);
        std::fs::write(path, new).expect("write");
    } else {
        assert_eq!(text[start..stop], markdown(&kinds()), "HIL_UPDATE_DOCS=1 updates it");
    }
}

#[test]
fn the_schema_says_what_the_reader_says() {
    let schema = schema(&kinds());
    let board = &schema["properties"]["boards"]["additionalProperties"];
    assert_eq!(board["required"], json!(["kind"]));
    assert_eq!(board["properties"]["off-time"]["pattern"], r"^[0-9.]+ *(ms|s|min)$");
    let rails = board["properties"]["rails"]["items"]["oneOf"].as_array().expect("rails");
    assert_eq!(rails.len(), kinds().rails.len());
    assert_eq!(rails[0]["required"], json!(["driver", "line"]));
}
