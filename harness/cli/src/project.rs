//! The project file and the images of a command line, on a bench.

use hil_config::{Bench, ConfigError, HIL_FIRMWARE, ImageOverride, Project};

use crate::args::ProjectArgs;

/// The bench with the firmware of the project file, if there is one, and with images that flags and the environment name.
pub(crate) fn on(bench: Bench, project: &ProjectArgs, images: &[ImageOverride]) -> Result<Bench, ConfigError> {
    let bench = match Project::choose(project.project.as_deref()) {
        Some(path) => bench.with_project(&path)?,
        None => bench,
    };
    let mut named = ImageOverride::from_environment()?;
    named.retain(|named| !images.iter().any(|image| image.firmware == named.firmware));
    bench.with_images(&named, HIL_FIRMWARE)?.with_images(images, "--firmware")
}

/// What the project file and other images change, as `-v` and the doctor show it.
pub(crate) fn notes(bench: &Bench) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    if let Some(project) = &bench.project {
        let names: Vec<_> = project.replaced.iter().map(|name| format!("`{name}`")).collect();
        let replaced =
            if names.is_empty() { String::new() } else { format!(", replaces {} of the bench", names.join(", ")) };
        notes.push(("project file", format!("{}{replaced}", project.name)));
    }
    notes.extend(bench.images.iter().map(|image| ("image", format!("{} for `{}`", image.image, image.firmware))));
    notes
}
