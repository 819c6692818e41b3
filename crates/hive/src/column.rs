//! Columns of a result, from the wire to Arrow without a value for each cell.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    NullArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, SchemaRef};

use crate::thrift::{Kind, Malformed, Reader};

/// A column as it was sent.
enum Sent<'a> {
    Bool(Vec<bool>),
    Byte(&'a [[u8; 1]]),
    I16(&'a [[u8; 2]]),
    I32(&'a [[u8; 4]]),
    I64(&'a [[u8; 8]]),
    Double(&'a [[u8; 8]]),
    Text(Texts),
    Binary(Texts),
}

/// Texts or bytes, one behind the other.
struct Texts {
    offsets: OffsetBuffer<i32>,
    bytes: Buffer,
}

impl Texts {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.list(Kind::Binary)?;
        // Each takes four bytes, and the bytes are there: this is no more than has been received already.
        let mut offsets = Vec::with_capacity(count + 1);
        let mut bytes = Vec::new();
        offsets.push(0);
        for left in (0..count).rev() {
            let text = reader.binary()?;
            if bytes.is_empty() {
                // Those that follow are taken to be of the same length; never more than there are bytes.
                bytes.reserve((text.len() * (left + 1)).min(reader.left() + text.len()));
            }
            bytes.extend_from_slice(text);
            let end = i32::try_from(bytes.len()).map_err(|_| Malformed("a column has more than 2 GiB".to_owned()))?;
            offsets.push(end);
        }
        Ok(Self {
            offsets: OffsetBuffer::new(ScalarBuffer::from(offsets)),
            bytes: Buffer::from_vec(bytes),
        })
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// As text; what is no UTF-8 in it is replaced.
    fn into_text(self, nulls: Option<NullBuffer>) -> StringArray {
        let (offsets, bytes) = (self.offsets.clone(), self.bytes.clone());
        StringArray::try_new(offsets, bytes, nulls.clone()).unwrap_or_else(|_| {
            let texts = self.offsets.windows(2).enumerate().map(|(row, ends)| {
                // Offsets are never negative and grow: they were counted in `read`.
                let (from, to) = (ends[0].unsigned_abs() as usize, ends[1].unsigned_abs() as usize);
                let is_there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                is_there.then(|| String::from_utf8_lossy(&self.bytes[from..to]).into_owned())
            });
            texts.collect()
        })
    }

    fn into_binary(self, nulls: Option<NullBuffer>) -> BinaryArray {
        BinaryArray::new(self.offsets, self.bytes, nulls)
    }
}

impl<'a> Sent<'a> {
    /// Reads a `TColumn`, a union of structs of values and nulls.
    fn read(reader: &mut Reader<'a>) -> Result<(Self, &'a [u8]), Malformed> {
        let mut column = None;
        let mut nulls: &[u8] = &[];
        reader.structure(|reader, union, kind| {
            if kind != Kind::Struct || !(1..=8).contains(&union) {
                return Ok(false);
            }
            reader.structure(|reader, id, kind| {
                match (id, kind) {
                    (1, Kind::List) => column = Some(Self::read_values(reader, union)?),
                    (2, Kind::Binary) => nulls = reader.binary()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            Ok(true)
        })?;
        let column = column.ok_or_else(|| Malformed("a column has no values".to_owned()))?;
        Ok((column, nulls))
    }

    fn read_values(reader: &mut Reader<'a>, union: i16) -> Result<Self, Malformed> {
        Ok(match union {
            1 => Self::Bool(
                reader
                    .numbers::<1>(Kind::Bool)?
                    .iter()
                    .map(|[byte]| *byte != 0)
                    .collect(),
            ),
            2 => Self::Byte(reader.numbers(Kind::Byte)?),
            3 => Self::I16(reader.numbers(Kind::I16)?),
            4 => Self::I32(reader.numbers(Kind::I32)?),
            5 => Self::I64(reader.numbers(Kind::I64)?),
            6 => Self::Double(reader.numbers(Kind::Double)?),
            7 => Self::Text(Texts::read(reader)?),
            _ => Self::Binary(Texts::read(reader)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Byte(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) | Self::Double(values) => values.len(),
            Self::Text(values) | Self::Binary(values) => values.len(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "truth values",
            Self::Byte(_) => "bytes",
            Self::I16(_) => "16-bit numbers",
            Self::I32(_) => "32-bit numbers",
            Self::I64(_) => "64-bit numbers",
            Self::Double(_) => "doubles",
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
        }
    }

    /// As an array of that type.
    fn into_array(self, data_type: &DataType, nulls: &[u8]) -> Result<ArrayRef, Malformed> {
        let nulls = read_nulls(nulls, self.len());
        Ok(match (data_type, self) {
            (DataType::Null, sent) => Arc::new(NullArray::new(sent.len())),
            (DataType::Boolean, Self::Bool(values)) => Arc::new(BooleanArray::new(values.into(), nulls)),
            (DataType::Int8, Self::Byte(values)) => Arc::new(Int8Array::new(numbers(values, i8::from_be_bytes), nulls)),
            (DataType::Int16, Self::I16(values)) => {
                Arc::new(Int16Array::new(numbers(values, i16::from_be_bytes), nulls))
            }
            (DataType::Int32, Self::I32(values)) => {
                Arc::new(Int32Array::new(numbers(values, i32::from_be_bytes), nulls))
            }
            (DataType::Int64, Self::I64(values)) => {
                Arc::new(Int64Array::new(numbers(values, i64::from_be_bytes), nulls))
            }
            // A FLOAT is sent as the double that has the same text.
            (DataType::Float32, Self::Double(values)) => {
                let narrow = |bytes| f64::from_be_bytes(bytes) as f32;
                Arc::new(Float32Array::new(numbers(values, narrow), nulls))
            }
            (DataType::Float64, Self::Double(values)) => {
                Arc::new(Float64Array::new(numbers(values, f64::from_be_bytes), nulls))
            }
            (DataType::Utf8, Self::Text(values) | Self::Binary(values)) => Arc::new(values.into_text(nulls)),
            (DataType::Binary, Self::Text(values) | Self::Binary(values)) => Arc::new(values.into_binary(nulls)),
            (data_type, sent) => {
                return Err(Malformed(format!("a column of {data_type} came as {}", sent.name())));
            }
        })
    }
}

fn numbers<const N: usize, T: arrow::datatypes::ArrowNativeType>(
    values: &[[u8; N]],
    read: impl Fn([u8; N]) -> T,
) -> ScalarBuffer<T> {
    values.iter().map(|bytes| read(*bytes)).collect::<Vec<_>>().into()
}

/// Bit `i` of byte `i / 8` says that value `i` is null, the lowest bit first. What is missing at the end is not null.
fn read_nulls(bits: &[u8], count: usize) -> Option<NullBuffer> {
    if bits.iter().all(|bits| *bits == 0) {
        return None;
    }
    let valid: Vec<_> = (0..count.div_ceil(8))
        .map(|at| !bits.get(at).copied().unwrap_or(0))
        .collect();
    let nulls = NullBuffer::new(BooleanBuffer::new(valid.into(), 0, count));
    (nulls.null_count() > 0).then_some(nulls)
}

/// Reads a `TRowSet` into these columns; none if there are no columns in it at all, as in the result of a statement that
/// has none.
pub(crate) fn read_row_set(reader: &mut Reader<'_>, schema: &SchemaRef) -> Result<Option<RecordBatch>, Malformed> {
    let mut arrays = Vec::new();
    let mut unread = None;
    reader.structure(|reader, id, kind| {
        match (id, kind) {
            (2, Kind::List) => {
                let rows = reader.list(Kind::Struct)?;
                if rows == 0 {
                    return Ok(true);
                }
                unread = Some("row by row");
                for _ in 0..rows {
                    reader.structure(|_, _, _| Ok(false))?;
                }
            }
            (3, Kind::List) => {
                let count = reader.list(Kind::Struct)?;
                if count > schema.fields().len() {
                    return Err(Malformed(format!("{count} columns came of {}", schema.fields().len())));
                }
                for field in &schema.fields()[..count] {
                    let (sent, nulls) = Sent::read(reader)?;
                    arrays.push(sent.into_array(field.data_type(), nulls)?);
                }
            }
            (4, Kind::Binary) => {
                if !reader.binary()?.is_empty() {
                    unread = Some("serialized in tasks (hive.server2.thrift.resultset.serialize.in.tasks)");
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if let Some(how) = unread {
        return Err(Malformed(format!("rows came {how}, not by columns")));
    }
    if arrays.is_empty() {
        return Ok(None);
    }
    if arrays.len() != schema.fields().len() {
        return Err(Malformed(format!(
            "{} columns came of {}",
            arrays.len(),
            schema.fields().len()
        )));
    }
    let rows = arrays[0].len();
    RecordBatch::try_new_with_options(
        SchemaRef::clone(schema),
        arrays,
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
    .map(Some)
    .map_err(|error| Malformed(error.to_string()))
}
