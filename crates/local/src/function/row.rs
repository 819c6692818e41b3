//! Functions that are computed row by row, declared in tables: name, arguments, result, and how.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Float64Builder, Int32Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::civil::DateTime;

use super::time::civil;
use crate::sql::types::flink_name;

/// What a function takes or gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// An integer; as a result an INT.
    Int,
    /// As a result only: a BIGINT.
    Long,
    Double,
    Bool,
    /// A date, a timestamp or a time of day; as a result a TIMESTAMP(3).
    Moment,
    /// As a result only: a DATE.
    Date,
    /// A TIMESTAMP_LTZ; as a result of precision 3.
    Instant,
}

impl Kind {
    /// The type of an argument of that type, if it can be one.
    fn accepts(self, given: &DataType) -> Option<DataType> {
        let wanted = match self {
            Self::Text => DataType::Utf8,
            Self::Int | Self::Long => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Moment if matches!(given, DataType::Time32(_) | DataType::Time64(_)) => {
                DataType::Time32(TimeUnit::Millisecond)
            }
            Self::Moment => DataType::Timestamp(TimeUnit::Microsecond, None),
        };
        let fits = match self {
            Self::Text => matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
            Self::Int | Self::Long => given.is_integer(),
            Self::Double => given.is_numeric(),
            Self::Bool => given == &DataType::Boolean,
            Self::Date => given == &DataType::Date32,
            Self::Instant => matches!(given, DataType::Timestamp(_, Some(_))),
            Self::Moment => given.is_temporal() && !matches!(given, DataType::Interval(_) | DataType::Duration(_)),
        };
        (fits || given.is_null()).then_some(wanted)
    }

    /// The type of a result.
    fn result(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Moment => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "STRING",
            Self::Int | Self::Long => "INT",
            Self::Double => "DOUBLE",
            Self::Bool => "BOOLEAN",
            Self::Moment => "TIMESTAMP",
            Self::Date => "DATE",
            Self::Instant => "TIMESTAMP_LTZ",
        }
    }
}

/// A value that a function gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    /// INT or BIGINT.
    Int(i64),
    Double(f64),
    Bool(bool),
    /// Milliseconds since 1970.
    Moment(i64),
    /// Days since 1970.
    Date(i32),
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// A function as a table declares it. NULL comes of NULL.
pub(super) struct Spec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub takes: &'static [Kind],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    pub gives: Kind,
    pub call: fn(&Row<'_>) -> Result<Value>,
}

/// One row of a function's arguments, none of which is NULL.
pub(super) struct Row<'a> {
    columns: &'a [Column],
    at: usize,
}

impl<'a> Row<'a> {
    /// Whether so many arguments were given.
    pub fn has(&self, count: usize) -> bool {
        self.columns.len() >= count
    }

    /// An argument; what is no text is empty.
    pub fn text(&self, argument: usize) -> &'a str {
        match self.columns.get(argument) {
            Some(Column::Text(values)) => values.value(self.at),
            _ => "",
        }
    }

    /// An argument; what is no integer is 0.
    pub fn int(&self, argument: usize) -> i64 {
        match self.columns.get(argument) {
            Some(Column::Int(values)) => values.value(self.at),
            _ => 0,
        }
    }

    /// An argument; what is no number is 0.
    pub fn double(&self, argument: usize) -> f64 {
        match self.columns.get(argument) {
            Some(Column::Double(values)) => values.value(self.at),
            _ => 0.0,
        }
    }

    /// An argument; a time of day is one of the first day of 1970.
    pub fn moment(&self, argument: usize) -> Result<DateTime> {
        let microseconds = match self.columns.get(argument) {
            Some(Column::Moment(values)) => values.value(self.at),
            _ => 0,
        };
        civil(microseconds, TimeUnit::Microsecond)
    }
}

/// The values of an argument.
enum Column {
    Text(StringArray),
    Int(Int64Array),
    Double(Float64Array),
    Moment(TimestampMicrosecondArray),
    Other(ArrayRef),
}

impl Column {
    fn new(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string::<i32>().clone()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Moment(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Time32(_) => {
                let day = cast(
                    &cast(array, &DataType::Time64(TimeUnit::Microsecond))?,
                    &DataType::Int64,
                )?;
                Self::Moment(day.as_primitive::<Int64Type>().reinterpret_cast())
            }
            _ => Self::Other(Arc::clone(array)),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(values) => values.is_null(row),
            Self::Int(values) => values.is_null(row),
            Self::Double(values) => values.is_null(row),
            Self::Moment(values) => values.is_null(row),
            Self::Other(values) => values.is_null(row),
        }
    }
}

/// A function of a table.
pub(super) struct RowFunction {
    spec: &'static Spec,
    aliases: Vec<String>,
    signature: Signature,
}

impl RowFunction {
    pub fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            aliases: spec.aliases.iter().map(ToString::to_string).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl std::fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowFunction({})", self.spec.name)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let Spec { takes, optional, .. } = self.spec;
        let counted = (takes.len() - optional..=takes.len()).contains(&given.len());
        let types: Option<Vec<DataType>> = takes
            .iter()
            .zip(given)
            .map(|(kind, given)| kind.accepts(given))
            .collect();
        match types {
            Some(types) if counted => Ok(types),
            _ => {
                let name = self.spec.name.to_uppercase();
                let wanted: Vec<&str> = takes.iter().map(|kind| kind.name()).collect();
                let given: Vec<String> = given.iter().map(flink_name).collect();
                let wanted = if wanted.is_empty() {
                    "no argument".to_owned()
                } else {
                    wanted.join(", ")
                };
                plan_err!("{name} takes {wanted}, and was given {}", given.join(", "))
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.spec.gives.result())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(args.args.len());
        for arg in args.args {
            columns.push(Column::new(&arg.into_array(rows)?)?);
        }
        let mut values = Vec::with_capacity(rows);
        for at in 0..rows {
            let null = columns.iter().any(|column| column.is_null(at));
            let row = Row { columns: &columns, at };
            values.push(if null { Value::Null } else { (self.spec.call)(&row)? });
        }
        let array = array(self.spec.gives, values)?;
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

/// The values as an array of a kind's type.
fn array(kind: Kind, values: Vec<Value>) -> Result<ArrayRef> {
    let ints = |values: &[Value]| -> Int64Array {
        values
            .iter()
            .map(|value| match value {
                Value::Int(value) | Value::Moment(value) => Some(*value),
                _ => None,
            })
            .collect()
    };
    Ok(match kind {
        Kind::Text => Arc::new(
            values
                .into_iter()
                .map(|value| match value {
                    Value::Text(text) => Some(text),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
        Kind::Int => {
            let narrow: Option<Int32Array> = ints(&values)
                .iter()
                .map(|value| value.map(|v| i32::try_from(v).ok()).map_or(Some(None), |v| v.map(Some)))
                .collect::<Option<Vec<_>>>()
                .map(Int32Array::from);
            match narrow {
                Some(narrow) => Arc::new(narrow),
                None => return exec_err!("a result is out of INT's range"),
            }
        }
        Kind::Long => Arc::new(ints(&values)),
        Kind::Moment => Arc::new(ints(&values).reinterpret_cast::<TimestampMillisecondType>()),
        Kind::Instant => {
            let instants = ints(&values).reinterpret_cast::<TimestampMillisecondType>();
            Arc::new(instants.with_timezone("UTC"))
        }
        Kind::Double => {
            let mut out = Float64Builder::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Double(value) => out.append_value(value),
                    _ => out.append_null(),
                }
            }
            Arc::new(out.finish())
        }
        Kind::Bool => Arc::new(
            values
                .into_iter()
                .map(|value| match value {
                    Value::Bool(value) => Some(value),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        Kind::Date => Arc::new(
            values
                .into_iter()
                .map(|value| match value {
                    Value::Date(value) => Some(value),
                    _ => None,
                })
                .collect::<Date32Array>(),
        ),
    })
}
