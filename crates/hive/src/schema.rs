//! The columns of a result, as the server describes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::thrift::{Kind, Malformed, Reader};

/// A type of HiveServer2 (`TTypeId`), nested ones without what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeId(pub i32);

impl TypeId {
    /// The numbers of `TCLIService.thrift`; 22 is Hive 3's and Kyuubi's.
    const NAMES: [&str; 23] = [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "STRING",
        "TIMESTAMP",
        "BINARY",
        "ARRAY",
        "MAP",
        "STRUCT",
        "UNIONTYPE",
        "USER_DEFINED",
        "DECIMAL",
        "VOID",
        "DATE",
        "VARCHAR",
        "CHAR",
        "INTERVAL_YEAR_MONTH",
        "INTERVAL_DAY_TIME",
        "TIMESTAMP WITH LOCAL TIME ZONE",
    ];

    /// Text.
    const STRING: Self = Self(7);

    /// A number with a fixed point.
    pub(crate) const DECIMAL: Self = Self(15);

    /// The type that Kyuubi's REST API calls so: as Thrift's definition does, `TIMESTAMPLOCALTZ_TYPE` and the like.
    pub(crate) fn of_name(name: &str) -> Self {
        let name = name.strip_suffix("_TYPE").unwrap_or(name);
        let name = match name {
            "NULL" => "VOID",
            "UNION" => "UNIONTYPE",
            "TIMESTAMPLOCALTZ" => "TIMESTAMP WITH LOCAL TIME ZONE",
            name => name,
        };
        let found = Self::NAMES.iter().position(|known| *known == name);
        found.and_then(|id| i32::try_from(id).ok()).map_or(Self::STRING, Self)
    }

    /// Its name in SQL; none if the number is not known.
    pub fn name(self) -> Option<&'static str> {
        usize::try_from(self.0).ok().and_then(|id| Self::NAMES.get(id).copied())
    }

    /// The Arrow type of its values; text for what travels as the server's text.
    pub const fn data_type(self) -> DataType {
        match self.0 {
            0 => DataType::Boolean,
            1 => DataType::Int8,
            2 => DataType::Int16,
            3 => DataType::Int32,
            4 => DataType::Int64,
            5 => DataType::Float32,
            6 => DataType::Float64,
            9 => DataType::Binary,
            16 => DataType::Null,
            _ => DataType::Utf8,
        }
    }
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// The type.
    pub id: TypeId,
    /// The digits of a `DECIMAL`.
    pub precision: Option<i32>,
    /// Those behind its point.
    pub scale: Option<i32>,
    /// The length of a `VARCHAR` or `CHAR`.
    pub length: Option<i32>,
}

impl ColumnType {
    pub(crate) const fn of(id: TypeId) -> Self {
        Self {
            id,
            precision: None,
            scale: None,
            length: None,
        }
    }

    /// Its name in SQL, such as `DECIMAL(10,2)`.
    pub fn name(&self) -> String {
        let name = self
            .id
            .name()
            .map_or_else(|| format!("TYPE {}", self.id.0), str::to_owned);
        match (self.precision, self.scale, self.length) {
            (Some(precision), scale, _) => format!("{name}({precision},{})", scale.unwrap_or(0)),
            (None, _, Some(length)) => format!("{name}({length})"),
            _ => name,
        }
    }
}

/// The columns of a result: names and types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// The columns, in order.
    pub columns: Vec<(String, ColumnType)>,
}

impl TableSchema {
    /// As an Arrow schema. Where Arrow's type says less than the server's, that one's name is in the field's metadata
    /// under `key`.
    pub fn to_arrow(&self, key: &str) -> SchemaRef {
        let fields: Vec<_> = self
            .columns
            .iter()
            .map(|(name, column)| {
                let data_type = column.id.data_type();
                let field = Field::new(name, data_type.clone(), true);
                if data_type == DataType::Utf8 && column.id != TypeId::STRING {
                    field.with_metadata(HashMap::from([(key.to_owned(), column.name())]))
                } else {
                    field
                }
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Reads a `TTableSchema`.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut columns = Vec::new();
        reader.structure(|reader, id, kind| {
            if (id, kind) != (1, Kind::List) {
                return Ok(false);
            }
            for _ in 0..reader.list(Kind::Struct)? {
                columns.push(read_column(reader)?);
            }
            Ok(true)
        })?;
        Ok(Self { columns })
    }
}

/// `TColumnDesc`.
fn read_column(reader: &mut Reader<'_>) -> Result<(String, ColumnType), Malformed> {
    let mut name = String::new();
    let mut column = ColumnType::of(TypeId::STRING);
    reader.structure(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::Binary) => name = reader.text()?,
            (2, Kind::Struct) => column = read_type(reader)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((name, column))
}

/// `TTypeDesc`: the first entry is the column's own type, what follows is inside of it.
fn read_type(reader: &mut Reader<'_>) -> Result<ColumnType, Malformed> {
    let mut first = None;
    reader.structure(|reader, id, kind| {
        if (id, kind) != (1, Kind::List) {
            return Ok(false);
        }
        for _ in 0..reader.list(Kind::Struct)? {
            let entry = read_entry(reader)?;
            first.get_or_insert(entry);
        }
        Ok(true)
    })?;
    Ok(first.unwrap_or(ColumnType::of(TypeId::STRING)))
}

/// `TTypeEntry`, a union: a primitive type, or one that is nested.
fn read_entry(reader: &mut Reader<'_>) -> Result<ColumnType, Malformed> {
    let mut column = ColumnType::of(TypeId::STRING);
    reader.structure(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::Struct) => {
                column = read_primitive(reader)?;
                return Ok(true);
            }
            // Array, map, struct, union, user-defined: in the order of their numbers.
            (2..=6, _) => column = ColumnType::of(TypeId(i32::from(id) + 8)),
            _ => {}
        }
        Ok(false)
    })?;
    Ok(column)
}

/// `TPrimitiveTypeEntry`.
fn read_primitive(reader: &mut Reader<'_>) -> Result<ColumnType, Malformed> {
    let mut column = ColumnType::of(TypeId::STRING);
    reader.structure(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::I32) => column.id = TypeId(reader.i32()?),
            (2, Kind::Struct) => reader.structure(|reader, id, kind| {
                if (id, kind) != (1, Kind::Map) {
                    return Ok(false);
                }
                for _ in 0..reader.map(Kind::Struct)? {
                    let key = reader.binary()?;
                    let value = read_qualifier(reader)?;
                    match key {
                        b"precision" => column.precision = value,
                        b"scale" => column.scale = value,
                        b"characterMaximumLength" => column.length = value,
                        _ => {}
                    }
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(column)
}

/// `TTypeQualifierValue`, where it is a number.
fn read_qualifier(reader: &mut Reader<'_>) -> Result<Option<i32>, Malformed> {
    let mut number = None;
    reader.structure(|reader, id, kind| {
        if (id, kind) != (1, Kind::I32) {
            return Ok(false);
        }
        number = Some(reader.i32()?);
        Ok(true)
    })?;
    Ok(number)
}
