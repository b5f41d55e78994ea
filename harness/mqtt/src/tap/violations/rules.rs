//! The rules, with their sections of MQTT 3.1.1 and MQTT 5.

use super::Version;

/// A rule and its section; a version without a section has no such rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    what: &'static str,
    v311: Option<&'static str>,
    v5: Option<&'static str>,
    /// MQTT 3.1 has this rule as well.
    in_v31: bool,
}

impl Rule {
    const fn both(what: &'static str, v311: &'static str, v5: &'static str) -> Self {
        Self { what, v311: Some(v311), v5: Some(v5), in_v31: false }
    }

    /// In 3.1, 3.1.1 and 5.
    const fn all(what: &'static str, v311: &'static str, v5: &'static str) -> Self {
        Self { in_v31: true, ..Self::both(what, v311, v5) }
    }

    const fn v311(what: &'static str, section: &'static str) -> Self {
        Self { what, v311: Some(section), v5: None, in_v31: false }
    }

    const fn v5(what: &'static str, section: &'static str) -> Self {
        Self { what, v311: None, v5: Some(section), in_v31: false }
    }

    /// The rule as text, if this protocol version has it.
    pub(super) fn in_version(&self, version: Version) -> Option<String> {
        let (name, section) = match version {
            Version::V31 if !self.in_v31 => return None,
            Version::V31 | Version::V311 => ("3.1.1", self.v311?),
            Version::V5 => ("5", self.v5?),
            Version::Unknown => return None,
        };
        Some(format!("{} (MQTT {name} §{section})", self.what))
    }
}

// The stream.
pub(super) const RESERVED_TYPE: Rule = Rule::all("a packet of a reserved type", "2.2.1", "2.1.2");
pub(super) const LENGTH: Rule = Rule::all("the remaining length has more than four bytes", "2.2.3", "1.5.5");
pub(super) const LONG_LENGTH: Rule = Rule::v5("a length is not encoded in the fewest bytes", "1.5.5");
pub(super) const FLAGS: Rule = Rule::both("reserved flags of the fixed header are wrong", "2.2.2", "2.1.3");
pub(super) const ENDS_EARLY: Rule = Rule::both("a packet ends within a field", "2.2.3", "2.1.4");
pub(super) const TRAILING: Rule = Rule::both("bytes follow the last field of a packet", "2.2.3", "2.1.4");
pub(super) const NOT_UTF8: Rule = Rule::both("a string is not UTF-8", "1.5.3", "1.5.4");
pub(super) const NUL: Rule = Rule::both("a string contains U+0000", "1.5.3", "1.5.4");

// Who sends what and when.
pub(super) const FIRST_PACKET: Rule = Rule::all("the first packet is not CONNECT", "3.1", "3.1");
pub(super) const SECOND_CONNECT: Rule = Rule::all("a second CONNECT on one connection", "3.1", "3.1");
pub(super) const AFTER_DISCONNECT: Rule = Rule::both("a packet follows DISCONNECT", "3.14.4", "3.14.4");
pub(super) const SERVER_ONLY: Rule = Rule::all("a packet that only servers send", "2.2.1", "2.1.2");
pub(super) const BEFORE_CONNACK: Rule =
    Rule::v5("a packet other than AUTH or DISCONNECT before the CONNACK of an authentication", "3.1.2.11.9");
pub(super) const AUTH_WITHOUT_METHOD: Rule = Rule::v5("AUTH although CONNECT named no authentication method", "4.12");

// CONNECT.
pub(super) const CONNECT_FLAG: Rule = Rule::both("the reserved connect flag is set", "3.1.2.3", "3.1.2.3");
pub(super) const WILL_QOS_3: Rule = Rule::both("the will asks for QoS 3", "3.1.2.6", "3.1.2.6");
pub(super) const WILL_QOS: Rule = Rule::both("a will QoS without the will flag", "3.1.2.6", "3.1.2.6");
pub(super) const WILL_RETAIN: Rule = Rule::both("will retain without the will flag", "3.1.2.7", "3.1.2.7");
pub(super) const PASSWORD: Rule = Rule::v311("the password flag without the user name flag", "3.1.2.9");
pub(super) const CLIENT_ID: Rule = Rule::v311("an empty client id without clean session", "3.1.3.1");
pub(super) const NO_WILL: Rule = Rule::both("the will flag is set, but there is no will", "3.1.2.5", "3.1.2.5");
pub(super) const NO_USER: Rule =
    Rule::both("the user name flag is set, but there is no user name", "3.1.2.8", "3.1.2.8");
pub(super) const NO_PASSWORD: Rule =
    Rule::both("the password flag is set, but there is no password", "3.1.2.9", "3.1.2.9");
pub(super) const WILL_TOPIC_EMPTY: Rule = Rule::both("the will's topic is empty", "4.7.3", "4.7.3");
pub(super) const WILL_TOPIC_WILDCARD: Rule = Rule::both("the will's topic has a wildcard", "4.7.1", "4.7.1");
pub(super) const RECEIVE_MAXIMUM: Rule = Rule::v5("a receive maximum of 0", "3.1.2.11.3");
pub(super) const MAXIMUM_SIZE: Rule = Rule::v5("a maximum packet size of 0", "3.1.2.11.4");
pub(super) const RESPONSE_INFORMATION: Rule = Rule::v5("request response information is neither 0 nor 1", "3.1.2.11.6");
pub(super) const PROBLEM_INFORMATION: Rule = Rule::v5("request problem information is neither 0 nor 1", "3.1.2.11.7");
pub(super) const AUTHENTICATION_DATA: Rule =
    Rule::v5("authentication data without an authentication method", "3.1.2.11.10");

// PUBLISH.
pub(super) const QOS_3: Rule = Rule::all("a PUBLISH at QoS 3", "3.3.1.2", "3.3.1.2");
pub(super) const DUP: Rule = Rule::both("DUP is set at QoS 0", "3.3.1.1", "3.3.1.1");
pub(super) const TOPIC_WILDCARD: Rule = Rule::both("the topic of a PUBLISH has a wildcard", "3.3.2.1", "3.3.2.1");
pub(super) const NO_TOPIC: Rule = Rule::both("a PUBLISH without a topic", "4.7.3", "3.3.2.1");
pub(super) const ALIAS_0: Rule = Rule::v5("topic alias 0", "3.3.2.3.4");
pub(super) const ALIAS_MAXIMUM: Rule = Rule::v5("a topic alias above the broker's maximum", "3.3.2.3.4");
pub(super) const ALIAS_UNKNOWN: Rule = Rule::v5("a topic alias that is not set yet", "3.3.2.3.4");
pub(super) const RESPONSE_TOPIC: Rule = Rule::v5("a response topic has a wildcard", "3.3.2.3.5");
pub(super) const SUBSCRIPTION_ID_SENT: Rule = Rule::v5("a subscription identifier in a client's PUBLISH", "3.3.4");
pub(super) const QOS_MAXIMUM: Rule = Rule::v5("a QoS above the broker's maximum", "3.2.2.3.4");
pub(super) const NO_RETAIN: Rule = Rule::v5("a retained message although the broker allows none", "3.2.2.3.5");
pub(super) const TOO_LARGE: Rule = Rule::v5("a packet larger than the broker's maximum", "3.2.2.3.6");

// Packet identifiers.
pub(super) const ID_0: Rule = Rule::all("packet identifier 0", "2.3.1", "2.2.1");
pub(super) const ID_IN_USE: Rule = Rule::both("a packet identifier that is in use", "2.3.1", "2.2.1");
pub(super) const UNASKED: Rule =
    Rule::both("an acknowledgement of a packet that the broker has not sent", "2.3.1", "2.2.1");
pub(super) const PUBREL_FLAGS: Rule = Rule::both("the flags of a PUBREL are not 2", "3.6.1", "3.6.1");

// SUBSCRIBE and UNSUBSCRIBE.
pub(super) const SUBSCRIBE_FLAGS: Rule = Rule::both("the flags of a SUBSCRIBE are not 2", "3.8.1", "3.8.1");
pub(super) const UNSUBSCRIBE_FLAGS: Rule = Rule::both("the flags of an UNSUBSCRIBE are not 2", "3.10.1", "3.10.1");
pub(super) const NO_SUBSCRIPTION: Rule = Rule::both("a SUBSCRIBE without a topic filter", "3.8.3", "3.8.3");
pub(super) const NO_FILTER: Rule = Rule::both("an UNSUBSCRIBE without a topic filter", "3.10.3", "3.10.3");
pub(super) const SUBSCRIBE_QOS_3: Rule = Rule::all("a SUBSCRIBE asks for QoS 3", "3.8.3", "3.8.3.1");
pub(super) const SUBSCRIBE_OPTIONS: Rule =
    Rule::both("reserved bits of a subscription's options are set", "3.8.3", "3.8.3.1");
pub(super) const RETAIN_HANDLING: Rule = Rule::v5("retain handling 3", "3.8.3.1");
pub(super) const NO_LOCAL: Rule = Rule::v5("no local on a shared subscription", "3.8.3.1");
pub(super) const SUBSCRIPTION_ID_0: Rule = Rule::v5("subscription identifier 0", "3.8.2.1.2");
pub(super) const EMPTY_FILTER: Rule = Rule::both("an empty topic filter", "4.7.3", "4.7.3");
pub(super) const MULTI_LEVEL: Rule =
    Rule::both("`#` in a topic filter is not its whole last level", "4.7.1.2", "4.7.1.2");
pub(super) const SINGLE_LEVEL: Rule = Rule::both("`+` in a topic filter is not a whole level", "4.7.1.3", "4.7.1.3");
pub(super) const SHARE: Rule = Rule::v5("a shared subscription without a share name or a topic filter", "4.8.2");

// DISCONNECT.
pub(super) const EXPIRY_AFTER_0: Rule =
    Rule::v5("a session expiry in DISCONNECT although CONNECT had none", "3.14.2.2.2");

// Properties.
pub(super) const NO_PROPERTY: Rule = Rule::v5("a property that does not belong to its packet", "2.2.2.2");

/// A property occurs twice: each packet has a section of its own about it.
const fn twice(section: &'static str) -> Rule {
    Rule::v5("a property occurs more than once", section)
}

pub(super) const TWICE_IN_CONNECT: Rule = twice("3.1.2.11");
pub(super) const TWICE_IN_WILL: Rule = twice("3.1.3.2");
pub(super) const TWICE_IN_PUBLISH: Rule = twice("3.3.2.3");
pub(super) const TWICE_IN_ACKNOWLEDGEMENT: Rule = twice("3.4.2.2");
pub(super) const TWICE_IN_SUBSCRIBE: Rule = twice("3.8.2.1");
pub(super) const TWICE_IN_DISCONNECT: Rule = twice("3.14.2.2");
pub(super) const TWICE_IN_AUTH: Rule = twice("3.15.2.2");
