//! `report.html`: the whole run in one file that needs no network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::compare::Comparison;
use crate::gathering::{Chunk, Gathering};
use crate::names::keys;
use crate::report_file::ReportFile;
use crate::result::{Attempt, RunSummary, ScenarioResult, StepResult};
use crate::text::{host_lines, repetition_lines, set_aside_lines};
use crate::trend::Trend;

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// One function: nothing in it is visible to others.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("page/base.js"),
    include_str!("page/overview.js"),
    include_str!("page/list.js"),
    include_str!("page/attempt.js"),
    include_str!("page/timeline.js"),
    include_str!("page/events.js"),
    include_str!("page/start.js"),
    "})();\n",
);

/// The report.
pub(crate) const REPORT: ReportFile = ReportFile {
    name: "report.html",
    audience: "people who want to know why",
    about: "one page that loads nothing: failures first, each scenario's steps and its timeline",
    text: |from| {
        let extras = PageExtras { comparison: from.comparison, trend: from.trend };
        Ok(page(from.name, from.run, from.gathering, extras)?)
    },
};

/// What a page shows in addition to the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageExtras<'a> {
    /// The comparison with a baseline.
    pub comparison: Option<&'a Comparison>,
    /// The last runs.
    pub trend: Option<&'a Trend>,
}

/// Writes the page of a run.
///
/// # Errors
/// When the data can't be written as JSON.
pub fn page(name: &str, run: &RunSummary, gathering: &Gathering, extras: PageExtras<'_>) -> serde_json::Result<String> {
    let data = json!({
        "run": run_data(name, run),
        "scenarios": scenarios(run, gathering),
        "comparison": extras.comparison.map(comparison),
        "trend": extras.trend,
    });
    let chunks = gathering.chunks().map(|(n, chunk)| {
        let packed = STANDARD.encode(&chunk.packed);
        format!("<script type=\"text/plain\" id=\"t{n}\">{packed}</script>")
    });
    let chunks: Vec<_> = chunks.collect();
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    // The last parts may contain the names of the others.
    let parts = [
        ("{{HASH}}", hash),
        ("{{TITLE}}", text(&format!("hil: {name}"))),
        ("{{STYLE}}", STYLE.to_owned()),
        ("{{DATA}}", in_script(&serde_json::to_string(&data)?)),
        ("{{CHUNKS}}", chunks.join("\n")),
        ("{{SCRIPT}}", SCRIPT.to_owned()),
    ];
    Ok(filled(TEMPLATE, &parts))
}

/// Fills in each placeholder once, from left to right: filled-in text is not searched again.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    for (place, value) in parts {
        if let Some((before, after)) = rest.split_once(place) {
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
    }
    filled + rest
}

/// JSON that an HTML parser can't take for markup (HTML §4.12.1.3: only `<` matters).
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn run_data(name: &str, run: &RunSummary) -> Value {
    let info = run.info.as_ref();
    json!({
        "name": name,
        "unix_ms": info.map(|info| info.unix_ms),
        "took_us": run.took_us,
        "version": info.map_or("", |info| &info.version),
        "bench": info.map_or("", |info| &info.bench),
        "project": info.and_then(|info| info.project.as_ref()),
        "broker": info.map_or("", |info| &info.broker),
        "provenance": info.map(|info| &info.provenance),
        "job_link": info.and_then(|info| info.provenance.job_link()),
        "boards": info.map_or(&[][..], |info| &info.boards),
        "firmware": run.firmware,
        "set_aside": set_aside_lines(run),
        "counts": run.counts(),
        "exit_code": run.exit_code,
        "repetitions": repetition_lines(run),
        "hosts": host_lines(run),
    })
}

fn comparison(comparison: &Comparison) -> Value {
    json!({
        "regression": comparison.regression,
        "conclusion": comparison.conclusion(),
        "text": comparison.text(),
    })
}

#[derive(Serialize)]
struct ScenarioData<'a> {
    key: String,
    feature: &'a str,
    path: &'a str,
    line: usize,
    name: String,
    tags: &'a [String],
    boards: &'a [String],
    verdict: &'static str,
    /// Why a failure is excused.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<String>,
    attempts: Vec<Value>,
}

fn scenarios<'a>(run: &'a RunSummary, gathering: &Gathering) -> Vec<ScenarioData<'a>> {
    let data = run.scenarios.iter().zip(keys(run)).map(|(scenario, key)| {
        let info = &scenario.info;
        ScenarioData {
            key,
            feature: &info.feature,
            path: &info.path,
            line: info.line,
            name: scenario.title(),
            tags: &info.tags,
            boards: &info.boards,
            verdict: scenario.word(),
            quarantine: info.quarantine.as_ref().filter(|_| scenario.is_excused()).map(hil_timeline::Quarantine::text),
            attempts: attempts(scenario, gathering),
        }
    });
    data.collect()
}

fn attempts(scenario: &ScenarioResult, gathering: &Gathering) -> Vec<Value> {
    let attempt = |attempt: &Attempt| {
        let chunk = attempt.id().and_then(|id| gathering.of(id));
        json!({
            "verdict": attempt.verdict,
            "took_us": attempt.took_us,
            "host": attempt.host,
            "cast": attempt.cast(),
            "failure": attempt.failure.as_ref().map(|failure| json!({
                "message": failure.message, "details": failure.details, "hint": failure.hint,
            })),
            "steps": attempt.steps.iter().map(|step| step_data(attempt, step)).collect::<Vec<_>>(),
            "chunk": chunk.filter(|(_, chunk)| !chunk.packed.is_empty()).map(|(n, _)| n),
            "events": chunk.map_or(0, |(_, Chunk { events, .. })| *events),
            "panics": chunk.map_or_else(Vec::new, |(_, chunk)| chunk.panics.json()),
        })
    };
    scenario.attempts.iter().map(attempt).collect()
}

fn step_data(attempt: &Attempt, step: &StepResult) -> Value {
    let within = |stamp: hil_timeline::Stamp| attempt.within(stamp);
    let outcome = step.outcome.as_ref();
    let from = step.began.map(within);
    let mut data = json!({
        "keyword": step.info.keyword,
        "text": step.info.text,
        "line": step.info.line,
        "verdict": outcome.map(|outcome| outcome.verdict),
        "took_us": outcome.map_or(0, |outcome| outcome.took_us),
        "from_us": from,
        "to_us": from.map(|from| {
            let took = outcome.map_or(attempt.took_us.saturating_sub(from), |outcome| outcome.took_us);
            from.saturating_add(took)
        }),
        "mark_us": outcome.and_then(|outcome| outcome.mark).map(within),
        "deadline_us": outcome.and_then(|outcome| outcome.deadline).map(within),
    });
    // Most steps have neither, and a page may have thousands.
    if let Some(table) = &step.info.table {
        data["table"] = json!(table);
    }
    if let Some(part_of) = &step.info.part_of {
        data["part_of"] = json!(part_of);
    }
    if let Some(doc) = &step.info.doc {
        data["doc"] = json!(doc);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::sample;

    #[test]
    fn output_of_a_device_is_never_markup() {
        let mut events = sample();
        for event in &mut events {
            if let hil_timeline::What::Console { line, .. } = &mut event.what {
                *line = "</script><img src=x onerror=alert(1)> {{SCRIPT}}".to_owned();
            }
            if let hil_timeline::What::ScenarioStarted { info, .. } = &mut event.what {
                info.name = "</script><script>alert(1)</script> {{CHUNKS}}".to_owned();
            }
        }
        let mut gathering = Gathering::default();
        events.iter().for_each(|event| gathering.take(event));
        let page = page("<b>", &RunSummary::of(&events), &gathering, PageExtras::default()).expect("page");
        assert_eq!(page.matches("<script").count(), 2 + 4, "data, chunks and the script");
        assert!(!page.contains("<img") && !page.contains("<b>"));
        assert!(page.contains("{{CHUNKS}}"), "it is plain text");
    }

    #[test]
    fn the_page_loads_nothing() {
        for part in [TEMPLATE, STYLE, SCRIPT] {
            // The name of SVG's namespace is not loaded.
            let part = part.replace("http://www.w3.org/2000/svg", "");
            assert!(!part.contains("http:") && !part.contains("https:") && !part.contains("url("));
        }
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("</script"));
    }
}
