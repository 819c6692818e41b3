//! `DATE_FORMAT(timestamp, 'yyyy-MM-dd HH:mm')`: patterns are those of Java's `DateTimeFormatter`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::civil::{Date, DateTime, Time};

use super::time::civil;

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
            [_, _] => Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Utf8]),
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
        let times = cast(&times, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
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
                out.append_value(pattern.format(civil(times.value(row), TimeUnit::Microsecond)?));
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

/// A part of a pattern.
#[derive(Debug)]
enum Part {
    Text(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

/// A pattern that has been read.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

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
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what has no meaning in it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
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

    /// The time that the text stands for; `None` if it does not fit the pattern, or is no time.
    pub(super) fn parse(&self, text: &str) -> Option<DateTime> {
        let mut read = Read::default();
        let mut rest = text;
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Text(wanted) => rest = rest.strip_prefix(wanted.as_str())?,
                Part::Field(letter, count) => {
                    // Digits that follow one another belong to fields of their own width.
                    let adjacent = matches!(self.0.get(at + 1), Some(Part::Field(..)));
                    rest = read.take(*letter, *count, adjacent, rest)?;
                }
            }
        }
        if rest.is_empty() { read.time() } else { None }
    }

    /// The time as text.
    pub(super) fn format(&self, time: DateTime) -> String {
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

/// What a pattern has read so far.
struct Read {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    afternoon: Option<bool>,
}

impl Default for Read {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            afternoon: None,
        }
    }
}

impl Read {
    /// Reads one field from the beginning of the text and returns what follows.
    fn take<'a>(&mut self, letter: char, count: usize, adjacent: bool, text: &'a str) -> Option<&'a str> {
        if letter == 'a' {
            let (half, rest) = text.split_at_checked(2)?;
            self.afternoon = Some(match half.to_ascii_uppercase().as_str() {
                "AM" => false,
                "PM" => true,
                _ => return None,
            });
            return Some(rest);
        }
        if letter == 'M' && count >= 3 {
            let (at, name) = MONTHS.iter().enumerate().find_map(|(at, name)| {
                let name = if count == 3 { &name[..3] } else { *name };
                text.starts_with(name).then_some((at, name))
            })?;
            self.month = i8::try_from(at + 1).ok()?;
            return text.strip_prefix(name);
        }
        let most = match (letter, adjacent) {
            ('S', _) | (_, true) => count,
            ('y' | 'u', false) if count != 2 => 4,
            ('D', false) => 3,
            _ => 2,
        };
        let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits < count.min(most) {
            return None;
        }
        let (number, rest) = text.split_at(digits);
        let small = || number.parse::<i8>().ok();
        match letter {
            'y' | 'u' if count == 2 => self.year = 2000 + number.parse::<i16>().ok()?,
            'y' | 'u' => self.year = number.parse().ok()?,
            'M' => self.month = small()?,
            'd' => self.day = small()?,
            'H' => self.hour = small()?,
            'h' | 'K' => self.hour = small()? % 12,
            'k' => self.hour = small()? % 24,
            'm' => self.minute = small()?,
            's' => self.second = small()?,
            'S' => self.nanosecond = format!("{number:0<9}").parse().ok()?,
            _ => return None,
        }
        Some(rest)
    }

    fn time(&self) -> Option<DateTime> {
        let hour = if self.afternoon == Some(true) {
            self.hour + 12
        } else {
            self.hour
        };
        let date = Date::new(self.year, self.month, self.day).ok()?;
        let time = Time::new(hour, self.minute, self.second, self.nanosecond).ok()?;
        Some(date.to_datetime(time))
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
        for (pattern, text, expected) in [
            ("dd.MM.yyyy HH:mm", "29.02.2024 12:34", Some("2024-02-29T12:34:00")),
            ("yyyyMMddHHmmss", "20240229123456", Some("2024-02-29T12:34:56")),
            (
                "yyyy-MM-dd HH:mm:ss.SSS",
                "2024-02-29 12:34:56.789",
                Some("2024-02-29T12:34:56.789"),
            ),
            ("h:m a, d MMM yy", "2:07 PM, 5 Jan 13", Some("2013-01-05T14:07:00")),
            ("yyyy-MM-dd", "2024-02-30", None),
            ("yyyy-MM-dd", "2024-02-29 12:34", None),
            ("yyyy-MM-dd", "", None),
        ] {
            let read = Pattern::new(pattern).unwrap().parse(text);
            assert_eq!(read.map(|time| time.to_string()).as_deref(), expected, "{pattern}");
        }
        assert!(Pattern::new("yyyy-QQ").is_err());
        assert!(Pattern::new("'open").is_err());
    }
}
