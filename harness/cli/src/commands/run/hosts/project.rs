//! What hosts get of a project: its features, and the firmware that its scenarios name.

use std::path::Path;

use hil_agent::protocol::Work;
use hil_agent::{Project, ProjectError};
use hil_config::{Bench, HIL_FIRMWARE, ImageOverride, Part};
use hil_scenario::Plan;

use super::super::RunSettings;
use crate::args::ProjectArgs;
use crate::choice::Chosen;
use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed};
use crate::session;

/// A project that can be sent.
pub(crate) struct ProjectFiles {
    /// Its firmware, on a bench without boards: the boards are those of the hosts.
    pub(crate) bench: Bench,
    pub(crate) files: Project,
    features: Vec<String>,
    /// The text of a project file for the hosts.
    text: Option<String>,
    /// Firmware and images of `--firmware` and `HIL_FIRMWARE`.
    images: Vec<(String, String)>,
}

/// Gathers the files of a plan and the firmware that it names.
pub(crate) fn gather(plan: &Plan, args: &ProjectArgs, images: &[ImageOverride]) -> Result<ProjectFiles, ExitCode> {
    let no_boards = Bench::from_text("", Path::new("the benches of the hosts"), &hil_scenario::kinds());
    let bench = no_boards.map_err(|error| set_up_failed(&error, None))?;
    let bench = session::with_project(bench, args, &[])?;
    let mut gathered =
        ProjectFiles { bench, files: Project::default(), features: Vec::new(), text: None, images: Vec::new() };
    gathered.add_features(plan)?;
    gathered.add_firmware(plan)?;
    gathered.add_images(images)?;
    Ok(gathered)
}

impl ProjectFiles {
    fn add_features(&mut self, plan: &Plan) -> Result<(), ExitCode> {
        let inputs = plan.inputs().map_err(|error| set_up_failed(&error, None))?;
        for path in inputs.features.iter().chain(&inputs.others) {
            // A file beside a feature in this folder has no folder in its path.
            self.files.add(&path.display().to_string(), path).map_err(|error| below(path, &error))?;
        }
        self.features = inputs.features.iter().map(|path| path.display().to_string()).collect();
        Ok(())
    }

    /// Adds the firmware of the project that scenarios name; the rest is that of the hosts' benches.
    fn add_firmware(&mut self, plan: &Plan) -> Result<(), ExitCode> {
        let named = hil_scenario::firmware_names(plan);
        let mut text = self.bench.roles_text();
        for name in &named {
            session::check_set(&self.bench, Part::Firmware(name))?;
            let Some(firmware) = self.bench.firmware(name).filter(|firmware| firmware.process.is_none()) else {
                continue;
            };
            let (mut number, mut failed, files) = (0, None, &mut self.files);
            let mut add = |path: &Path| {
                let place = format!(".hil/firmware/{name}/{number}-{}", plain(path));
                number += 1;
                failed = failed.take().or(files.add(&place, path).err());
                place
            };
            text.push_str(&self.bench.firmware_text(firmware, &mut add));
            if let Some(error) = failed {
                return Err(unsendable(&error));
            }
        }
        self.text = (!text.is_empty()).then_some(text);
        Ok(())
    }

    fn add_images(&mut self, flags: &[ImageOverride]) -> Result<(), ExitCode> {
        let invalid = |error: hil_config::ConfigError| set_up_failed(&error, None);
        let mut named = ImageOverride::from_environment().map_err(invalid)?;
        named.retain(|named| !flags.iter().any(|flag| flag.firmware == named.firmware));
        let named = named.iter().map(|image| (image, HIL_FIRMWARE));
        for (image, by) in named.chain(flags.iter().map(|image| (image, "--firmware"))) {
            let place = match image.file(by).map_err(invalid)? {
                None => image.image.clone(),
                Some(path) => {
                    let place = format!(".hil/images/{}/{}", plain(Path::new(&image.firmware)), plain(&path));
                    self.files.add(&place, &path).map_err(|error| unsendable(&error))?;
                    place
                }
            };
            self.images.push((image.firmware.clone(), place));
        }
        Ok(())
    }

    /// What is sent to each host.
    pub(super) fn work(&self, chosen: &Chosen, settings: &RunSettings) -> Work {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Work {
            what: settings.what.clone(),
            files: self.files.entries(),
            features: self.features.clone(),
            scenarios: chosen.list(None).iter().map(hil_timeline::ScenarioInfo::key).collect(),
            project: self.text.clone(),
            project_name: self.bench.project.as_ref().map(|project| project.name.clone()),
            images: self.images.clone(),
            variables: self.bench.variables.iter().cloned().chain(chosen.plan.variables()).collect(),
            step_ms: millis(settings.limits.step),
            scenario_ms: millis(settings.limits.scenario),
            leases: Vec::new(),
            wait: !settings.wait.no_wait,
            unmask: settings.unmask,
            max_record: settings.max_record,
        }
    }
}

/// The name of a file without what other machines may not like.
fn plain(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    // The end of a name tells what kind of file it is.
    let length = name.chars().count();
    let short: String = name.chars().skip(length.saturating_sub(80)).map(plain).collect();
    if short.is_empty() { "file".to_owned() } else { short }
}

/// Reports a file of the features that can't be sent.
fn below(path: &Path, error: &ProjectError) -> ExitCode {
    let ProjectError::Path(_) = error else { return unsendable(error) };
    let message = Message(format!("`{}` is not below this folder: hosts get the files of one folder", path.display()));
    set_up_failed(&message, Some("start `hil run` in a folder that contains all the features".to_owned()))
}

fn unsendable(error: &ProjectError) -> ExitCode {
    set_up_failed(&Message(format!("the project can't be sent to hosts: {error}")), None)
}
