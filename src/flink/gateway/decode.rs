//! A page's rows, read straight into Arrow.

use std::fmt;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use skep_engine::{Batch, Result, RowKind};

use super::cell::Cells;
use super::page::{Column, Results, RowFormat, unreadable};
use super::schema;

/// Rows of more bytes than this are refused: the offsets of Arrow's strings have 31 bits.
const MOST_BYTES: usize = 1 << 30;

/// Reads the rows of one result. Its columns are those of the result's first page.
#[derive(Debug)]
pub(crate) struct Decoder {
    columns: Vec<Column>,
    format: RowFormat,
    schema: SchemaRef,
}

impl Decoder {
    /// A decoder of rows of those columns, written in that format.
    pub(crate) fn new(columns: Vec<Column>, format: RowFormat) -> Self {
        Self {
            schema: schema::of(&columns, format),
            columns,
            format,
        }
    }

    /// The schema of every batch.
    pub(crate) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// The rows of a page of that result; none if there are none.
    ///
    /// # Errors
    /// `Protocol`: the page belongs to another result, or its rows are not of these columns. No row is left out.
    pub(crate) fn decode(&self, results: &Results<'_>) -> Result<Option<Batch>> {
        if results.columns != self.columns || results.row_format != self.format {
            return Err(unreadable("its columns are not those of the first page"));
        }
        let data = results.data.get();
        if data.len() > MOST_BYTES {
            return Err(unreadable(&format!("its rows have {} bytes", data.len())));
        }
        let mut rows = Rows {
            columns: &self.columns,
            cells: self
                .schema
                .fields()
                .iter()
                .zip(&self.columns)
                .map(|(field, column)| Cells::new(field, &column.logical_type, self.format))
                .collect(),
            count: 0,
            kinds: None,
        };
        let mut deserializer = serde_json::Deserializer::from_str(data);
        deserializer.deserialize_seq(&mut rows).map_err(|error| {
            unreadable(&error.to_string())
                .hint("CAST the column AS STRING to have its values as the server writes them")
        })?;
        if rows.count == 0 {
            return Ok(None);
        }
        let Rows {
            cells, count, kinds, ..
        } = rows;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = cells
            .into_iter()
            .map(Cells::finish)
            .collect::<std::result::Result<_, _>>()
            .and_then(|arrays| RecordBatch::try_new_with_options(self.schema(), arrays, &options))
            .map_err(|error| unreadable(&error.to_string()))?;
        Ok(Some(Batch { rows, kinds }))
    }
}

/// The rows read so far.
struct Rows<'c> {
    columns: &'c [Column],
    cells: Vec<Cells>,
    count: usize,
    /// What each does; none as long as all are inserts.
    kinds: Option<Vec<RowKind>>,
}

impl Rows<'_> {
    fn end_row(&mut self, kind: Kind) {
        let kind = match kind {
            Kind::Insert => RowKind::Insert,
            Kind::UpdateBefore => RowKind::UpdateBefore,
            Kind::UpdateAfter => RowKind::UpdateAfter,
            Kind::Delete => RowKind::Delete,
        };
        if let Some(kinds) = &mut self.kinds {
            kinds.push(kind);
        } else if kind != RowKind::Insert {
            let mut kinds = vec![RowKind::Insert; self.count];
            kinds.push(kind);
            self.kinds = Some(kinds);
        }
        self.count += 1;
    }
}

impl<'de> Visitor<'de> for &mut Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Row(self))?.is_some() {}
        Ok(())
    }
}

/// The names of `RowKind`.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Insert,
    UpdateBefore,
    UpdateAfter,
    Delete,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    Kind,
    Fields,
    #[serde(other)]
    Other,
}

/// `{"kind": "INSERT", "fields": […]}`.
struct Row<'r, 'c>(&'r mut Rows<'c>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut kind = None;
        let mut has_fields = false;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Kind if kind.is_none() => kind = Some(map.next_value()?),
                Key::Fields if !has_fields => {
                    map.next_value_seed(Fields(self.0))?;
                    has_fields = true;
                }
                Key::Kind => return Err(de::Error::duplicate_field("kind")),
                Key::Fields => return Err(de::Error::duplicate_field("fields")),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !has_fields {
            return Err(de::Error::missing_field("fields"));
        }
        self.0.end_row(kind.ok_or_else(|| de::Error::missing_field("kind"))?);
        Ok(())
    }
}

/// The values of a row.
struct Fields<'r, 'c>(&'r mut Rows<'c>);

impl<'de> DeserializeSeed<'de> for Fields<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {} values", self.0.cells.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let row = self.0.count + 1;
        for (at, (cells, column)) in self.0.cells.iter_mut().zip(self.0.columns).enumerate() {
            let read = values.next_element_seed(cells).map_err(|error| {
                let (name, logical_type) = (&column.name, &column.logical_type);
                de::Error::custom(format_args!("row {row}, column `{name}` ({logical_type}): {error}"))
            })?;
            if read.is_none() {
                return Err(de::Error::invalid_length(at, &self));
            }
        }
        if values.next_element::<IgnoredAny>()?.is_some() {
            return Err(de::Error::custom(format_args!(
                "row {row} has more values than the result has columns"
            )));
        }
        Ok(())
    }
}
