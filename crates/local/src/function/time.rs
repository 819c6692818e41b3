//! Functions over dates and times.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::civil::{DateTime, Time, Weekday};
use jiff::{SignedDuration, Span};

use super::date_format::Pattern;
use super::row::{Kind, Row, Spec, Value};
use crate::sql::types::flink_name;

const MOMENT: Kind = Kind::Moment;
const TEXT: Kind = Kind::Text;

/// The functions that are computed row by row.
pub(super) static FUNCTIONS: [Spec; 6] = [
    Spec {
        name: "extract",
        aliases: &[],
        takes: &[TEXT, MOMENT],
        optional: 0,
        gives: Kind::Long,
        call: |row| extract(row.text(0), row.moment(1)?).map(Value::Int),
    },
    Spec {
        name: "timestampdiff",
        aliases: &[],
        takes: &[TEXT, MOMENT, MOMENT],
        optional: 0,
        gives: Kind::Int,
        call: difference,
    },
    Spec {
        name: "to_timestamp",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 1,
        gives: MOMENT,
        call: |row| {
            let read = if row.has(2) {
                Pattern::new(row.text(1))
                    .map_err(|e| exec_datafusion_err!("{e}"))?
                    .parse(row.text(0))
            } else {
                read_timestamp(row.text(0))
            };
            Ok(read.map_or(Value::Null, |time| Value::Moment(units(time, TimeUnit::Millisecond))))
        },
    },
    Spec {
        name: "to_date",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 1,
        gives: Kind::Date,
        call: |row| {
            let read = if row.has(2) {
                Pattern::new(row.text(1))
                    .map_err(|e| exec_datafusion_err!("{e}"))?
                    .parse(row.text(0))
            } else {
                read_date(row.text(0))
            };
            let day = |time| units(time, TimeUnit::Second).div_euclid(86_400);
            Ok(read
                .and_then(|time| i32::try_from(day(time)).ok())
                .map_or(Value::Null, Value::Date))
        },
    },
    Spec {
        name: "to_timestamp_ltz",
        aliases: &[],
        takes: &[Kind::Int, Kind::Int],
        optional: 1,
        gives: Kind::Instant,
        call: |row| match (row.has(2), row.int(1)) {
            (true, 0) => Ok(row.int(0).checked_mul(1000).map_or(Value::Null, Value::Moment)),
            (false, _) | (true, 3) => Ok(Value::Moment(row.int(0))),
            (true, other) => exec_err!("TO_TIMESTAMP_LTZ takes a number of precision 0 or 3, not {other}"),
        },
    },
    // `UNIX_TIMESTAMP(text)`, once the text is an instant.
    Spec {
        name: "unix_seconds",
        aliases: &[],
        takes: &[Kind::Instant],
        optional: 0,
        gives: Kind::Long,
        call: |row| Ok(Value::Int(units(row.moment(0)?, TimeUnit::Second))),
    },
];

/// How many units a second has.
pub(super) const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The begin of 1970.
const EPOCH: DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// The civil time that a number of units since 1970 stands for.
pub(super) fn civil(value: i64, unit: TimeUnit) -> Result<DateTime> {
    let scale = per_second(unit);
    let (seconds, rest) = (value.div_euclid(scale), value.rem_euclid(scale));
    // Below a second.
    let nanoseconds = i32::try_from(rest * (1_000_000_000 / scale)).unwrap_or(0);
    EPOCH
        .checked_add(SignedDuration::new(seconds, nanoseconds))
        .map_err(|_| exec_datafusion_err!("a time is out of the years -9999 to 9999"))
}

/// The units since 1970 of a civil time.
pub(super) fn units(time: DateTime, unit: TimeUnit) -> i64 {
    let elapsed = time.duration_since(EPOCH).as_nanos();
    let units = elapsed.div_euclid(1_000_000_000 / i128::from(per_second(unit)));
    // Only nanoseconds have years that do not fit.
    i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
}

/// `2024-2-9`: a date, with one digit or two.
pub(super) fn read_date(text: &str) -> Option<DateTime> {
    let mut parts = text.trim().splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, most: usize| -> Option<i16> {
        let valid = (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        valid.then(|| part.parse().ok()).flatten()
    };
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(date.to_datetime(Time::midnight()))
}

/// `12:34:56.789`.
pub(super) fn read_time(text: &str) -> Option<Time> {
    let (clock, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = clock.split(':');
    let mut next = || -> Option<i8> {
        let part = parts.next()?;
        let valid = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        valid.then(|| part.parse().ok()).flatten()
    };
    let (hour, minute) = (next()?, next()?);
    let second = next().unwrap_or(0);
    if parts.next().is_some() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Time::new(hour, minute, second, nanoseconds).ok()
}

/// A date, and a time of day behind a blank.
pub(super) fn read_timestamp(text: &str) -> Option<DateTime> {
    let text = text.trim();
    match text.split_once(' ') {
        Some((date, time)) => Some(read_date(date)?.date().to_datetime(read_time(time)?)),
        None => read_date(text),
    }
}

/// A part of a time.
fn extract(part: &str, time: DateTime) -> Result<i64> {
    let year = i64::from(time.year());
    let month = i64::from(time.month());
    let iso = time.date().iso_week_date();
    let sunday = |day: Weekday| i64::from(day.to_sunday_one_offset());
    Ok(match part {
        "YEAR" => year,
        "QUARTER" => (month + 2) / 3,
        "MONTH" => month,
        "WEEK" => i64::from(iso.week()),
        "DAY" => i64::from(time.day()),
        "DOY" => i64::from(time.day_of_year()),
        "DOW" => sunday(time.weekday()),
        "ISODOW" => i64::from(time.weekday().to_monday_one_offset()),
        "ISOYEAR" => i64::from(iso.year()),
        "DECADE" => year.div_euclid(10),
        "CENTURY" => (year + 99).div_euclid(100),
        "MILLENNIUM" => (year + 999).div_euclid(1000),
        "HOUR" => i64::from(time.hour()),
        "MINUTE" => i64::from(time.minute()),
        "SECOND" => i64::from(time.second()),
        "MILLISECOND" => i64::from(time.subsec_nanosecond()) / 1_000_000,
        "MICROSECOND" => i64::from(time.subsec_nanosecond()) / 1_000,
        "EPOCH" => units(time, TimeUnit::Second),
        other => return exec_err!("EXTRACT has no part {other}"),
    })
}

/// How many whole units of time lie between two times.
fn difference(row: &Row<'_>) -> Result<Value> {
    let (unit, from, to) = (row.text(0), row.moment(1)?, row.moment(2)?);
    let elapsed = units(to, TimeUnit::Millisecond) - units(from, TimeUnit::Millisecond);
    let number = match unit {
        "SECOND" => elapsed / 1000,
        "MINUTE" => elapsed / 60_000,
        "HOUR" => elapsed / 3_600_000,
        "DAY" => elapsed / 86_400_000,
        "WEEK" => elapsed / (7 * 86_400_000),
        "MONTH" => months(from, to),
        "QUARTER" => months(from, to) / 3,
        "YEAR" => months(from, to) / 12,
        other => return exec_err!("TIMESTAMPDIFF has no unit {other}"),
    };
    Ok(Value::Int(number))
}

/// The most months that can be added to the earlier time without passing the later one.
fn months(from: DateTime, to: DateTime) -> i64 {
    if from > to {
        return -months(to, from);
    }
    let whole = |time: DateTime| i64::from(time.year()) * 12 + i64::from(time.month());
    let most = whole(to) - whole(from);
    let passes = add_months(from, most).is_none_or(|time| time > to);
    if passes { most - 1 } else { most }
}

fn add_months(time: DateTime, months: i64) -> Option<DateTime> {
    time.checked_add(Span::new().try_months(months).ok()?).ok()
}

/// The units of a time of day.
const CLOCK: [&str; 4] = ["MILLISECOND", "SECOND", "MINUTE", "HOUR"];

/// What is done with a time so that it keeps its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shift {
    /// `FLOOR(x TO unit)`.
    Floor,
    /// `CEIL(x TO unit)`.
    Ceil,
    /// `TIMESTAMPADD(unit, n, x)`.
    Add,
}

/// A function whose result has the type of its time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Shifted {
    shift: Shift,
    signature: Signature,
}

impl Shifted {
    pub(super) fn all() -> [Self; 3] {
        [Shift::Floor, Shift::Ceil, Shift::Add].map(|shift| Self {
            shift,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    fn time<'a, T>(&self, args: &'a [T]) -> Option<&'a T> {
        match self.shift {
            Shift::Floor | Shift::Ceil => args.first(),
            Shift::Add => args.get(2),
        }
    }
}

impl ScalarUDFImpl for Shifted {
    fn name(&self) -> &str {
        match self.shift {
            Shift::Floor => "floor_to",
            Shift::Ceil => "ceil_to",
            Shift::Add => "timestampadd",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let time = match self.time(given) {
            Some(time @ (DataType::Date32 | DataType::Timestamp(_, None))) => time.clone(),
            Some(DataType::Null) => DataType::Timestamp(TimeUnit::Millisecond, None),
            Some(DataType::Timestamp(_, Some(_))) => {
                return plan_err!(
                    "a TIMESTAMP_LTZ has no days or hours of its own: CAST(… AS TIMESTAMP(3)) says which are meant"
                );
            }
            _ => {
                let given: Vec<String> = given.iter().map(flink_name).collect();
                return plan_err!("{} takes a DATE or a TIMESTAMP, not {}", self.name(), given.join(", "));
            }
        };
        match (self.shift, given) {
            (Shift::Add, [_, number, _]) if number.is_integer() || number.is_null() => {
                Ok(vec![DataType::Utf8, DataType::Int64, time])
            }
            (Shift::Floor | Shift::Ceil, [_, _]) => Ok(vec![time, DataType::Utf8]),
            _ => plan_err!("{} takes other arguments", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.time(types).cloned().unwrap_or(DataType::Date32))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<Result<_>>()?;
        let (times, words, numbers) = match (self.shift, arrays.as_slice()) {
            (Shift::Add, [words, numbers, times]) => (times, words, Some(numbers.as_primitive::<Int64Type>())),
            (_, [times, words]) => (times, words, None),
            _ => return exec_err!("{} takes other arguments", self.name()),
        };
        let words = words.as_string::<i32>();
        let data_type = times.data_type().clone();
        // A date as its seconds.
        let (unit, through) = match &data_type {
            DataType::Timestamp(unit, _) => (*unit, data_type.clone()),
            _ => (TimeUnit::Second, DataType::Timestamp(TimeUnit::Second, None)),
        };
        let values = cast(&cast(times, &through)?, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>();
        let mut out = Vec::with_capacity(rows);
        for row in 0..rows {
            let number = numbers.map(|numbers| (numbers.is_valid(row), numbers.value(row)));
            if values.is_null(row) || words.is_null(row) || number.is_some_and(|(valid, _)| !valid) {
                out.push(None);
                continue;
            }
            let time = civil(values.value(row), unit)?;
            let word = words.value(row);
            if self.shift == Shift::Add && data_type == DataType::Date32 && CLOCK.contains(&word) {
                return exec_err!("a DATE has no {word}: CAST(… AS TIMESTAMP(3)) gives it one");
            }
            let time = match self.shift {
                Shift::Floor => floor(time, word)?,
                Shift::Ceil => {
                    let below = floor(time, word)?;
                    if below == time { time } else { add(below, word, 1)? }
                }
                Shift::Add => add(time, word, number.map_or(0, |(_, number)| number))?,
            };
            out.push(Some(units(time, unit)));
        }
        let result: ArrayRef = Arc::new(Int64Array::from(out));
        let result = cast(&cast(&result, &through)?, &data_type)?;
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }
}

/// The begin of the unit that the time lies in. Weeks begin with Sunday.
fn floor(time: DateTime, unit: &str) -> Result<DateTime> {
    let clock = |hour, minute, second| Time::new(hour, minute, second, 0);
    let date = time.date();
    let first_of = |year: i16, month: i8| jiff::civil::Date::new(year, month, 1);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let floored = match unit {
        "MILLISECOND" => time
            .with()
            .subsec_nanosecond(time.subsec_nanosecond() / 1_000_000 * 1_000_000)
            .build(),
        "SECOND" => clock(hour, minute, second).map(|clock| date.to_datetime(clock)),
        "MINUTE" => clock(hour, minute, 0).map(|clock| date.to_datetime(clock)),
        "HOUR" => clock(hour, 0, 0).map(|clock| date.to_datetime(clock)),
        "DAY" => Ok(date.to_datetime(Time::midnight())),
        "WEEK" => date
            .checked_sub(Span::new().days(date.weekday().to_sunday_zero_offset()))
            .map(|date| date.to_datetime(Time::midnight())),
        "MONTH" => first_of(date.year(), date.month()).map(|date| date.to_datetime(Time::midnight())),
        "QUARTER" => {
            first_of(date.year(), (date.month() - 1) / 3 * 3 + 1).map(|date| date.to_datetime(Time::midnight()))
        }
        "YEAR" => first_of(date.year(), 1).map(|date| date.to_datetime(Time::midnight())),
        other => return plan_err!("FLOOR and CEIL have no unit {other} here"),
    };
    floored.map_err(|e| exec_datafusion_err!("{e}"))
}

/// The time so many units later.
fn add(time: DateTime, unit: &str, number: i64) -> Result<DateTime> {
    let span = Span::new();
    let span = match unit {
        "MILLISECOND" => span.try_milliseconds(number),
        "SECOND" => span.try_seconds(number),
        "MINUTE" => span.try_minutes(number),
        "HOUR" => span.try_hours(number),
        "DAY" => span.try_days(number),
        "WEEK" => span.try_weeks(number),
        "MONTH" => span.try_months(number),
        "QUARTER" => span.try_months(number.saturating_mul(3)),
        "YEAR" => span.try_years(number),
        other => return exec_err!("TIMESTAMPADD has no unit {other}"),
    };
    span.and_then(|span| time.checked_add(span))
        .map_err(|_| exec_datafusion_err!("a time is out of the years -9999 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_as_flink_does() {
        let text = |time: Option<DateTime>| time.map(|time| time.to_string());
        assert_eq!(text(read_timestamp("2024-2-9")).unwrap(), "2024-02-09T00:00:00");
        assert_eq!(
            text(read_timestamp(" 2024-02-29 12:34:56.5 ")).unwrap(),
            "2024-02-29T12:34:56.5"
        );
        for wrong in [
            "",
            "2024-02-30",
            "2024-02-29T12:34:56",
            "yesterday",
            "2024-02-29 25:00:00",
            "1-1",
        ] {
            assert_eq!(text(read_timestamp(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn months_are_counted_by_adding_them() {
        let date = |text| read_date(text).unwrap();
        assert_eq!(months(date("2024-01-31"), date("2024-02-29")), 1);
        assert_eq!(months(date("2024-01-31"), date("2024-02-28")), 0);
        assert_eq!(months(date("2024-02-29"), date("2024-01-31")), -1);
        assert_eq!(months(date("2020-02-29"), date("2024-02-28")) / 12, 3);
    }
}
