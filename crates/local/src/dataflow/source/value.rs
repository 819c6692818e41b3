//! Text to typed columns.

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int64Builder,
    StringBuilder, Time32MillisecondBuilder, Time32SecondBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;
use std::sync::Arc;

/// Builds one column from the texts of its fields.
pub(super) enum Column {
    /// The integer types; the limits are those of the type.
    Integer {
        builder: Int64Builder,
        min: i64,
        max: i64,
        to: DataType,
    },
    Float32(Float32Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Decimal {
        builder: Decimal128Builder,
        precision: u8,
        scale: i8,
    },
    Timestamp {
        builder: Int64Builder,
        unit: TimeUnit,
        zoned: bool,
        to: DataType,
        /// The day of the row before.
        day: Day,
    },
    Date(Date32Builder),
    TimeSecond(Time32SecondBuilder),
    TimeMillisecond(Time32MillisecondBuilder),
    Text(StringBuilder),
}

impl Column {
    /// A builder for that type; `None` if it has no text form here.
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        let integer = |min, max| Self::Integer {
            builder: Int64Builder::new(),
            min,
            max,
            to: data_type.clone(),
        };
        Some(match data_type {
            DataType::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => integer(i64::MIN, i64::MAX),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Decimal128(precision, scale) => Self::Decimal {
                builder: Decimal128Builder::new()
                    .with_precision_and_scale(*precision, *scale)
                    .ok()?,
                precision: *precision,
                scale: *scale,
            },
            DataType::Timestamp(unit, zone) => Self::Timestamp {
                builder: Int64Builder::new(),
                unit: *unit,
                zoned: zone.is_some(),
                to: data_type.clone(),
                day: Day::default(),
            },
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time32(TimeUnit::Second) => Self::TimeSecond(Time32SecondBuilder::new()),
            DataType::Time32(TimeUnit::Millisecond) => Self::TimeMillisecond(Time32MillisecondBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            _ => return None,
        })
    }

    /// Whether an empty field is a value of its own (`''`) and not NULL.
    pub(super) const fn keeps_empty(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Appends NULL.
    pub(super) fn append_null(&mut self) {
        match self {
            Self::Integer { builder, .. } | Self::Timestamp { builder, .. } => builder.append_null(),
            Self::Float32(b) => b.append_null(),
            Self::Float64(b) => b.append_null(),
            Self::Boolean(b) => b.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Date(b) => b.append_null(),
            Self::TimeSecond(b) => b.append_null(),
            Self::TimeMillisecond(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
        }
    }

    /// Appends a field's value; `None`, and nothing is appended, if the text is not one of the type.
    #[inline]
    pub(super) fn append(&mut self, text: &[u8]) -> Option<()> {
        match self {
            Self::Integer { builder, min, max, .. } => {
                let value = parse_integer(text.trim_ascii())?;
                if value < *min || value > *max {
                    return None;
                }
                builder.append_value(value);
            }
            Self::Float32(b) => b.append_value(parse_float(text)?),
            Self::Float64(b) => b.append_value(parse_double(text)?),
            Self::Boolean(b) => {
                let text = text.trim_ascii();
                if text.eq_ignore_ascii_case(b"true") {
                    b.append_value(true);
                } else if text.eq_ignore_ascii_case(b"false") {
                    b.append_value(false);
                } else {
                    return None;
                }
            }
            Self::Decimal {
                builder,
                precision,
                scale,
            } => {
                builder.append_value(parse_decimal(text.trim_ascii(), *precision, *scale)?);
            }
            Self::Timestamp {
                builder,
                unit,
                zoned,
                day,
                ..
            } => {
                builder.append_value(parse_timestamp(text.trim_ascii(), *unit, *zoned, day)?);
            }
            Self::Date(b) => {
                let text = text.trim_ascii();
                if text.len() != 10 {
                    return None;
                }
                b.append_value(i32::try_from(parse_date(text)?).ok()?);
            }
            Self::TimeSecond(b) => {
                b.append_value(i32::try_from(parse_time(text.trim_ascii())? / 1_000_000_000).ok()?);
            }
            Self::TimeMillisecond(b) => {
                b.append_value(i32::try_from(parse_time(text.trim_ascii())? / 1_000_000).ok()?);
            }
            Self::Text(b) => b.append_value(std::str::from_utf8(text).ok()?),
        }
        Some(())
    }

    /// The column so far; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Integer { builder, to, .. } | Self::Timestamp { builder, to, .. } => {
                let array: ArrayRef = Arc::new(builder.finish());
                if to == array.data_type() {
                    array
                } else {
                    cast(&array, to)?
                }
            }
            Self::Float32(b) => Arc::new(b.finish()),
            Self::Float64(b) => Arc::new(b.finish()),
            Self::Boolean(b) => Arc::new(b.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::TimeSecond(b) => Arc::new(b.finish()),
            Self::TimeMillisecond(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
        })
    }
}

fn parse_float<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// A DOUBLE. Up to 15 digits with a point among them are a whole number and a power of ten that are both exact, so that
/// their quotient is the nearest DOUBLE; anything else goes the long way.
#[inline]
fn parse_double(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.len() > 16 {
        return parse_float(text);
    }
    let mut value = 0_u64;
    let mut point = None;
    for (at, byte) in digits.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => value = value * 10 + u64::from(digit),
            _ if *byte == b'.' && point.is_none() => point = Some(at),
            _ => return parse_float(text),
        }
    }
    let fraction = point.map_or(0, |at| digits.len() - at - 1);
    // A point alone is no number, and 16 digits may be more than a DOUBLE holds.
    if digits.len() - usize::from(point.is_some()) == 0 || (point.is_none() && digits.len() == 16) {
        return parse_float(text);
    }
    let value = value as f64 / TENS[fraction];
    Some(if negative { -value } else { value })
}

/// The powers of ten by which [`parse_double`] divides.
const TENS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() < 19 {
        let value = parse_digits(digits)?;
        return Some(if negative { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Up to 18 digits.
#[inline]
fn parse_digits(text: &[u8]) -> Option<i64> {
    let mut value = 0_i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// A decimal number as its unscaled value, rounded half up as Flink does.
fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_integer(&text[at + 1..]).filter(|e| e.abs() <= 1000)?),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.');
    let whole = &mantissa[..point.unwrap_or(mantissa.len())];
    let fraction = point.map_or(&[][..], |at| &mantissa[at + 1..]);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Digits that count: those before the point, shifted by exponent and scale.
    let kept = i64::try_from(whole.len()).ok()? + exponent + i64::from(scale);
    let mut value = 0_i128;
    let mut round_up = false;
    let mut seen = 0_i64;
    for byte in whole.iter().chain(fraction) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        if seen < kept {
            value = value.checked_mul(10)?.checked_add(digit.into())?;
        } else if seen == kept {
            round_up = digit >= 5;
        }
        seen += 1;
    }
    if value != 0 {
        for _ in seen..kept {
            value = value.checked_mul(10)?;
        }
    }
    value += i128::from(round_up);
    if value >= 10_i128.checked_pow(precision.into())? {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// `YYYY-MM-DD` as days since 1970-01-01.
#[inline]
fn parse_date(text: &[u8]) -> Option<i64> {
    if text.len() < 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        parse_digits(&text[..4])?,
        parse_digits(&text[5..7])?,
        parse_digits(&text[8..10])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > days {
        return None;
    }
    // Days from civil: the year begins in March, so that the leap day is its last.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// What a digit of a fraction counts in nanoseconds, from the ninth to the first before it.
const NANOS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// `HH:MM:SS[.f…]` as nanoseconds since midnight; digits after the ninth are dropped.
#[inline]
fn parse_time(text: &[u8]) -> Option<i64> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (
        parse_digits(&text[..2])?,
        parse_digits(&text[3..5])?,
        parse_digits(&text[6..8])?,
    );
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = match &text[8..] {
        [] => 0,
        [b'.', digits @ ..] if !digits.is_empty() => {
            let (kept, dropped) = digits.split_at(digits.len().min(9));
            if !dropped.iter().all(u8::is_ascii_digit) {
                return None;
            }
            parse_digits(kept)? * NANOS[9 - kept.len()]
        }
        _ => return None,
    };
    Some((hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos)
}

/// A day as it was read last: rows that stand together are mostly of the same one.
pub(super) struct Day {
    text: [u8; 10],
    days: i64,
}

impl Default for Day {
    fn default() -> Self {
        Self {
            text: *b"1970-01-01",
            days: 0,
        }
    }
}

impl Day {
    /// See [`parse_date`].
    #[inline]
    fn parse(&mut self, text: &[u8; 10]) -> Option<i64> {
        if *text != self.text {
            self.days = parse_date(text)?;
            self.text = *text;
        }
        Some(self.days)
    }
}

/// `YYYY-MM-DD HH:MM:SS[.f…]`, with a `T` for the space too; `Z` at the end belongs to a TIMESTAMP_LTZ alone.
#[inline]
fn parse_timestamp(text: &[u8], unit: TimeUnit, zoned: bool, day: &mut Day) -> Option<i64> {
    let text = match text {
        [rest @ .., b'Z'] if zoned => rest,
        _ => text,
    };
    let (date, time) = text.split_first_chunk::<10>()?;
    let (b' ' | b'T', time) = time.split_first()? else {
        return None;
    };
    let days = day.parse(date)?;
    let nanos = parse_time(time)?;
    let (per_second, per_nano) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1_000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    days.checked_mul(86_400 * per_second)?.checked_add(nanos / per_nano)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps() {
        let day = &mut Day::default();
        let mut ms = |text: &str| parse_timestamp(text.as_bytes(), TimeUnit::Millisecond, false, day);
        assert_eq!(ms("1970-01-01 00:00:00"), Some(0));
        assert_eq!(ms("2013-01-01 05:15:00.25"), Some(1_357_017_300_250));
        assert_eq!(ms("1969-12-31 23:59:59.999"), Some(-1));
        assert_eq!(ms("2000-02-29T00:00:00"), Some(951_782_400_000));
        for bad in [
            "",
            "2013-01-01",
            "2013-02-29 00:00:00",
            "2013-01-01 24:00:00",
            "2013-01-01 00:00:00.",
            "2013-01-01 00:00:00.12x",
            "2013-01-01 00:00:00.123456789x",
            "\0\0\0\0\0\0\0\0\0\0 00:00:00",
            "x",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(ms("1970-01-01 00:00:00Z"), None);
        assert_eq!(
            parse_timestamp(b"1970-01-01 00:00:01Z", TimeUnit::Second, true, day),
            Some(1)
        );
        assert_eq!(
            parse_timestamp(b"9999-01-01 00:00:01", TimeUnit::Nanosecond, true, day),
            None
        );
    }

    #[test]
    fn dates_agree_with_jiff() {
        let mut date = jiff::civil::date(1, 1, 1);
        let epoch = jiff::civil::date(1970, 1, 1);
        while date.year() < 9990 {
            let days = i64::from(epoch.until(date).unwrap().get_days());
            assert_eq!(parse_date(date.to_string().as_bytes()), Some(days), "{date}");
            date = date.saturating_add(jiff::Span::new().days(37));
        }
    }

    proptest! {
        #[test]
        fn doubles_are_those_of_the_standard_library(text in "[-+]?[0-9]{0,17}(\\.[0-9]{0,17})?([eE][-+]?[0-9]{1,3})?") {
            let expected = text.parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(parse_double(text.as_bytes()).map(f64::to_bits), expected, "{}", text);
        }

        #[test]
        fn a_time_is_read_whatever_was_read_before(
            rows in prop::collection::vec((0..4_i64, 0..86_400_000_i64, any::<bool>()), 1..20),
        ) {
            let mut day = Day::default();
            for (days, millis, broken) in rows {
                let expected = days * 86_400_000 + millis;
                let mut text = jiff::Timestamp::from_millisecond(expected).unwrap().to_string();
                text.pop();
                if broken {
                    text.replace_range(9..10, "x");
                }
                let found = parse_timestamp(text.as_bytes(), TimeUnit::Millisecond, false, &mut day);
                prop_assert_eq!(found, (!broken).then_some(expected), "{}", text);
            }
        }
    }

    #[test]
    fn decimals_round_half_up() {
        let parse = |text: &str| parse_decimal(text.as_bytes(), 5, 2);
        assert_eq!(parse("1.005"), Some(101));
        assert_eq!(parse("-1.005"), Some(-101));
        assert_eq!(parse("1"), Some(100));
        assert_eq!(parse(".5"), Some(50));
        assert_eq!(parse("1.5e1"), Some(1500));
        assert_eq!(parse("12345e-3"), Some(1235));
        assert_eq!(parse("999.994"), Some(99_999));
        assert_eq!(parse("0e900"), Some(0));
        for bad in ["", ".", "-", "1.2.3", "999.995", "1000", "1e", "a", "1e900"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn integers_stay_in_their_type() {
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_integer(b"9223372036854775808"), None);
        assert_eq!(parse_integer(b"+7"), Some(7));
        for bad in ["", "-", "+-1", "1 2", "1.0"] {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad}");
        }
        let mut column = Column::new(&DataType::Int8).unwrap();
        assert!(column.append(b" 127 ").is_some());
        assert!(column.append(b"128").is_none());
    }
}
