//! The text of a value taken apart: dates, times, intervals, decimals, bytes. Every function gives none for a text that is
//! not such a value, or one that does not fit.

use std::fmt;

const SECOND: i64 = 1_000_000_000;

/// Days since 1970 of `YYYY-MM-DD`, in the proleptic Gregorian calendar. Years before 0 have a minus, years after 9999 a
/// plus and more digits, as `DateTimeFormatter.ISO_LOCAL_DATE` writes them.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let dash = digits.iter().position(|&byte| byte == b'-')?;
    let (year, rest) = digits.split_at(dash);
    // No day in 32 bits lies beyond the year 5,881,580.
    if !(4..=7).contains(&year.len()) {
        return None;
    }
    let magnitude = number(year)?;
    let year = if negative { -magnitude } else { magnitude };
    let &[b'-', m1, m2, b'-', d1, d2] = rest else {
        return None;
    };
    let (month, day) = (pair(m1, m2)?, pair(d1, d2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    // The year is taken to start on 1 March, so that the leap day is its last; 400 years have 146,097 days.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(year.div_euclid(400) * 146_097 + day_of_era - 719_468).ok()
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Nanoseconds since midnight of `HH:MM:SS`, with or without a fraction of up to nine digits.
fn time(text: &[u8]) -> Option<i64> {
    let (clock, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(point) => (&text[..point], fraction(&text[point + 1..])?),
        None => (text, 0),
    };
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = clock else {
        return None;
    };
    let (hour, minute, second) = (pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) * SECOND + fraction)
}

/// Nanoseconds of the digits after a point.
fn fraction(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let missing = u32::try_from(9 - digits.len()).ok()?;
    Some(number(digits)? * 10_i64.pow(missing))
}

/// Milliseconds since midnight. Flink has no finer times.
pub(super) fn milliseconds(text: &[u8]) -> Option<i32> {
    let nanoseconds = time(text)?;
    if nanoseconds % (SECOND / 1000) != 0 {
        return None;
    }
    i32::try_from(nanoseconds / (SECOND / 1000)).ok()
}

/// A point in time since 1970 of `YYYY-MM-DDTHH:MM:SS.fff`, in units of which a second has `per_second`; what is finer is
/// cut off. An instant ends with `Z`.
pub(super) fn timestamp(text: &[u8], per_second: i64, instant: bool) -> Option<i64> {
    let text = if instant { text.strip_suffix(b"Z")? } else { text };
    let between = text.iter().position(|&byte| byte == b'T')?;
    let days = i64::from(date(&text[..between])?);
    let nanoseconds = time(&text[between + 1..])?;
    let of_day = nanoseconds / (SECOND / per_second);
    days.checked_mul(86_400 * per_second)?.checked_add(of_day)
}

/// Writes a timestamp that travels as text as it stands in SQL, as all others are shown: a space between date and time,
/// the fraction with as many digits as the type has. JSON leaves out zeros at the end. Any other text stays as it is.
pub(super) fn write_timestamp(text: &str, precision: u32, to: &mut impl fmt::Write) -> fmt::Result {
    let (local, zone) = match text.strip_suffix('Z') {
        Some(local) => (local, "Z"),
        None => (text, ""),
    };
    let Some((day, clock)) = local.split_once('T') else {
        return to.write_str(text);
    };
    if date(day.as_bytes()).is_none() || time(clock.as_bytes()).is_none() {
        return to.write_str(text);
    }
    let (clock, digits) = clock.split_once('.').unwrap_or((clock, ""));
    let width = usize::try_from(precision.min(9)).unwrap_or_default();
    write!(to, "{day} {clock}.{digits:0<width$}{zone}")
}

/// Months of `+Y-MM`.
pub(super) fn months(text: &[u8]) -> Option<i32> {
    let (negative, rest) = sign(text)?;
    let dash = rest.iter().position(|&byte| byte == b'-')?;
    let &[m1, m2] = &rest[dash + 1..] else {
        return None;
    };
    let months = number(&rest[..dash])?.checked_mul(12)?.checked_add(pair(m1, m2)?)?;
    i32::try_from(if negative { -months } else { months }).ok()
}

/// Milliseconds of `+D HH:MM:SS.fff`.
pub(super) fn day_time(text: &[u8]) -> Option<i64> {
    let (negative, rest) = sign(text)?;
    let space = rest.iter().position(|&byte| byte == b' ')?;
    let days = number(&rest[..space])?;
    let of_day = i64::from(milliseconds(&rest[space + 1..])?);
    let total = days.checked_mul(86_400_000)?.checked_add(of_day)?;
    Some(if negative { -total } else { total })
}

fn sign(text: &[u8]) -> Option<(bool, &[u8])> {
    match text.split_first()? {
        (b'+', rest) => Some((false, rest)),
        (b'-', rest) => Some((true, rest)),
        _ => None,
    }
}

/// The unscaled value of a number, for a type of at most 38 digits of which `scale` stand after the point. It may have an
/// exponent: Jackson writes 100 as `1E+2`. A number that would have to be rounded does not fit.
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
        Some(point) => (&mantissa[..point], &mantissa[point + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() || (fraction.is_empty() && whole.len() < mantissa.len()) {
        return None;
    }
    let mut unscaled: i128 = 0;
    // Zeros count only once another digit follows: `1.000` fits a type without digits after the point.
    let mut zeros: u32 = 0;
    for &digit in whole.iter().chain(fraction) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if digit == b'0' {
            zeros = if unscaled == 0 { 0 } else { zeros.checked_add(1)? };
        } else {
            let shift = 10_i128.checked_pow(zeros + 1)?;
            unscaled = unscaled.checked_mul(shift)?.checked_add(i128::from(digit - b'0'))?;
            zeros = 0;
        }
    }
    if unscaled == 0 {
        return Some(0);
    }
    let shift = exponent + i64::from(zeros) - i64::try_from(fraction.len()).ok()? + i64::from(scale);
    // A negative shift would round: the last digit is not a zero.
    let unscaled = unscaled.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    if unscaled >= 10_i128.checked_pow(u32::from(precision))? {
        return None;
    }
    Some(if negative { -unscaled } else { unscaled })
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text).unwrap_or((false, text));
    // More digits are no exponent of anything that fits.
    let magnitude = number(digits).filter(|_| digits.len() <= 9)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// A floating-point number as Java writes it; `is_finite` tells whether a value of the wanted width is, since a number
/// beyond it is not the same as infinity.
pub(super) fn float<F: std::str::FromStr + From<f32>>(text: &str, is_finite: impl Fn(&F) -> bool) -> Option<F> {
    match text {
        "NaN" => Some(F::from(f32::NAN)),
        "Infinity" => Some(F::from(f32::INFINITY)),
        "-Infinity" => Some(F::from(f32::NEG_INFINITY)),
        // What Rust reads besides, like `inf`, is nothing that Java writes.
        _ if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E')) =>
        {
            text.parse().ok().filter(is_finite)
        }
        _ => None,
    }
}

/// Appends the bytes of `x'00ff10'`; false, and nothing is appended, if it is not that.
pub(super) fn hex(text: &[u8], to: &mut Vec<u8>) -> bool {
    let Some(digits) = text.strip_prefix(b"x'").and_then(|rest| rest.strip_suffix(b"'")) else {
        return false;
    };
    let start = to.len();
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for pair in digits.chunks(2) {
        let &[high, low] = pair else {
            to.truncate(start);
            return false;
        };
        let (Some(high), Some(low)) = (nibble(high), nibble(low)) else {
            to.truncate(start);
            return false;
        };
        to.push(high << 4 | low);
    }
    true
}

/// A number of digits only.
fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn pair(high: u8, low: u8) -> Option<i64> {
    (high.is_ascii_digit() && low.is_ascii_digit()).then(|| i64::from(high - b'0') * 10 + i64::from(low - b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_all_years_are_read() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2024-02-29", Some(19_782)),
            ("0001-01-01", Some(-719_162)),
            ("0000-02-29", Some(-719_469)),
            ("-0976-01-01", Some(-1_076_005)),
            ("9999-12-31", Some(2_932_896)),
            ("+10024-01-01", Some(2_941_663)),
            ("+5881580-07-11", Some(i32::MAX)),
            ("+5881580-07-12", None),
            ("-5877641-06-23", Some(i32::MIN)),
            ("-5877641-06-22", None),
            ("2023-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-00", None),
            ("24-01-01", None),
            ("2024-1-1", None),
            ("0')*-01-01", None),
            ("+-976-01-01", None),
            ("2024-01-01 ", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(date(text.as_bytes()), days, "{text}");
        }
    }

    #[test]
    fn times_and_timestamps_are_read() {
        assert_eq!(milliseconds(b"12:34:56.789"), Some(45_296_789));
        assert_eq!(milliseconds(b"23:59:59"), Some(86_399_000));
        for text in [
            "24:00:00",
            "12:60:00",
            "12:34",
            "12:34:56.",
            "12:34:56.7891",
            "1:2:3",
            "",
        ] {
            assert_eq!(milliseconds(text.as_bytes()), None, "{text}");
        }
        let micros = |text: &str| timestamp(text.as_bytes(), 1_000_000, false);
        assert_eq!(micros("1970-01-01T00:00:00.000001"), Some(1));
        assert_eq!(micros("1969-12-31T23:59:59.999999"), Some(-1));
        assert_eq!(
            micros("1969-12-31T23:59:59.9999999"),
            Some(-1),
            "cut off, as Flink does"
        );
        assert_eq!(micros("9999-12-31T23:59:59.999999"), Some(253_402_300_799_999_999));
        assert_eq!(micros("+300000-01-01T00:00:00"), None);
        assert_eq!(micros("1970-01-01T00:00:00Z"), None);
        assert_eq!(
            timestamp(b"+300000-01-01T00:00:00Z", 1000, true),
            Some(9_404_918_380_800_000)
        );
        assert_eq!(timestamp(b"1970-01-01T00:00:00", 1000, true), None);
    }

    #[test]
    fn timestamps_that_stay_text_are_spelled_as_in_sql() {
        let pushed = |text: &str, precision| {
            let mut to = String::new();
            write_timestamp(text, precision, &mut to).unwrap();
            to
        };
        assert_eq!(pushed("9999-12-31T23:59:59.1Z", 9), "9999-12-31 23:59:59.100000000Z");
        assert_eq!(pushed("2024-02-29T12:34:00", 7), "2024-02-29 12:34:00.0000000");
        assert_eq!(
            pushed("2024-02-29T12:34:00.123456789", 7),
            "2024-02-29 12:34:00.123456789"
        );
        assert_eq!(pushed("24-01-01T00:00:00", 9), "24-01-01T00:00:00");
        assert_eq!(pushed("", 9), "");
    }

    #[test]
    fn intervals_are_read() {
        for (text, value) in [
            ("+1-02", Some(14)),
            ("-99-11", Some(-1199)),
            ("+9900000-00", Some(118_800_000)),
            ("+999999999-00", None),
            ("1-02", None),
            ("+1-2", None),
        ] {
            assert_eq!(months(text.as_bytes()), value, "{text}");
        }
        for (text, value) in [
            ("+1 02:03:04.567", Some(93_784_567)),
            ("-0 00:00:04.567", Some(-4567)),
            ("+9900000 00:00:00.000", Some(855_360_000_000_000)),
            ("+999999999999999999 00:00:00", None),
            ("+1", None),
            ("1 00:00:00", None),
        ] {
            assert_eq!(day_time(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, precision, scale, unscaled) in [
            ("123.45", 10, 4, Some(1_234_500)),
            ("-0.01", 10, 2, Some(-1)),
            ("1E+10", 20, 5, Some(1_000_000_000_000_000)),
            ("1E-38", 38, 38, Some(1)),
            ("1e2", 10, 2, Some(10_000)),
            ("0", 38, 38, Some(0)),
            ("0E-18", 38, 18, Some(0)),
            ("0.0000", 10, 4, Some(0)),
            ("1.000", 1, 0, Some(1)),
            ("100000", 10, 3, Some(100_000_000)),
            (
                "99999999999999999999999999999999999999",
                38,
                0,
                Some(10_i128.pow(38) - 1),
            ),
            ("100000000000000000000000000000000000000", 38, 0, None),
            ("1E+38", 38, 0, None),
            ("1E+999999999", 38, 0, None),
            ("1E+9999999999999999999", 38, 0, None),
            ("1000.00", 5, 2, None),
            ("1.005", 10, 2, None),
            ("NaN", 10, 2, None),
            ("1.", 10, 2, None),
            (".5", 10, 2, None),
            ("+1", 10, 2, None),
            ("1E", 10, 2, None),
            ("-", 10, 2, None),
            ("", 10, 2, None),
        ] {
            assert_eq!(decimal(text.as_bytes(), precision, scale), unscaled, "{text}");
        }
        assert_eq!(decimal("0".repeat(99_999).as_bytes(), 38, 0), Some(0));
        assert_eq!(decimal(format!("1.{}", "0".repeat(99_999)).as_bytes(), 38, 0), Some(1));
    }

    #[test]
    fn floats_are_java_s() {
        let read = |text: &str| float::<f64>(text, |value| value.is_finite());
        assert_eq!(read("1.7976931348623157E308"), Some(f64::MAX));
        assert_eq!(read("4.9E-324"), Some(5e-324));
        assert_eq!(read("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(read("NaN").is_some_and(f64::is_nan));
        assert!(read("-0.0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
        for text in ["inf", "nan", "infinity", "1e999", "", "-", "0x1p3", "1 "] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(float::<f32>("3.4028235E38", |value| value.is_finite()), Some(f32::MAX));
        assert_eq!(float::<f32>("1e39", |value| value.is_finite()), None);
    }

    #[test]
    fn bytes_are_read_from_hex() {
        let mut to = vec![7];
        assert!(hex(b"x'00ff10'", &mut to) && hex(b"x''", &mut to));
        for text in ["x'0'", "x'0g'", "00", "x'00", ""] {
            assert!(!hex(text.as_bytes(), &mut to), "{text}");
        }
        assert_eq!(to, [7, 0, 255, 16]);
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_calendar(days in -719_162i32..2_932_896) {
            let text = (jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(days)).to_string();
            prop_assert_eq!(date(text.as_bytes()), Some(days));
        }

        #[test]
        fn decimals_come_back(unscaled in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0_i8..=38) {
            let digits = unscaled.unsigned_abs().to_string();
            let sign = if unscaled < 0 { "-" } else { "" };
            let text = format!("{sign}{digits}E-{scale}");
            prop_assert_eq!(decimal(text.as_bytes(), 38, scale), Some(unscaled));
            let padded = format!("{digits:0>40}");
            let (whole, fraction) = padded.split_at(40 - scale.unsigned_abs() as usize);
            let text = if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
            prop_assert_eq!(decimal(text.as_bytes(), 38, scale), Some(unscaled));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>(), dated in "[-+0-9TZ:. eE']{0,40}") {
            for text in [text.as_slice(), dated.as_bytes()] {
                date(text);
                milliseconds(text);
                timestamp(text, 1_000_000, text.len() % 2 == 0);
                months(text);
                day_time(text);
                decimal(text, 38, 18);
                hex(text, &mut Vec::new());
            }
            write_timestamp(&dated, 9, &mut String::new()).unwrap();
        }
    }
}
