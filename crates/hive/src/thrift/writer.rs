//! Writing messages.

use super::{Kind, VERSION};

/// A message that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// A call of a method. Its arguments are the fields of a struct, to be ended by [`Writer::stop`].
    pub(crate) fn call(name: &str, sequence: i32) -> Self {
        const CALL: u32 = 1;
        let mut writer = Self::default();
        writer.0.extend((VERSION | CALL).to_be_bytes());
        writer.bytes(name.as_bytes());
        writer.0.extend(sequence.to_be_bytes());
        writer
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// The beginning of a field; its value follows.
    pub(crate) fn field(&mut self, id: i16, kind: Kind) {
        self.0.push(kind.code());
        self.0.extend(id.to_be_bytes());
    }

    /// The end of a struct.
    pub(crate) fn stop(&mut self) {
        self.0.push(0);
    }

    /// A field that is a struct.
    pub(crate) fn structure(&mut self, id: i16, fields: impl FnOnce(&mut Self)) {
        self.field(id, Kind::Struct);
        fields(self);
        self.stop();
    }

    /// A field that is text or bytes.
    pub(crate) fn binary(&mut self, id: i16, value: &[u8]) {
        self.field(id, Kind::Binary);
        self.bytes(value);
    }

    /// A field that is there only if the text is.
    pub(crate) fn text(&mut self, id: i16, value: Option<&str>) {
        if let Some(value) = value {
            self.binary(id, value.as_bytes());
        }
    }

    /// A field that is a truth value.
    pub(crate) fn bool(&mut self, id: i16, value: bool) {
        self.field(id, Kind::Bool);
        self.0.push(u8::from(value));
    }

    /// A field of 16 bits.
    pub(crate) fn i16(&mut self, id: i16, value: i16) {
        self.field(id, Kind::I16);
        self.0.extend(value.to_be_bytes());
    }

    /// A field of 32 bits.
    pub(crate) fn i32(&mut self, id: i16, value: i32) {
        self.field(id, Kind::I32);
        self.0.extend(value.to_be_bytes());
    }

    /// A field of 64 bits.
    pub(crate) fn i64(&mut self, id: i16, value: i64) {
        self.field(id, Kind::I64);
        self.0.extend(value.to_be_bytes());
    }

    /// A field of 64 bits with a fraction.
    pub(crate) fn double(&mut self, id: i16, value: f64) {
        self.field(id, Kind::Double);
        self.0.extend(value.to_bits().to_be_bytes());
    }

    /// A field that maps texts to texts.
    pub(crate) fn map<'a>(&mut self, id: i16, entries: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
        self.field(id, Kind::Map);
        self.0.extend([Kind::Binary.code(); 2]);
        self.count(entries.len());
        for (key, value) in entries {
            self.bytes(key.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    /// A field that is a list of texts.
    pub(crate) fn texts(&mut self, id: i16, values: &[&str]) {
        self.field(id, Kind::List);
        self.0.push(Kind::Binary.code());
        self.count(values.len());
        for value in values {
            self.bytes(value.as_bytes());
        }
    }

    fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend(value);
    }

    /// A length. What a person types has fewer than 2³¹ bytes; what had more would be refused by the server.
    fn count(&mut self, count: usize) {
        self.0.extend(i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
    }
}
