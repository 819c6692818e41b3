//! The functions that tell the time. DataFusion folds its own into a literal at planning, so that a job that runs for
//! days would see the time at which it was planned.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::zone::Zone;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// `TIMESTAMP_LTZ(3)`.
    Instant,
    /// `TIMESTAMP(3)` in the session's time zone.
    Local,
    Date,
    Time,
    /// Seconds since the epoch.
    Seconds,
}

/// Flink's names, ours first where an existing function of DataFusion's must be hidden under all of its names.
const ALL: [(&str, &[&str], Reading); 7] = [
    ("now", &["current_timestamp"], Reading::Instant),
    ("current_row_timestamp", &[], Reading::Instant),
    ("proctime", &[], Reading::Instant),
    ("localtimestamp", &[], Reading::Local),
    ("current_date", &["today"], Reading::Date),
    ("current_time", &["localtime"], Reading::Time),
    ("unix_timestamp", &[], Reading::Seconds),
];

/// A function that tells the time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Clock {
    name: &'static str,
    aliases: Vec<String>,
    reading: Reading,
    /// The one instant of a batch query.
    fixed: Option<Timestamp>,
    zone: Zone,
    signature: Signature,
}

impl Clock {
    /// All of them.
    pub(super) fn all(fixed: Option<Timestamp>, zone: &Zone) -> impl Iterator<Item = Self> {
        let volatility = if fixed.is_some() {
            Volatility::Stable
        } else {
            Volatility::Volatile
        };
        let zone = zone.clone();
        ALL.into_iter().map(move |(name, aliases, reading)| Self {
            name,
            aliases: aliases.iter().map(ToString::to_string).collect(),
            reading,
            fixed,
            zone: zone.clone(),
            signature: Signature::nullary(volatility),
        })
    }

    fn value(&self) -> ScalarValue {
        let now = self.fixed.unwrap_or_else(Timestamp::now);
        let local = now.to_zoned(self.zone.rules()).datetime();
        // A civil time's own milliseconds are those of the same reading in UTC.
        let civil = local.to_zoned(TimeZone::UTC).map_or(now, |zoned| zoned.timestamp());
        let milliseconds = civil.as_millisecond();
        let day = 86_400_000;
        match self.reading {
            Reading::Instant => ScalarValue::TimestampMillisecond(Some(now.as_millisecond()), Some("UTC".into())),
            Reading::Local => ScalarValue::TimestampMillisecond(Some(milliseconds), None),
            Reading::Date => ScalarValue::Date32(i32::try_from(milliseconds.div_euclid(day)).ok()),
            Reading::Time => ScalarValue::Time32Second(i32::try_from(milliseconds.rem_euclid(day) / 1000).ok()),
            Reading::Seconds => ScalarValue::Int64(Some(now.as_second())),
        }
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.reading {
            Reading::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some(Arc::from("UTC"))),
            Reading::Local => DataType::Timestamp(TimeUnit::Millisecond, None),
            Reading::Date => DataType::Date32,
            Reading::Time => DataType::Time32(TimeUnit::Second),
            Reading::Seconds => DataType::Int64,
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }
}
