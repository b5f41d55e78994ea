//! `hil fleet`: places, who has them, hosts, versions, what the doctor said.

use std::fmt::Write as _;

use hil_labgrid::{
    BOARD, CHIP, DOCTOR, Held, KIND, LabgridError, Place, Session, VERSION, View, held_by_runs, serial_ports_of,
    ssh_name,
};
use hil_report::inert;
use serde_json::{Value, json};

use crate::args::{FleetArgs, Format};
use crate::exit_code::ExitCode;
use crate::output::{say, say_json, warn};

/// A board of the lab.
struct Row {
    place: String,
    host: String,
    board: String,
    chip: String,
    kind: String,
    version: String,
    doctor: String,
    holder: Option<String>,
    /// The run that has it, and whether it is alive.
    run: Option<(String, bool)>,
    problem: Option<String>,
    hint: Option<String>,
    serial_ports: Vec<String>,
}

pub(super) fn list(args: &FleetArgs) -> ExitCode {
    match super::with_session(&args.coordinator, rows) {
        Ok(rows) => {
            show(args.format.format, &rows);
            ExitCode::Passed
        }
        Err(code) => code,
    }
}

async fn rows(session: &Session) -> Result<Vec<Row>, LabgridError> {
    let held = held_by_runs(session).await?;
    let view = session.view();
    Ok(view.places().filter(|place| place.tags.contains_key(BOARD)).map(|place| row(&view, place, &held)).collect())
}

fn row(view: &View, place: &Place, held: &[Held]) -> Row {
    let tag = |name: &str| place.tags.get(name).cloned().unwrap_or_default();
    let problem = view.problem_of(place);
    let run = held.iter().find(|held| held.place == place.name);
    Row {
        place: place.name.clone(),
        host: ssh_name(view, place),
        board: tag(BOARD),
        chip: tag(CHIP),
        kind: tag(KIND),
        version: tag(VERSION),
        doctor: tag(DOCTOR),
        holder: place.holder.clone(),
        run: run.map(|held| (held.owner.run().to_owned(), held.is_alive)),
        hint: problem.as_ref().map(|problem| problem.hint(&place.name)),
        problem: problem.map(|problem| problem.to_string()),
        serial_ports: serial_ports_of(view, place),
    }
}

fn show(format: Format, rows: &[Row]) {
    if format == Format::Json {
        say_json(&json!({ "places": rows.iter().map(Row::json).collect::<Vec<_>>() }));
        return;
    }
    let wide = rows.iter().map(|row| row.place.chars().count()).max().unwrap_or(0).max("place".len());
    let hosts = rows.iter().map(|row| row.host.chars().count()).max().unwrap_or(0).max("host".len());
    if rows.is_empty() {
        say("the lab has no boards; `hil fleet publish` on a host with boards describes them");
        return;
    }
    say(format!(
        "{:<wide$}  {:<hosts$}  {:<12} {:<8} {:<8} {:<8} state",
        "place", "host", "board", "chip", "hil", "doctor"
    ));
    for row in rows {
        say(inert(&row.text(wide, hosts)));
        for port in &row.serial_ports {
            warn(inert(&format!(
                "warning: `{}` takes {port}: ser2net would hold the port of the board; `labgrid-client -p {} show` lists its matches, and `del-match` removes one",
                row.place, row.place
            )));
        }
    }
    for hint in rows.iter().filter_map(|row| row.hint.as_ref()).take(1) {
        warn(inert(&format!("hint: {hint}")));
    }
    if rows.iter().any(|row| row.run.as_ref().is_some_and(|(_, is_alive)| !is_alive)) {
        warn("hint: `hil fleet release --stale` releases what ended runs still have");
    }
}

impl Row {
    fn text(&self, wide: usize, hosts: usize) -> String {
        let doctor = match self.doctor.as_str() {
            "" | "ok" => self.doctor.clone(),
            failed => format!("{failed} bad"),
        };
        let mut text = format!(
            "{:<wide$}  {:<hosts$}  {:<12} {:<8} {:<8} {doctor:<8} ",
            self.place, self.host, self.board, self.chip, self.version
        );
        // Writing to a string can't fail.
        let _ = match (&self.holder, &self.run) {
            (_, Some((run, true))) => write!(text, "run {run}"),
            (_, Some((run, false))) => write!(text, "run {run}, which has ended"),
            (Some(holder), None) => write!(text, "{holder} has it"),
            (None, _) if self.problem.is_none() => write!(text, "free"),
            (None, _) => Ok(()),
        };
        if let Some(problem) = &self.problem {
            let comma = if self.holder.is_some() { ", " } else { "" };
            let _ = write!(text, "{comma}{problem}");
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "place": self.place, "host": self.host, "board": self.board, "chip": self.chip, "kind": self.kind,
            "version": self.version, "doctor": self.doctor, "holder": self.holder,
            "run": self.run.as_ref().map(|(run, _)| run), "alive": self.run.as_ref().map(|(_, is_alive)| is_alive),
            "problem": self.problem, "serial-ports": self.serial_ports,
        })
    }
}
