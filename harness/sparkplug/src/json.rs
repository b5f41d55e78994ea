//! Payloads as JSON.

use serde_json::{Map, Number, Value as Json, json};

use crate::message::{Cell, DataSet, Message, Metric, Property, Scalar, Template, Value};

/// Names of types, from 1 on (§6.4.16).
const TYPES: [&str; 34] = [
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float",
    "Double",
    "Boolean",
    "String",
    "DateTime",
    "Text",
    "UUID",
    "DataSet",
    "Bytes",
    "File",
    "Template",
    "PropertySet",
    "PropertySetList",
    "Int8Array",
    "Int16Array",
    "Int32Array",
    "Int64Array",
    "UInt8Array",
    "UInt16Array",
    "UInt32Array",
    "UInt64Array",
    "FloatArray",
    "DoubleArray",
    "BooleanArray",
    "StringArray",
    "DateTimeArray",
];

impl Message {
    /// The payload as JSON. `values` has the value of each metric by its name, or by its alias.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut values = Map::new();
        for metric in &self.metrics {
            let key = metric.name.clone().or_else(|| metric.alias.map(|alias| alias.to_string()));
            values.insert(key.unwrap_or_default(), metric.value());
        }
        let mut all = Map::new();
        put(&mut all, "timestamp", self.timestamp.map(Json::from));
        put(&mut all, "seq", self.seq.map(Json::from));
        all.insert("metrics".to_owned(), self.metrics.iter().map(Metric::to_json).collect());
        all.insert("values".to_owned(), Json::Object(values));
        put(&mut all, "uuid", self.uuid.clone().map(Json::from));
        put(&mut all, "body", self.body.as_ref().map(|body| hex::encode(body).into()));
        Json::Object(all)
    }
}

impl Metric {
    /// Its value; null if it has none.
    fn value(&self) -> Json {
        match &self.value {
            Some(value) if self.is_null != Some(true) => value.to_json(self.datatype),
            _ => Json::Null,
        }
    }

    fn to_json(&self) -> Json {
        let mut all = Map::new();
        put(&mut all, "name", self.name.clone().map(Json::from));
        put(&mut all, "alias", self.alias.map(Json::from));
        put(&mut all, "timestamp", self.timestamp.map(Json::from));
        put(&mut all, "dataType", self.datatype.map(type_name));
        put(&mut all, "isHistorical", self.is_historical.map(Json::from));
        put(&mut all, "isTransient", self.is_transient.map(Json::from));
        put(&mut all, "isNull", self.is_null.map(Json::from));
        let properties = self.properties.as_ref().map(|properties| {
            let pairs = properties.keys.iter().cloned().zip(properties.values.iter().map(Property::to_json));
            Json::Object(pairs.collect())
        });
        put(&mut all, "properties", properties);
        all.insert("value".to_owned(), self.value());
        Json::Object(all)
    }
}

impl Value {
    fn to_json(&self, datatype: Option<u32>) -> Json {
        match self {
            Self::Int(number) => int(*number, datatype),
            Self::Long(number) => long(*number, datatype),
            Self::Float(number) => float(*number),
            Self::Double(number) => double(*number),
            Self::Boolean(is) => (*is).into(),
            Self::Text(text) => text.clone().into(),
            Self::Bytes(bytes) => hex::encode(bytes).into(),
            Self::DataSet(set) => set.to_json(),
            Self::Template(template) => template.to_json(),
        }
    }
}

impl Property {
    fn to_json(&self) -> Json {
        match &self.value {
            None => Json::Null,
            Some(_) if self.is_null == Some(true) => Json::Null,
            Some(Scalar::Int(number)) => int(*number, self.datatype),
            Some(Scalar::Long(number)) => long(*number, self.datatype),
            Some(Scalar::Float(number)) => float(*number),
            Some(Scalar::Double(number)) => double(*number),
            Some(Scalar::Boolean(is)) => (*is).into(),
            Some(Scalar::Text(text)) => text.clone().into(),
        }
    }
}

impl DataSet {
    fn to_json(&self) -> Json {
        let cell = |cell: &Option<Cell>, datatype: Option<u32>| match cell {
            None => Json::Null,
            Some(Cell::Int(number)) => int(*number, datatype),
            Some(Cell::Long(number)) => long(*number, datatype),
            Some(Cell::Float(number)) => float(*number),
            Some(Cell::Double(number)) => double(*number),
            Some(Cell::Boolean(is)) => (*is).into(),
            Some(Cell::Text(text)) => text.clone().into(),
        };
        let rows = self.rows.iter().map(|row| {
            let cells = row.elements.iter().enumerate();
            cells.map(|(at, element)| cell(&element.value, self.types.get(at).copied())).collect::<Json>()
        });
        let types: Json = self.types.iter().map(|datatype| type_name(*datatype)).collect();
        json!({ "columns": self.columns, "types": types, "rows": rows.collect::<Json>() })
    }
}

impl Template {
    fn to_json(&self) -> Json {
        let mut all = Map::new();
        put(&mut all, "version", self.version.clone().map(Json::from));
        put(&mut all, "reference", self.template_ref.clone().map(Json::from));
        put(&mut all, "isDefinition", self.is_definition.map(Json::from));
        all.insert("metrics".to_owned(), self.metrics.iter().map(Metric::to_json).collect());
        Json::Object(all)
    }
}

fn put(all: &mut Map<String, Json>, key: &str, value: Option<Json>) {
    if let Some(value) = value {
        all.insert(key.to_owned(), value);
    }
}

fn type_name(datatype: u32) -> Json {
    let index = usize::try_from(datatype).ok().and_then(|datatype| datatype.checked_sub(1));
    index.and_then(|index| TYPES.get(index)).map_or_else(|| datatype.into(), |name| (*name).into())
}

/// Signed integers are stored as their two's complement (§6.4.16): of 32 bits, or of as many as they have.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the upper bits repeat the sign")]
fn int(number: u32, datatype: Option<u32>) -> Json {
    match datatype {
        Some(1) => (number as i8).into(),
        Some(2) => (number as i16).into(),
        Some(3) => (number as i32).into(),
        _ => number.into(),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "two's complement")]
fn long(number: u64, datatype: Option<u32>) -> Json {
    match datatype {
        Some(1..=4) => (number as i64).into(),
        _ => number.into(),
    }
}

/// With the digits that a float has: 0.1 stays 0.1. JSON has no infinity.
fn float(number: f32) -> Json {
    number.to_string().parse().ok().and_then(Number::from_f64).map_or_else(|| number.to_string().into(), Json::Number)
}

fn double(number: f64) -> Json {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, datatype: u32, value: Value) -> Metric {
        Metric { name: Some(name.to_owned()), datatype: Some(datatype), value: Some(value), ..Metric::default() }
    }

    #[test]
    fn values_have_their_types() {
        let metrics = vec![
            metric("a", 1, Value::Int(0xff)),
            metric("b", 2, Value::Int(0xffff_fffe)),
            metric("c", 3, Value::Int(u32::MAX)),
            metric("d", 4, Value::Long(u64::MAX)),
            metric("e", 7, Value::Int(u32::MAX)),
            metric("f", 8, Value::Long(u64::MAX)),
            metric("g", 9, Value::Float(0.1)),
            metric("h", 10, Value::Double(f64::INFINITY)),
            metric("i", 11, Value::Boolean(true)),
            metric("j", 12, Value::Text("x".to_owned())),
            metric("k", 17, Value::Bytes(vec![0, 255])),
            Metric { alias: Some(7), is_null: Some(true), value: Some(Value::Int(1)), ..Metric::default() },
        ];
        let message = Message { metrics, seq: Some(3), ..Message::default() };
        let json = Message::decode(&message.encode()).expect("decodes").to_json();
        let values = json!({
            "a": -1, "b": -2, "c": -1, "d": -1, "e": u32::MAX, "f": u64::MAX, "g": 0.1, "h": "inf", "i": true, "j": "x",
            "k": "00ff", "7": null,
        });
        assert_eq!(json["values"], values);
        assert_eq!((&json["seq"], &json["metrics"][0]["dataType"]), (&json!(3), &json!("Int8")));
    }

    #[test]
    fn sets_and_templates_are_shown() {
        let row = crate::message::Row { elements: vec![crate::message::Element { value: Some(Cell::Int(u32::MAX)) }] };
        let set = DataSet { num_of_columns: Some(1), columns: vec!["n".to_owned()], types: vec![3], rows: vec![row] };
        let template = Template {
            metrics: vec![metric("x", 3, Value::Int(5))],
            is_definition: Some(false),
            ..Template::default()
        };
        let metrics = vec![metric("s", 16, Value::DataSet(set)), metric("t", 19, Value::Template(template))];
        let json = Message { metrics, ..Message::default() }.to_json();
        assert_eq!(json["values"]["s"], json!({ "columns": ["n"], "types": ["Int32"], "rows": [[-1]] }));
        assert_eq!(json["values"]["t"]["metrics"][0]["value"], json!(5));
    }
}
