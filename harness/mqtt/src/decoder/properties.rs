//! The properties of MQTT 5.

use hil_timeline::{Payload, Property};
use mqtt5_protocol::protocol::v5::properties::{Properties, PropertyId, PropertyValue};

/// Properties sorted by identifier; equal identifiers keep their order.
pub(super) fn listed(properties: &Properties) -> Vec<Property> {
    let mut found: Vec<_> = properties.iter().collect();
    found.sort_by_key(|(id, _)| *id as u8);
    found.into_iter().map(|(id, value)| property(id, value)).collect()
}

fn property(id: PropertyId, value: &PropertyValue) -> Property {
    let name = property_name(id);
    if id == PropertyId::AuthenticationData {
        // It may be a password, and is hidden like one.
        return Property { name: name.to_owned(), value: hil_timeline::MASKED.to_owned() };
    }
    let value = match value {
        PropertyValue::Byte(n) => n.to_string(),
        PropertyValue::TwoByteInteger(n) => n.to_string(),
        PropertyValue::FourByteInteger(n) | PropertyValue::VariableByteInteger(n) => n.to_string(),
        PropertyValue::BinaryData(bytes) => Payload(bytes.to_vec()).to_string(),
        PropertyValue::Utf8String(text) => text.clone(),
        PropertyValue::Utf8StringPair(key, value) => {
            return Property { name: format!("{name} {key}"), value: value.clone() };
        }
    };
    Property { name: name.to_owned(), value }
}

/// The property names of MQTT 5 §2.2.2.2, in lower case.
fn property_name(id: PropertyId) -> &'static str {
    match id {
        PropertyId::PayloadFormatIndicator => "payload format indicator",
        PropertyId::RequestProblemInformation => "request problem information",
        PropertyId::RequestResponseInformation => "request response information",
        PropertyId::MaximumQoS => "maximum QoS",
        PropertyId::RetainAvailable => "retain available",
        PropertyId::WildcardSubscriptionAvailable => "wildcard subscription available",
        PropertyId::SubscriptionIdentifierAvailable => "subscription identifier available",
        PropertyId::SharedSubscriptionAvailable => "shared subscription available",
        PropertyId::ServerKeepAlive => "server keep alive",
        PropertyId::ReceiveMaximum => "receive maximum",
        PropertyId::TopicAliasMaximum => "topic alias maximum",
        PropertyId::TopicAlias => "topic alias",
        PropertyId::MessageExpiryInterval => "message expiry interval",
        PropertyId::SessionExpiryInterval => "session expiry interval",
        PropertyId::WillDelayInterval => "will delay interval",
        PropertyId::MaximumPacketSize => "maximum packet size",
        PropertyId::SubscriptionIdentifier => "subscription identifier",
        PropertyId::ContentType => "content type",
        PropertyId::ResponseTopic => "response topic",
        PropertyId::AssignedClientIdentifier => "assigned client identifier",
        PropertyId::AuthenticationMethod => "authentication method",
        PropertyId::ResponseInformation => "response information",
        PropertyId::ServerReference => "server reference",
        PropertyId::ReasonString => "reason string",
        PropertyId::CorrelationData => "correlation data",
        PropertyId::AuthenticationData => "authentication data",
        PropertyId::UserProperty => "user property",
    }
}
