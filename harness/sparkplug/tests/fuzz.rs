//! Any bytes are a payload or an error, and what is a payload is JSON.

use hil_fuzz::{Corpus, fuzz};
use hil_sparkplug::to_json;

/// A node's birth, its data, a data set and a template in a template.
const CORPUS: &str = "\
    08e807120a0a01742009650000ac4118011215\
    \n0a05626453657120085803\
    \n12200a0173201050018a01160801120161220208032a060a040a020801220408011001\
    \n12190a01742013920113120f0a01782013920108120620035805\
    \n1801";

#[test]
fn payloads_take_any_bytes() {
    let corpus = Corpus::from_hex(CORPUS).with_words([
        &b"\x0a\x05bdSeq"[..],
        b"\x50\xff\xff\xff\xff\x0f",
        b"\x92\x01",
        b"\x8a\x01",
    ]);
    fuzz("sparkplug", &corpus, 20_000, |bytes| {
        if let Some(Ok(json)) = to_json("spBv1.0/g/NDATA/n", bytes) {
            assert!(json["metrics"].is_array() && json["values"].is_object());
        }
    });
}

/// What nests deeper than the library's limit is an error, and does not use up the stack.
#[test]
fn templates_in_templates_end() {
    let mut bytes = vec![0x58, 5];
    for _ in 0..10_000 {
        let mut outer = vec![0x12];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.extend(bytes);
        let mut metric = vec![0x92, 0x01];
        prost::encoding::encode_varint(outer.len() as u64, &mut metric);
        metric.extend(outer);
        bytes = metric;
    }
    let mut payload = vec![0x12];
    prost::encoding::encode_varint(bytes.len() as u64, &mut payload);
    payload.extend(bytes);
    assert!(to_json("spBv1.0/g/NDATA/n", &payload).is_some_and(|json| json.is_err()));
}
