//! Payloads (Sparkplug 3.0.0, §6.4), with the field numbers of its Protocol Buffers definition (§6.2).

use prost::Message as _;

/// A payload.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// When it was sent, in milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    /// Its metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    /// Its number in the session of its node, 0 to 255.
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
    /// What `body` is.
    #[prost(string, optional, tag = "4")]
    pub uuid: Option<String>,
    /// Anything else.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub body: Option<Vec<u8>>,
}

/// A metric.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// Its name; none if there is an alias that a birth has given a name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A number instead of the name.
    #[prost(uint64, optional, tag = "2")]
    pub alias: Option<u64>,
    /// When it had the value, in milliseconds since 1970.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    /// Its type (§6.4.16).
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    /// It is not the current value.
    #[prost(bool, optional, tag = "5")]
    pub is_historical: Option<bool>,
    /// It is not to be stored.
    #[prost(bool, optional, tag = "6")]
    pub is_transient: Option<bool>,
    /// It has no value.
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(crate) properties: Option<Properties>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18")]
    pub(crate) value: Option<Value>,
}

/// The value of a metric. Extensions (19) are passed over.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
    #[prost(bytes, tag = "16")]
    Bytes(Vec<u8>),
    #[prost(message, tag = "17")]
    DataSet(DataSet),
    #[prost(message, tag = "18")]
    Template(Template),
}

/// Properties of a metric; sets of properties in them are passed over.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Properties {
    #[prost(string, repeated, tag = "1")]
    pub(crate) keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) values: Vec<Property>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Property {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) datatype: Option<u32>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) is_null: Option<bool>,
    #[prost(oneof = "Scalar", tags = "3, 4, 5, 6, 7, 8")]
    pub(crate) value: Option<Scalar>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Scalar {
    #[prost(uint32, tag = "3")]
    Int(u32),
    #[prost(uint64, tag = "4")]
    Long(u64),
    #[prost(float, tag = "5")]
    Float(f32),
    #[prost(double, tag = "6")]
    Double(f64),
    #[prost(bool, tag = "7")]
    Boolean(bool),
    #[prost(string, tag = "8")]
    Text(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataSet {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) num_of_columns: Option<u64>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) columns: Vec<String>,
    #[prost(uint32, repeated, packed = "false", tag = "3")]
    pub(crate) types: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Row {
    #[prost(message, repeated, tag = "1")]
    pub(crate) elements: Vec<Element>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Element {
    #[prost(oneof = "Cell", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) value: Option<Cell>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Cell {
    #[prost(uint32, tag = "1")]
    Int(u32),
    #[prost(uint64, tag = "2")]
    Long(u64),
    #[prost(float, tag = "3")]
    Float(f32),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(bool, tag = "5")]
    Boolean(bool),
    #[prost(string, tag = "6")]
    Text(String),
}

/// A template; its parameters are passed over.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Template {
    #[prost(string, optional, tag = "1")]
    pub(crate) version: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
    #[prost(string, optional, tag = "4")]
    pub(crate) template_ref: Option<String>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) is_definition: Option<bool>,
}

/// The metric that ties a birth to the death that follows it (§6.4.25).
const BIRTH_DEATH: &str = "bdSeq";

impl Message {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        prost::Message::decode(bytes).map_err(|error: prost::DecodeError| error.to_string())
    }

    /// The bytes of a payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The number that ties a birth to the death that follows it.
    #[must_use]
    pub fn birth_death(&self) -> Option<u64> {
        let metric = self.metrics.iter().find(|metric| metric.name.as_deref() == Some(BIRTH_DEATH))?;
        match metric.value {
            Some(Value::Long(number)) => Some(number),
            Some(Value::Int(number)) => Some(number.into()),
            _ => None,
        }
    }
}
