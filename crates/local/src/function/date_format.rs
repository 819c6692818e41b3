//! `DATE_FORMAT(timestamp, 'yyyy-MM-dd HH:mm')`: patterns are those of Java's `DateTimeFormatter`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampNanosecondType};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::civil::DateTime;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateFormat {
    signature: Signature,
}

impl Default for DateFormat {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for DateFormat {
    fn name(&self) -> &'static str {
        "date_format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            // Whatever it is, it is read as a timestamp without a zone: text too, as in Flink.
            [_, _] => Ok(vec![DataType::Timestamp(TimeUnit::Nanosecond, None), DataType::Utf8]),
            _ => plan_err!("DATE_FORMAT takes a timestamp and a pattern"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let [times, patterns] = <[ColumnarValue; 2]>::try_from(args.args)
            .map_err(|_| exec_datafusion_err!("DATE_FORMAT takes a timestamp and a pattern"))?;
        let times = times.into_array(rows)?;
        let times = cast(&times, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
        let times = times.as_primitive::<TimestampNanosecondType>();
        let patterns = patterns.into_array(rows)?;
        let patterns = patterns.as_string::<i32>();
        let mut out = StringBuilder::new();
        let mut compiled: Option<(&str, Pattern)> = None;
        for row in 0..rows {
            if times.is_null(row) || patterns.is_null(row) {
                out.append_null();
                continue;
            }
            let text = patterns.value(row);
            if compiled.as_ref().is_none_or(|(known, _)| *known != text) {
                let pattern = Pattern::new(text).map_err(|e| exec_datafusion_err!("{e}"))?;
                compiled = Some((text, pattern));
            }
            if let Some((_, pattern)) = &compiled {
                out.append_value(pattern.format(civil(times.value(row))?));
            }
        }
        let text = out.finish();
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&text, 0)?)
        } else {
            ColumnarValue::Array(Arc::new(text))
        })
    }
}

/// The civil time that a number of nanoseconds since 1970 stands for.
pub(super) fn civil(nanoseconds: i64) -> Result<DateTime> {
    jiff::Timestamp::from_nanosecond(i128::from(nanoseconds))
        .map(|instant| instant.to_zoned(jiff::tz::TimeZone::UTC).datetime())
        .map_err(|e| exec_datafusion_err!("{e}"))
}

/// A part of a pattern.
#[derive(Debug)]
enum Part {
    Text(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

/// A pattern that has been read.
#[derive(Debug)]
struct Pattern(Vec<Part>);

/// The letters that are understood.
const LETTERS: &str = "yuMdHhKkmsSaED";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            if ch == '\'' {
                let mut quoted = String::new();
                if chars.next_if_eq(&'\'').is_some() {
                    quoted.push('\'');
                } else {
                    loop {
                        match chars.next() {
                            Some('\'') if chars.next_if_eq(&'\'').is_some() => quoted.push('\''),
                            Some('\'') => break,
                            Some(other) => quoted.push(other),
                            None => return Err(format!("the pattern {text} has a quote that is not closed")),
                        }
                    }
                }
                parts.push(Part::Text(quoted));
            } else if ch.is_ascii_alphabetic() {
                if !LETTERS.contains(ch) {
                    return Err(format!(
                        "the pattern {text} has the letter {ch}, which has no meaning here"
                    ));
                }
                let mut count = 1;
                while chars.next_if_eq(&ch).is_some() {
                    count += 1;
                }
                if count > 9 {
                    return Err(format!("the pattern {text} repeats {ch} more than 9 times"));
                }
                parts.push(Part::Field(ch, count));
            } else {
                parts.push(Part::Text(ch.to_string()));
            }
        }
        Ok(Self(parts))
    }

    fn format(&self, time: DateTime) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(letter, count) => out.push_str(&field(*letter, *count, time)),
            }
        }
        out
    }
}

fn field(letter: char, count: usize, time: DateTime) -> String {
    let padded = |number: i64| format!("{number:0count$}");
    let hour = i64::from(time.hour());
    let name = |names: &[&'static str], at: i8| {
        let full = usize::try_from(at - 1)
            .ok()
            .and_then(|at| names.get(at))
            .copied()
            .unwrap_or_default();
        if count == 3 {
            full[..3].to_owned()
        } else {
            full.to_owned()
        }
    };
    match letter {
        'y' | 'u' if count == 2 => format!("{:02}", time.year().rem_euclid(100)),
        'y' | 'u' => padded(time.year().into()),
        'M' if count >= 3 => name(&MONTHS, time.month()),
        'M' => padded(time.month().into()),
        'd' => padded(time.day().into()),
        'D' => padded(time.day_of_year().into()),
        'H' => padded(hour),
        'k' => padded(if hour == 0 { 24 } else { hour }),
        'K' => padded(hour % 12),
        'h' => padded(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => padded(time.minute().into()),
        's' => padded(time.second().into()),
        'S' => format!("{:09}", time.subsec_nanosecond())[..count].to_owned(),
        'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'E' => {
            let full = name(&DAYS, time.weekday().to_monday_one_offset());
            if count < 4 { full[..3].to_owned() } else { full }
        }
        // `Pattern::new` lets no other letter in.
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_java() {
        let time = jiff::civil::date(2013, 1, 5).at(14, 7, 9, 45_600_000);
        for (pattern, expected) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2013-01-05 14:07:09.045"),
            ("yy/M/d h:m a", "13/1/5 2:7 PM"),
            ("EEE, dd MMM yyyy", "Sat, 05 Jan 2013"),
            ("EEEE MMMM DDD", "Saturday January 005"),
            ("yyyyMMdd'T'HH''", "20130105T14'"),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().format(time), expected, "{pattern}");
        }
        assert!(Pattern::new("yyyy-QQ").is_err());
        assert!(Pattern::new("'open").is_err());
    }
}
