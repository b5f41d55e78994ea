//! What the coordinator has said so far: places and resources.

use std::collections::BTreeMap;

use crate::messages::{self, ClientOut, UpdateKind};
use crate::pattern;
use crate::problem::PlaceProblem;

/// How many places and resources are kept: a lab has a few hundred.
const MOST: usize = 10_000;

/// The lab as its coordinator describes it. Each message changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    places: BTreeMap<String, Place>,
    resources: BTreeMap<ResourcePath, Resource>,
}

/// Something that a client can have: for `hil` a board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// What people wrote about it.
    pub comment: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Which resources belong to it.
    pub matches: Vec<ResourceMatch>,
    /// The session that has it; none if it is free.
    pub holder: Option<String>,
    /// The token of the reservation that it is allocated to.
    pub reservation: Option<String>,
}

/// Which resources belong to a place: patterns with `*`, `?` and `[…]`, as labgrid has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMatch {
    /// The name of an exporter.
    pub exporter: String,
    /// A group of its configuration.
    pub group: String,
    /// A class, such as `NetworkService`.
    pub class: String,
    /// The name of a resource; none for any.
    pub name: Option<String>,
}

/// Where a resource is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourcePath {
    /// The exporter.
    pub exporter: String,
    /// The group of its configuration.
    pub group: String,
    /// Its name there.
    pub name: String,
}

/// What an exporter offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its class, such as `NetworkService`.
    pub class: String,
    /// Its texts, such as an address.
    pub texts: BTreeMap<String, String>,
    /// Whether the device is there.
    pub is_available: bool,
}

impl View {
    /// All places, by their names.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// The place of that name.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// All resources, by exporter, group and name.
    pub fn resources(&self) -> impl Iterator<Item = (&ResourcePath, &Resource)> {
        self.resources.iter()
    }

    /// The resources that belong to a place.
    pub fn resources_of<'v>(&'v self, place: &'v Place) -> impl Iterator<Item = (&'v ResourcePath, &'v Resource)> {
        self.resources().filter(|(path, resource)| place.matches.iter().any(|it| it.matches(path, &resource.class)))
    }

    /// Why a place can't be used, even if it is free; none if it can.
    #[must_use]
    pub fn problem_of(&self, place: &Place) -> Option<PlaceProblem> {
        if place.matches.is_empty() {
            return Some(PlaceProblem::NoResources);
        }
        let is_missing = |it: &&ResourceMatch| !self.resources().any(|(path, found)| it.matches(path, &found.class));
        let missing: Vec<_> = place.matches.iter().filter(is_missing).map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Some(PlaceProblem::ExporterGone { missing });
        }
        let absent = self.resources_of(place).find(|(_, resource)| !resource.is_available);
        absent.map(|(path, resource)| PlaceProblem::Absent { resource: format!("{path} ({})", resource.class) })
    }

    /// Changes it as a message says.
    pub(crate) fn apply(&mut self, message: ClientOut) {
        for update in message.updates {
            match update.kind {
                Some(UpdateKind::Place(place)) if self.places.len() < MOST => {
                    self.places.insert(place.name.clone(), Place::from(place));
                }
                Some(UpdateKind::DeletedPlace(name)) => {
                    self.places.remove(&name);
                }
                Some(UpdateKind::Resource(resource)) if self.resources.len() < MOST => {
                    let (path, resource) = read_resource(resource);
                    self.resources.insert(path, resource);
                }
                Some(UpdateKind::DeletedResource(path)) => {
                    self.resources.remove(&ResourcePath::from(path));
                }
                _ => {}
            }
        }
    }
}

impl ResourceMatch {
    /// Whether a resource belongs to the place.
    #[must_use]
    pub fn matches(&self, path: &ResourcePath, class: &str) -> bool {
        let pairs = [(&self.exporter, path.exporter.as_str()), (&self.group, &path.group), (&self.class, class)];
        let name = self.name.as_ref().filter(|name| !name.is_empty());
        pairs.iter().all(|(pattern, found)| pattern::matches(pattern, found))
            && name.is_none_or(|pattern| pattern::matches(pattern, &path.name))
    }
}

impl std::fmt::Display for ResourceMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.exporter, self.group, self.class)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

impl std::fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.exporter, self.group, self.name)
    }
}

impl From<messages::Place> for Place {
    fn from(place: messages::Place) -> Self {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            name: place.name,
            comment: place.comment,
            tags: place.tags.into_iter().collect(),
            matches: place.matches.into_iter().map(ResourceMatch::from).collect(),
            holder: some(place.acquired),
            reservation: some(place.reservation),
        }
    }
}

impl From<messages::ResourceMatch> for ResourceMatch {
    fn from(found: messages::ResourceMatch) -> Self {
        Self { exporter: found.exporter, group: found.group, class: found.class, name: found.name }
    }
}

impl From<messages::ResourcePath> for ResourcePath {
    fn from(path: messages::ResourcePath) -> Self {
        Self { exporter: path.exporter.unwrap_or_default(), group: path.group, name: path.name }
    }
}

fn read_resource(found: messages::Resource) -> (ResourcePath, Resource) {
    let text = |(key, value): (String, messages::MapValue)| match value.kind {
        Some(messages::MapValueKind::Text(text)) => Some((key, text)),
        _ => None,
    };
    let path = ResourcePath::from(found.path.unwrap_or_default());
    let texts = found.params.into_iter().filter_map(text).collect();
    (path, Resource { class: found.class, texts, is_available: found.is_available })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::messages::Update;

    fn resource(exporter: &str, group: &str, class: &str, is_available: bool) -> Update {
        let path =
            messages::ResourcePath { exporter: Some(exporter.into()), group: group.into(), name: class.to_owned() };
        let found = messages::Resource { path: Some(path), class: class.into(), is_available, ..Default::default() };
        Update { kind: Some(UpdateKind::Resource(found)) }
    }

    fn place(matches: &[(&str, &str, &str)]) -> Update {
        let of = |(exporter, group, class): &(&str, &str, &str)| messages::ResourceMatch {
            exporter: (*exporter).to_owned(),
            group: (*group).to_owned(),
            class: (*class).to_owned(),
            name: None,
        };
        let acquired = Some(String::new());
        let matches = matches.iter().map(of).collect();
        let place = messages::Place { name: "lamp".into(), matches, acquired, ..Default::default() };
        Update { kind: Some(UpdateKind::Place(place)) }
    }

    fn problem(updates: Vec<Update>) -> Option<PlaceProblem> {
        let mut view = View::default();
        view.apply(ClientOut { sync: None, updates });
        let place = view.place("lamp").expect("a place");
        assert_eq!(place.holder, None);
        view.problem_of(place)
    }

    #[test]
    fn a_place_needs_all_its_resources() {
        let service = || resource("pi-a", "lamp", "NetworkService", true);
        assert_eq!(problem(vec![place(&[])]), Some(PlaceProblem::NoResources));
        let matched = || place(&[("pi-a", "lamp", "NetworkService")]);
        let missing = vec!["pi-a/lamp/NetworkService".to_owned()];
        assert_eq!(problem(vec![matched()]), Some(PlaceProblem::ExporterGone { missing }));
        assert_eq!(problem(vec![matched(), service()]), None);
        let off = resource("pi-a", "lamp", "NetworkService", false);
        assert!(matches!(problem(vec![matched(), off]), Some(PlaceProblem::Absent { .. })));
        let other = resource("pi-b", "lamp", "NetworkService", true);
        assert!(matches!(problem(vec![matched(), other]), Some(PlaceProblem::ExporterGone { .. })));
        assert_eq!(problem(vec![place(&[("pi-*", "*", "*")]), service()]), None);
    }

    #[test]
    fn a_coordinator_may_say_anything() {
        let first = ClientOut { sync: None, updates: vec![place(&[("pi-*", "l[a]mp", "*")])] };
        let second = ClientOut { sync: None, updates: vec![resource("pi-a", "lamp", "NetworkService", true)] };
        let corpus = hil_fuzz::Corpus::new([first.encode_to_vec(), second.encode_to_vec()]);
        hil_fuzz::fuzz("labgrid", &corpus, 3_000, |bytes| {
            let Ok(message) = ClientOut::decode(bytes) else { return };
            let mut view = View::default();
            view.apply(second.clone());
            view.apply(message);
            view.places().for_each(|place| drop(view.problem_of(place)));
        });
    }
}
