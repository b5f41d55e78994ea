//! `--firmware NAME=PATH`: another image for a firmware.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::bench::Bench;
use crate::firmware::{Firmware, FirmwareKind, Image};
use crate::limits::TimeLimits;
use crate::names::{FirmwareName, nearest};
use crate::problem::ConfigError;
use crate::table::listed;

/// Another image for a firmware, which counts before the one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOverride {
    /// The firmware.
    pub firmware: String,
    /// The image, relative to the current folder, or `builtin:NAME`.
    pub image: String,
}

/// A text that is not `NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a firmware with its image; write `NAME=PATH`, such as `app=build/app.elf`")]
pub struct ImageOverrideError(String);

impl FromStr for ImageOverride {
    type Err = ImageOverrideError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { firmware: name.to_owned(), image: path.to_owned() })
            }
            _ => Err(ImageOverrideError(text.to_owned())),
        }
    }
}

impl ImageOverride {
    /// What the environment names, separated by commas.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_environment() -> Result<Vec<Self>, ConfigError> {
        let text = std::env::var(crate::HIL_FIRMWARE).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map_err(|ImageOverrideError(text)| ConfigError::Image {
            what: format!("`{text}` in `{}` is not a firmware with its image", crate::HIL_FIRMWARE),
            hint: format!("write `{}=NAME=PATH,NAME=PATH`", crate::HIL_FIRMWARE),
        })
    }
}

impl ImageOverride {
    /// The file that it names; none of an image that `hil` brings along. `by` is what names it: a flag or a variable.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn file(&self, by: &str) -> Result<Option<PathBuf>, ConfigError> {
        match read(&self.image, by)? {
            Image::File(path) => Ok(Some(path)),
            _ => Ok(None),
        }
    }
}

impl Bench {
    /// The bench with other images; `by` is what names them: a flag or a variable.
    ///
    /// A firmware that a board names and no file describes has only its image then.
    ///
    /// # Errors
    /// If there is no such firmware or file, or the firmware has no image.
    pub fn with_images(mut self, images: &[ImageOverride], by: &str) -> Result<Self, ConfigError> {
        for given @ ImageOverride { firmware: name, image } in images {
            let image = read(image, by)?;
            let is_undescribed = self.unset.undescribed().any(|undescribed| undescribed == name);
            match (self.firmware.get_mut(name.as_str()), FirmwareName::new(name)) {
                (Some(firmware), _) if firmware.kind() == FirmwareKind::Process => {
                    let what = format!("the firmware `{name}` is a program: it has no image that `{by}` could replace");
                    let hint = "`${VAR}` in its `command`, `dir` or `path` chooses a program".to_owned();
                    return Err(ConfigError::Image { what, hint });
                }
                (Some(firmware), _) => firmware.image = image,
                (None, Ok(new)) if is_undescribed => {
                    self.firmware.insert(new.clone(), Firmware::of_image(new, image));
                }
                _ => return Err(self.no_such_firmware(name, by)),
            }
            self.unset.forget_image(name);
            self.images.push(given.clone());
        }
        Ok(self)
    }

    fn no_such_firmware(&self, name: &str, by: &str) -> ConfigError {
        let project = self.project.as_ref().map(|project| format!(" and `{}`", project.name)).unwrap_or_default();
        let described = self.firmware.keys().map(FirmwareName::as_str);
        let known: BTreeSet<_> = described.chain(self.unset.undescribed()).collect();
        let known: Vec<_> = known.into_iter().collect();
        let hint = match nearest(name, known.iter().copied()) {
            _ if known.is_empty() => format!("describe it: `[firmware.{name}]` in `hil.toml` or in the bench file"),
            Some(near) => format!("did you mean `{near}`? there are {}", listed(&known)),
            None => format!("there are {}", listed(&known)),
        };
        let what = format!("`{by}` names the firmware `{name}`, which is not one of `{}`{project}", self.name);
        ConfigError::Image { what, hint }
    }
}

fn read(image: &str, by: &str) -> Result<Image, ConfigError> {
    if let Some(name) = image.strip_prefix("builtin:") {
        return Ok(Image::Builtin(name.to_owned()));
    }
    if Path::new(image).is_file() {
        return Ok(Image::File(PathBuf::from(image)));
    }
    let here = std::env::current_dir().map_or_else(|_| ".".to_owned(), |here| here.display().to_string());
    let hint = format!("paths of `{by}` count from the current folder, `{here}`");
    Err(ConfigError::Image { what: format!("there is no file `{image}`"), hint })
}

impl Firmware {
    /// An image without any setting.
    fn of_image(name: FirmwareName, image: Image) -> Self {
        Self {
            name,
            image,
            scripts: None,
            process: None,
            needs: None,
            partitions: None,
            version: None,
            version_topic: None,
            nvs: BTreeMap::new(),
            verify: crate::Verify::default(),
            ready: None,
            limits: TimeLimits::default(),
        }
    }
}
