//! Describes the boards of a host as places of the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::problem::LabgridError;
use crate::session::Session;
use crate::view::{Place, ResourceMatch, View};

/// The host of a board: what `ssh` calls it.
pub const HOST: &str = "hil_host";
/// The board's name in the bench file of its host.
pub const BOARD: &str = "hil_board";
/// Its chip.
pub const CHIP: &str = "hil_chip";
/// Its kind: `esp`, `virtual`, …
pub const KIND: &str = "hil_kind";
/// The version of `hil` on its host when it was published.
pub const VERSION: &str = "hil_version";
/// What `hil doctor` said of it when it was published: `ok`, or how many checks failed.
pub const DOCTOR: &str = "hil_doctor";
/// Begins the names of tags for the board's own tags: `hil_tag_wifi`.
pub const TAG: &str = "hil_tag_";

/// The class of the resource that shows that the host is there.
const SERVICE: &str = "NetworkService";
/// Classes of serial ports. They are left out of places: acquiring one starts `ser2net`, which holds the board's port.
const SERIAL: [&str; 3] = ["NetworkSerialPort", "RawSerialPort", "USBSerialPort"];

/// What a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What `ssh` calls the host.
    pub host: String,
    /// The name of its exporter.
    pub exporter: String,
    /// The version of its `hil`.
    pub version: String,
    /// Its boards.
    pub boards: Vec<PublishedBoard>,
}

/// A board as others choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBoard {
    /// Its name in the bench file.
    pub name: String,
    /// Its chip.
    pub chip: String,
    /// Its kind.
    pub kind: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How many checks of the doctor it fails.
    pub failed_checks: usize,
}

/// What became of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is new.
    Created,
    /// It was there and has new tags or matches.
    Changed,
    /// It was there like this.
    Unchanged,
    /// The bench has no such board any more.
    Removed,
    /// The bench has no such board any more, but a session has the place.
    Kept,
}

impl Publication {
    /// The name of the place of a board.
    #[must_use]
    pub fn place_of(&self, board: &str) -> String {
        format!("{}-{board}", self.host)
    }

    fn tags(&self, board: &PublishedBoard) -> BTreeMap<String, String> {
        let doctor = if board.failed_checks == 0 { "ok".to_owned() } else { board.failed_checks.to_string() };
        let fixed = [
            (HOST, self.host.clone()),
            (BOARD, board.name.clone()),
            (CHIP, board.chip.clone()),
            (KIND, board.kind.clone()),
            (VERSION, self.version.clone()),
            (DOCTOR, doctor),
        ];
        let own = board.tags.iter().map(|tag| (tag_key(tag), "yes".to_owned()));
        fixed.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(own).collect()
    }

    /// The resources of a board: the one that shows that its host is there, and all others of its group but serial ports.
    fn matches(&self, board: &str, view: &View) -> BTreeSet<String> {
        let is_in_group = |exporter: &str, group: &str| exporter == self.exporter && group == board;
        let others = view.resources().filter(|(path, _)| is_in_group(&path.exporter, &path.group));
        let classes = others.map(|(_, resource)| resource.class.as_str()).filter(|class| !SERIAL.contains(class));
        let classes: BTreeSet<_> = classes.chain([SERVICE]).collect();
        classes.into_iter().map(|class| format!("{}/{board}/{class}", self.exporter)).collect()
    }

    /// A configuration for `labgrid-exporter` on this host: a group for each board, with one resource that says how to
    /// reach the host, and no serial port.
    ///
    /// # Example
    /// ```
    /// use hil_labgrid::{Publication, PublishedBoard};
    /// let lamp = PublishedBoard {
    ///     name: "lamp".to_owned(), chip: "esp32c3".to_owned(), kind: "esp".to_owned(), tags: Vec::new(), failed_checks: 0,
    /// };
    /// let host = "pi-a".to_owned();
    /// let lab = Publication { exporter: host.clone(), host, version: "0.1.0".to_owned(), boards: vec![lamp] };
    /// assert_eq!(lab.exporter_config("pi"), "'lamp':\n  NetworkService:\n    address: 'pi-a'\n    username: 'pi'\n");
    /// ```
    #[must_use]
    pub fn exporter_config(&self, user: &str) -> String {
        // A board may be called `on`.
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let mut text = String::new();
        for board in &self.boards {
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "{}:\n  {SERVICE}:\n    address: {}\n    username: {}",
                quoted(&board.name),
                quoted(&self.host),
                quoted(user)
            );
        }
        text
    }

    /// Describes the boards to the coordinator, and removes places of boards that this host no longer has.
    ///
    /// Tags that do not begin with `hil_`, comments and aliases are left as they are.
    ///
    /// # Errors
    /// If the coordinator refuses something or does not answer.
    pub async fn publish(&self, session: &Session) -> Result<Vec<(String, Published)>, LabgridError> {
        let mut all = Vec::new();
        for board in &self.boards {
            let place = self.place_of(&board.name);
            let done = self.publish_board(session, &place, board).await?;
            all.push((place, done));
        }
        all.extend(self.remove_old(session).await?);
        session.settle().await?;
        Ok(all)
    }

    async fn publish_board(
        &self,
        session: &Session,
        name: &str,
        board: &PublishedBoard,
    ) -> Result<Published, LabgridError> {
        let view = session.view();
        let there = view.place(name);
        if there.is_none() {
            session.add_place(name).await?;
        }
        let tags = changed_tags(there, self.tags(board));
        if !tags.is_empty() {
            session.set_tags(name, &tags).await?;
        }
        let wanted = self.matches(&board.name, &view);
        let has: BTreeSet<_> = there.iter().flat_map(|place| &place.matches).map(ToString::to_string).collect();
        let is_ours = |it: &&ResourceMatch| it.exporter == self.exporter && it.group == board.name;
        let ours: BTreeSet<_> =
            there.iter().flat_map(|place| &place.matches).filter(is_ours).map(ToString::to_string).collect();
        for pattern in wanted.difference(&has) {
            session.add_match(name, pattern).await?;
        }
        for pattern in ours.difference(&wanted) {
            session.delete_match(name, pattern).await?;
        }
        Ok(match there {
            None => Published::Created,
            Some(_) if tags.is_empty() && wanted.is_subset(&has) && ours.is_subset(&wanted) => Published::Unchanged,
            Some(_) => Published::Changed,
        })
    }

    async fn remove_old(&self, session: &Session) -> Result<Vec<(String, Published)>, LabgridError> {
        let view = session.view();
        let is_old = |place: &&Place| {
            let board = place.tags.get(BOARD).filter(|_| place.tags.get(HOST) == Some(&self.host));
            board.is_some_and(|board| {
                place.name == self.place_of(board) && !self.boards.iter().any(|known| known.name == *board)
            })
        };
        let mut done = Vec::new();
        for place in view.places().filter(is_old) {
            if place.holder.is_some() {
                done.push((place.name.clone(), Published::Kept));
                continue;
            }
            session.delete_place(&place.name).await?;
            done.push((place.name.clone(), Published::Removed));
        }
        Ok(done)
    }
}

/// Tags to set, and with an empty value those to remove.
fn changed_tags(there: Option<&Place>, wanted: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Some(place) = there else { return wanted };
    let is_old = |key: &&String| key.starts_with("hil_") && !wanted.contains_key(*key);
    let old: Vec<_> = place.tags.keys().filter(is_old).map(|key| (key.clone(), String::new())).collect();
    wanted.into_iter().filter(|(key, value)| place.tags.get(key) != Some(value)).chain(old).collect()
}

/// The name of the labgrid tag for a board's own tag: small letters, digits and `_`.
#[must_use]
pub fn tag_key(tag: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("{TAG}{}", tag.chars().map(kept).collect::<String>())
}

/// Serial ports that a place takes: acquiring it starts `ser2net` on the port that `hil` needs.
#[must_use]
pub fn serial_ports_of(view: &View, place: &Place) -> Vec<String> {
    let serial = view.resources_of(place).filter(|(_, resource)| SERIAL.contains(&resource.class.as_str()));
    serial.map(|(path, resource)| format!("{path} ({})", resource.class)).collect()
}
