//! The table of files in `docs/reference/run-folder.md` has a row for every report.

use hil_report::REPORTS;

#[test]
fn every_report_has_its_row() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/run-folder.md");
    let page = std::fs::read_to_string(path).expect("docs/reference/run-folder.md");
    for report in REPORTS {
        let row = format!("| `{}` | {} | {} |", report.name, report.audience, report.about);
        assert!(page.lines().any(|line| line == row), "the table lacks this row:\n{row}");
    }
}
