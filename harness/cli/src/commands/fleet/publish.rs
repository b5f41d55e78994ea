//! `hil fleet publish`: the boards of this host as places of the lab.

use hil_config::{Bench, BoardKind};
use hil_labgrid::{Publication, Published, PublishedBoard};
use hil_report::inert;
use serde_json::json;

use crate::args::{Format, PublishArgs, is_name};
use crate::commands::doctor;
use crate::exit_code::ExitCode;
use crate::output::{Line, Message, say, say_json, set_up_failed, warn};
use crate::session;

pub(super) fn publish(args: &PublishArgs) -> ExitCode {
    let result = session::choose(args.bench.bench.clone()).and_then(|bench| {
        let publication = session::on_runtime(async { Ok(describe(args, &bench).await) })?;
        if publication.boards.is_empty() {
            let message = Message(format!("{} has no boards that others could use", bench.title()));
            let hint = "a lab shares boards with hardware: kinds `esp` and `emulator`".to_owned();
            return Err(set_up_failed(&message, Some(hint)));
        }
        if args.exporter_config {
            let usual = || std::env::var("USER").ok().filter(|user| is_name(user));
            let user = args.user.clone().or_else(usual).unwrap_or_else(|| "pi".to_owned());
            say(Line::exact(publication.exporter_config(&user).trim_end().to_owned()));
            return Ok(());
        }
        publish_to_lab(args, &publication)
    });
    result.map_or_else(|code| code, |()| ExitCode::Passed)
}

async fn describe(args: &PublishArgs, bench: &Bench) -> Publication {
    let host = args.host.clone().unwrap_or_else(super::host_name);
    let mut boards = Vec::new();
    for board in bench.boards.values() {
        // Each host can simulate or start the others by itself.
        if !matches!(board.kind, BoardKind::Esp | BoardKind::Emulator) {
            continue;
        }
        boards.push(PublishedBoard {
            name: board.name.to_string(),
            chip: board.chip.word().to_owned(),
            kind: board.kind.word().to_owned(),
            tags: board.tags.clone(),
            failed_checks: doctor::failed_checks(board).await,
        });
    }
    let exporter = args.exporter.clone().unwrap_or_else(|| host.clone());
    Publication { host, exporter, version: env!("CARGO_PKG_VERSION").to_owned(), boards }
}

fn publish_to_lab(args: &PublishArgs, publication: &Publication) -> Result<(), ExitCode> {
    let (done, problems) = super::with_session(&args.coordinator, async |session| {
        let done = publication.publish(session).await?;
        let view = session.view();
        let problem = |(name, _): &(String, Published)| {
            let problem = view.problem_of(view.place(name)?)?;
            Some((name.clone(), problem))
        };
        let problems: Vec<_> = done.iter().filter_map(problem).collect();
        Ok((done, problems))
    })?;
    if args.format.format == Format::Json {
        let places: Vec<_> =
            done.iter().map(|(place, done)| json!({ "place": place, "result": word(*done) })).collect();
        say_json(&json!({ "host": publication.host, "places": places }));
    } else {
        done.iter().for_each(|(place, done)| say(inert(&format!("{place}: {}", word(*done)))));
    }
    if let Some((place, problem)) = problems.first() {
        warn(inert(&format!("warning: `{place}` can't be used yet: {problem}")));
        let (host, exporter) = (&publication.host, &publication.exporter);
        warn(format!(
            "hint: `hil fleet publish --host {host} --exporter-config > exporter.yaml`, then `labgrid-exporter --name {exporter} exporter.yaml`"
        ));
    }
    Ok(())
}

fn word(done: Published) -> &'static str {
    match done {
        Published::Created => "published",
        Published::Changed => "updated",
        Published::Unchanged => "unchanged",
        Published::Removed => "removed: no longer on this bench",
        Published::Kept => "kept: no longer on this bench, but in use",
    }
}
