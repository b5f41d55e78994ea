//! A comparison as text: for a terminal, and as Markdown.

use super::{Comparison, ImageChange, MetricChange, ScenarioChange, Side, TimeChange, TrafficChange, TrafficKind};
use crate::markdown_text::cell;
use crate::result::FirmwareInfo;
use crate::text::inert;

/// Further lines of a section are only counted.
const SHOWN: usize = 50;

struct Section {
    title: String,
    lines: Vec<String>,
}

impl Comparison {
    /// As plain lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![inert(&format!("compared with {}", self.sides()))];
        for section in self.sections() {
            lines.push(format!("{}:", section.title));
            lines.extend(section.lines.iter().map(|line| format!("  {}", inert(line))));
        }
        lines.push(self.conclusion());
        lines.join("\n") + "\n"
    }

    /// As a section of a Markdown page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mark = if self.regression { "⚠️" } else { "⚖️" };
        let mut text = format!("## {mark} {}\n\nCompared with {}.\n\n", cell(&self.conclusion()), cell(&self.sides()));
        for section in self.sections() {
            text.push_str(&format!("**{}**\n\n", cell(&section.title)));
            section.lines.iter().for_each(|line| text.push_str(&format!("- {}\n", cell(line))));
            text.push('\n');
        }
        text
    }

    /// The conclusion in one line. With too little data it says so instead of "no regression".
    #[must_use]
    pub fn conclusion(&self) -> String {
        let slower = self.measurements.changes.iter().filter(|change| change.direction == TimeChange::Slower).count();
        let counts = [
            (self.scenarios.newly_failing.len(), "newly failing"),
            (self.scenarios.newly_flaky.len(), "newly flaky"),
            (slower, "slower"),
        ];
        let worse: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let verdicts = match (worse.is_empty(), self.scenarios.compared) {
            (false, _) => format!("regression: {}", worse.join(", ")),
            (true, 0) => "not enough data: no scenario is known on both sides".to_owned(),
            (true, n) => format!("no regression in {n} {}", plural(n, "scenario")),
        };
        let count = self.scenarios.unknown.len();
        let unknown = if count > 0 { format!(", {count} not known") } else { String::new() };
        let (compared, too_few) = (self.measurements.compared, self.measurements.too_few);
        let times = match (compared, too_few) {
            _ if self.measurements.elsewhere => "times are not compared: another bench, broker or chip".to_owned(),
            (0, 0) => "no measurements to compare".to_owned(),
            (0, few) => format!("not enough data on {few} {}", plural(few, "measurement")),
            (n, 0) => format!("{n} {} compared", plural(n, "measurement")),
            (n, few) => format!("{n} {} compared, not enough data on {few}", plural(n, "measurement")),
        };
        format!("{verdicts}{unknown}; {times}")
    }

    fn sides(&self) -> String {
        let of = |side: &Side| match side.runs {
            1 => side.run.clone(),
            n => format!("{} and {} before it of the same firmware", side.run, plural_runs(n - 1)),
        };
        match self.head.runs {
            1 => of(&self.base),
            n => format!("{}; with {} before this one of the same firmware", of(&self.base), plural_runs(n - 1)),
        }
    }

    fn sections(&self) -> Vec<Section> {
        let scenarios = &self.scenarios;
        let listed = |title: &str, changes: &[ScenarioChange]| section(title, changes.iter().map(scenario_line));
        let slower = |direction| self.measurements.changes.iter().filter(move |change| change.direction == direction);
        let all = [
            listed("newly failing", &scenarios.newly_failing),
            listed("newly flaky", &scenarios.newly_flaky),
            section("slower", slower(TimeChange::Slower).map(metric_line)),
            listed("still failing", &scenarios.still_failing),
            listed("not known: the bench was at fault, or they did not finish", &scenarios.unknown),
            listed("fixed", &scenarios.fixed),
            section("faster", slower(TimeChange::Faster).map(metric_line)),
            section("gauges", slower(TimeChange::Higher).chain(slower(TimeChange::Lower)).map(metric_line)),
            listed("new", &scenarios.new),
            listed("not run any more", &scenarios.removed),
            section("traffic", self.traffic.iter().map(traffic_line)),
            section("firmware", self.images.iter().map(image_line)),
        ];
        all.into_iter().flatten().collect()
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> Option<Section> {
    let mut lines: Vec<_> = lines.collect();
    let count = lines.len();
    if count > SHOWN {
        lines.truncate(SHOWN);
        lines.push(format!("… and {} more", count - SHOWN));
    }
    (count > 0).then(|| Section { title: format!("{title} ({count})"), lines })
}

fn scenario_line(change: &ScenarioChange) -> String {
    let was = match (change.was, change.is) {
        (Some(was), Some(is)) if was != is => format!(" (was {}, is {})", was.word(), is.word()),
        (None, Some(is)) => format!(" ({})", is.word()),
        (Some(was), None) => format!(" (was {})", was.word()),
        _ => String::new(),
    };
    let why = change.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    format!("{}{was}{why}", change.scenario)
}

fn metric_line(change: &MetricChange) -> String {
    format!(
        "{}: {} → {} ({:+.0} %, p = {:.1e}, {} and {} measurements)",
        change.metric,
        amount(change, change.base.median_ms),
        amount(change, change.head.median_ms),
        change.change * 100.0,
        change.p,
        change.base.count,
        change.head.count
    )
}

/// A median with its unit; that of a gauge is not known.
fn amount(change: &MetricChange, value: f64) -> String {
    match change.direction {
        TimeChange::Slower | TimeChange::Faster => time(value),
        TimeChange::Higher | TimeChange::Lower => ((value * 1000.0).round() / 1000.0).to_string(),
    }
}

fn time(millis: f64) -> String {
    if millis < 1000.0 { format!("{millis:.1} ms") } else { format!("{:.2} s", millis / 1000.0) }
}

fn traffic_line(change: &TrafficChange) -> String {
    let what = match (change.kind, &change.was, &change.is) {
        (TrafficKind::New, _, Some(is)) => format!("new: {is}"),
        (TrafficKind::Missing, Some(was), _) => format!("missing: {was}"),
        (_, Some(was), Some(is)) => format!("changed: {was} → {is}"),
        (_, was, is) => format!("{}{}", was.as_deref().unwrap_or_default(), is.as_deref().unwrap_or_default()),
    };
    match change.scenarios {
        1 => format!("{what} (in {})", change.example),
        n => format!("{what} (in {n} scenarios, such as {})", change.example),
    }
}

fn image_line(change: &ImageChange) -> String {
    let of = |firmware: &FirmwareInfo| {
        let version = firmware.version.as_ref().map_or(String::new(), |version| format!("{version}, "));
        format!("{version}{} bytes, {}", firmware.size, firmware.hash)
    };
    format!("{} on {}: {} → {}", change.head.firmware, change.head.board, of(&change.base), of(&change.head))
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn plural_runs(n: usize) -> String {
    format!("{n} {}", plural(n, "run"))
}
