//! Generated rows: row n is a pure function of seed, column and n, so that a restored job goes on exactly.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use serde_json::{Value, json};
use skep_engine::{EngineError, Result};

use super::options::Options;
use super::{Pull, Source};
use crate::dataflow::failed;
use crate::table::Table;

/// Rows of one micro-batch.
const BATCH: u64 = 8192;
/// The longest string that is generated.
const LONGEST: u64 = 1 << 20;

/// How a column's values are made.
#[derive(Debug, Clone)]
enum Kind {
    /// From that number on, up to the end.
    Sequence {
        start: i64,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Decimal {
        min: i128,
        max: i128,
    },
    Text {
        length: u64,
    },
    Boolean,
    /// At most that many milliseconds before the job's start.
    Past {
        millis: u64,
    },
}

/// A column.
#[derive(Debug, Clone)]
struct Generator {
    kind: Kind,
    data_type: DataType,
    null_rate: f64,
    /// Different for each column.
    salt: u64,
}

/// A table's options.
#[derive(Debug, Clone)]
pub(super) struct Config {
    generators: Vec<Generator>,
    /// Rows in a second.
    pub(super) rate: u64,
    /// How many rows there are; `None`: without end.
    pub(super) rows: Option<u64>,
}

impl Config {
    /// Reads the options (Flink's, and `local.datagen.seed`), refusing unknown ones.
    pub(super) fn new(table: &Table) -> Result<Self> {
        let options = Options(table);
        let parts = [
            "kind",
            "start",
            "end",
            "min",
            "max",
            "length",
            "max-past",
            "null-rate",
            "var-len",
        ];
        let mut known: Vec<String> = ["connector", "rows-per-second", "number-of-rows", "local.datagen.seed"]
            .map(String::from)
            .to_vec();
        for field in table.physical.fields() {
            known.extend(parts[..8].iter().map(|part| format!("fields.{}.{part}", field.name())));
        }
        options.allow(&known.iter().map(String::as_str).collect::<Vec<_>>())?;
        let seed = options
            .parse::<u64>("local.datagen.seed", "a whole number")?
            .unwrap_or(0);
        let rate = options
            .parse::<u64>("rows-per-second", "a whole number")?
            .unwrap_or(10_000);
        if rate == 0 {
            return Err(options.bad("rows-per-second", "more than 0"));
        }
        let mut rows = options.parse::<u64>("number-of-rows", "a whole number")?;
        let mut generators = Vec::new();
        for (index, field) in table.physical.fields().iter().enumerate() {
            let option = |part: &str| format!("fields.{}.{part}", field.name());
            let kind = match options.text(&option("kind")).unwrap_or("random") {
                "sequence" => {
                    let start = options.required(&option("start"))?;
                    let start = start
                        .parse()
                        .map_err(|_| options.bad(&option("start"), "a whole number"))?;
                    options.required(&option("end"))?;
                    let end: i64 = options.parse(&option("end"), "a whole number")?.unwrap_or(start);
                    let Some(length) = end
                        .checked_sub(start)
                        .and_then(|l| u64::try_from(l).ok())
                        .and_then(|l| l.checked_add(1))
                    else {
                        return Err(options.bad(&option("end"), "not less than the start"));
                    };
                    let (low, high) = limits(field.data_type()).ok_or_else(|| unsupported(table, index))?;
                    if start < low || end > high {
                        return Err(options.bad(&option("end"), &format!("within {}", field.data_type())));
                    }
                    rows = Some(rows.map_or(length, |rows| rows.min(length)));
                    Kind::Sequence { start }
                }
                "random" => random(&options, table, index, &option)?,
                _ => return Err(options.bad(&option("kind"), "random or sequence")),
            };
            let null_rate = options
                .parse::<f64>(&option("null-rate"), "a number from 0 to 1")?
                .unwrap_or(0.0);
            if !(0.0..=1.0).contains(&null_rate) || (null_rate > 0.0 && !field.is_nullable()) {
                return Err(options.bad(
                    &option("null-rate"),
                    "a number from 0 to 1, and 0 for a NOT NULL column",
                ));
            }
            let salt = mix(seed ^ mix(index as u64 + 1));
            generators.push(Generator {
                kind,
                data_type: field.data_type().clone(),
                null_rate,
                salt,
            });
        }
        Ok(Self { generators, rate, rows })
    }
}

/// The options of a random column.
fn random(options: &Options<'_>, table: &Table, index: usize, option: &dyn Fn(&str) -> String) -> Result<Kind> {
    let (min, max) = (option("min"), option("max"));
    let data_type = table.physical.field(index).data_type();
    Ok(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let (low, high) = limits(data_type).ok_or_else(|| unsupported(table, index))?;
            let from = options.parse(&min, "a whole number")?.unwrap_or(low);
            let to = options.parse(&max, "a whole number")?.unwrap_or(high);
            if from < low || from > to {
                return Err(options.bad(&min, &format!("within {data_type} and not more than the maximum")));
            }
            if to > high {
                return Err(options.bad(&max, &format!("within {data_type}")));
            }
            Kind::Integer { min: from, max: to }
        }
        DataType::Float32 | DataType::Float64 => {
            let limit = if *data_type == DataType::Float32 {
                f64::from(f32::MAX)
            } else {
                f64::MAX
            };
            let from = options.parse(&min, "a number")?.unwrap_or(-limit);
            let to = options.parse(&max, "a number")?.unwrap_or(limit);
            if !(from <= to && from.is_finite() && to.is_finite()) {
                return Err(options.bad(&min, "a finite number, not more than the maximum"));
            }
            Kind::Float { min: from, max: to }
        }
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow((*precision).into()) - 1;
            let unscaled = |key: &str| -> Result<Option<i128>> {
                let Some(value) = options.parse::<f64>(key, "a number")? else {
                    return Ok(None);
                };
                let value = (value * 10_f64.powi((*scale).into())).round();
                if value.abs() > limit as f64 {
                    return Err(options.bad(key, &format!("within {data_type}")));
                }
                Ok(Some(value as i128))
            };
            let (from, to) = (unscaled(&min)?.unwrap_or(-limit), unscaled(&max)?.unwrap_or(limit));
            if from > to {
                return Err(options.bad(&min, "not more than the maximum"));
            }
            Kind::Decimal { min: from, max: to }
        }
        DataType::Utf8 => {
            let length = options.parse(&option("length"), "a whole number")?.unwrap_or(100);
            if length > LONGEST {
                return Err(options.bad(&option("length"), "at most 1048576"));
            }
            Kind::Text { length }
        }
        DataType::Boolean => Kind::Boolean,
        DataType::Timestamp(..) | DataType::Date32 => {
            let past = options.duration(&option("max-past"))?.unwrap_or(Duration::ZERO);
            Kind::Past {
                millis: u64::try_from(past.as_millis()).unwrap_or(u64::MAX),
            }
        }
        _ => return Err(unsupported(table, index)),
    })
}

/// The whole numbers that a sequence of that type may reach.
fn limits(data_type: &DataType) -> Option<(i64, i64)> {
    Some(match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 | DataType::Utf8 => (i64::MIN, i64::MAX),
        DataType::Float32 => (-(1 << 24), 1 << 24),
        DataType::Float64 => (-(1 << 53), 1 << 53),
        DataType::Decimal128(precision, scale) => {
            let digits = u32::try_from(i32::from(*precision) - i32::from(*scale))
                .unwrap_or(0)
                .min(18);
            let limit = 10_i64.pow(digits) - 1;
            (-limit, limit)
        }
        _ => return None,
    })
}

fn unsupported(table: &Table, index: usize) -> EngineError {
    let field = table.physical.field(index);
    EngineError::rejected(format!(
        "column {} of table {} has the type {}, which datagen can't make in that way",
        field.name(),
        table.path.name,
        field.data_type()
    ))
}

/// A bijection that scatters its input (the finalizer of SplitMix64).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// From 0 to less than 1.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl Generator {
    /// The values of the rows from `from` to before `to`.
    fn generate(&self, from: u64, to: u64, base_millis: i64) -> Result<ArrayRef> {
        let bits = |n: u64| mix(self.salt ^ mix(n));
        let is_null = |n: u64| self.null_rate > 0.0 && unit(mix(bits(n) ^ 0x6e75_6c6c)) < self.null_rate;
        let rows = || from..to;
        let integers =
            |value: &dyn Fn(u64) -> i64| -> Int64Array { rows().map(|n| (!is_null(n)).then(|| value(n))).collect() };
        let array: ArrayRef = match &self.kind {
            Kind::Sequence { start } => {
                let values: ArrayRef = Arc::new(integers(&|n| start.wrapping_add_unsigned(n)));
                return failed(cast(&values, &self.data_type));
            }
            Kind::Integer { min, max } => {
                let span = u128::from(max.wrapping_sub(*min) as u64) + 1;
                let values: ArrayRef = Arc::new(integers(&|n| {
                    min.wrapping_add(((u128::from(bits(n)) * span) >> 64) as i64)
                }));
                return failed(cast(&values, &self.data_type));
            }
            Kind::Float { min, max } => {
                let value = |n| {
                    let at = unit(bits(n));
                    (min * (1.0 - at) + max * at).clamp(*min, *max)
                };
                let values = rows().map(|n| (!is_null(n)).then(|| value(n)));
                if self.data_type == DataType::Float32 {
                    Arc::new(values.map(|v| v.map(|v| v as f32)).collect::<Float32Array>())
                } else {
                    Arc::new(values.collect::<Float64Array>())
                }
            }
            Kind::Decimal { min, max } => {
                let span = max.wrapping_sub(*min) as u128 + 1;
                let value = |n| {
                    let wide = (u128::from(bits(n)) << 64) | u128::from(mix(bits(n)));
                    min.wrapping_add((wide % span) as i128)
                };
                let values: Decimal128Array = rows().map(|n| (!is_null(n)).then(|| value(n))).collect();
                Arc::new(values.with_data_type(self.data_type.clone()))
            }
            Kind::Text { length } => {
                let value = |n| {
                    let mut text = String::new();
                    let mut block = bits(n);
                    while (text.len() as u64) < *length {
                        text.push_str(&format!("{block:016x}"));
                        block = mix(block);
                    }
                    text.truncate(usize::try_from(*length).unwrap_or(usize::MAX));
                    text
                };
                Arc::new(rows().map(|n| (!is_null(n)).then(|| value(n))).collect::<StringArray>())
            }
            Kind::Boolean => Arc::new(
                rows()
                    .map(|n| (!is_null(n)).then(|| bits(n) & 1 == 1))
                    .collect::<BooleanArray>(),
            ),
            Kind::Past { millis } => {
                let span = u128::from(*millis) + 1;
                let value = |n| base_millis.saturating_sub(((u128::from(bits(n)) * span) >> 64) as i64);
                if self.data_type == DataType::Date32 {
                    let day = |n| i32::try_from(value(n).div_euclid(86_400_000)).unwrap_or_default();
                    Arc::new(rows().map(|n| (!is_null(n)).then(|| day(n))).collect::<Date32Array>())
                } else {
                    let values: ArrayRef = Arc::new(integers(&value));
                    let millis = failed(cast(&values, &DataType::Timestamp(TimeUnit::Millisecond, None)))?;
                    return failed(cast(&millis, &self.data_type));
                }
            }
        };
        Ok(array)
    }
}

/// The source.
pub(super) struct Datagen {
    generators: Vec<Generator>,
    schema: SchemaRef,
    rows: Option<u64>,
    next: u64,
    /// What `max-past` counts back from: when the job first started.
    base_millis: i64,
}

impl Datagen {
    /// A source that gives those physical columns.
    pub(super) fn new(table: &Table, wanted: &[usize]) -> Result<Self> {
        let config = Config::new(table)?;
        Ok(Self {
            generators: wanted.iter().map(|index| config.generators[*index].clone()).collect(),
            schema: failed(table.physical.project(wanted))?.into(),
            rows: config.rows,
            next: 0,
            base_millis: jiff::Timestamp::now().as_millisecond(),
        })
    }
}

impl Source for Datagen {
    fn pull(&mut self, max_rows: usize) -> Result<Pull> {
        let left = self.rows.unwrap_or(u64::MAX).saturating_sub(self.next);
        let count = left.min(BATCH).min(max_rows as u64);
        if left == 0 {
            return Ok(Pull::End);
        }
        let (from, to) = (self.next, self.next + count);
        let columns = self
            .generators
            .iter()
            .map(|g| g.generate(from, to, self.base_millis))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(usize::try_from(count).ok());
        let batch = failed(RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &options,
        ))?;
        self.next = to;
        Ok(Pull::Rows(batch))
    }

    fn snapshot(&mut self) -> Result<(Vec<RecordBatch>, Value)> {
        Ok((
            Vec::new(),
            json!({ "next": self.next, "base_millis": self.base_millis }),
        ))
    }

    fn restore(&mut self, _tables: Vec<RecordBatch>, meta: &Value) -> Result<()> {
        let missing = || EngineError::refused("the saved state of a datagen source has no row number");
        self.next = meta.get("next").and_then(Value::as_u64).ok_or_else(missing)?;
        self.base_millis = meta.get("base_millis").and_then(Value::as_i64).ok_or_else(missing)?;
        Ok(())
    }
}
