//! Topics (Sparkplug 3.0.0, §4.1).

/// The first level of topics.
const NAMESPACE: &str = "spBv1.0";

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A node begins.
    NodeBirth,
    /// A node ends: its will.
    NodeDeath,
    /// Data of a node.
    NodeData,
    /// A command to a node.
    NodeCommand,
    /// A device of a node begins.
    DeviceBirth,
    /// A device of a node ends.
    DeviceDeath,
    /// Data of a device.
    DeviceData,
    /// A command to a device.
    DeviceCommand,
    /// The state of a host application.
    State,
}

impl Kind {
    const ALL: [(&'static str, Self); 9] = [
        ("NBIRTH", Self::NodeBirth),
        ("NDEATH", Self::NodeDeath),
        ("NDATA", Self::NodeData),
        ("NCMD", Self::NodeCommand),
        ("DBIRTH", Self::DeviceBirth),
        ("DDEATH", Self::DeviceDeath),
        ("DDATA", Self::DeviceData),
        ("DCMD", Self::DeviceCommand),
        ("STATE", Self::State),
    ];

    /// As in the topic.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Whether it is about a device of a node.
    #[must_use]
    pub fn is_of_device(self) -> bool {
        matches!(self, Self::DeviceBirth | Self::DeviceDeath | Self::DeviceData | Self::DeviceCommand)
    }

    /// Whether a host application sends it to the node.
    #[must_use]
    pub fn is_command(self) -> bool {
        matches!(self, Self::NodeCommand | Self::DeviceCommand)
    }
}

/// The parts of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'a> {
    /// The group of the node; empty for a state.
    pub group: &'a str,
    /// What the message is about.
    pub kind: Kind,
    /// The node, or the host application.
    pub node: &'a str,
    /// The device, if it is about one.
    pub device: Option<&'a str>,
}

impl<'a> Topic<'a> {
    /// Reads a topic; none if it is not one of Sparkplug B.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        let levels: Vec<_> = topic.strip_prefix(NAMESPACE)?.strip_prefix('/')?.split('/').collect();
        let kind = |word: &str| Kind::ALL.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
        let topic = match levels[..] {
            ["STATE", host] => Self { group: "", kind: Kind::State, node: host, device: None },
            [group, word, node] => Self { group, kind: kind(word)?, node, device: None },
            [group, word, node, device] => Self { group, kind: kind(word)?, node, device: Some(device) },
            _ => return None,
        };
        let whole = topic.kind == Kind::State || topic.kind.is_of_device() == topic.device.is_some();
        (whole && (topic.kind == Kind::State) == topic.group.is_empty() && !topic.node.is_empty()).then_some(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_taken_apart() {
        let parse = |topic| Topic::parse(topic).map(|topic| (topic.group, topic.kind, topic.node, topic.device));
        assert_eq!(parse("spBv1.0/g/NBIRTH/n"), Some(("g", Kind::NodeBirth, "n", None)));
        assert_eq!(parse("spBv1.0/g/DCMD/n/d"), Some(("g", Kind::DeviceCommand, "n", Some("d"))));
        assert_eq!(parse("spBv1.0/STATE/host"), Some(("", Kind::State, "host", None)));
        let others = [
            "g/NBIRTH/n",
            "spBv1.0/g/NBIRTH/n/d",
            "spBv1.0/g/DDATA/n",
            "spBv1.0/g/X/n",
            "spBv1.0",
            "spBv1.0//NBIRTH/n",
        ];
        for other in others {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
