//! Numbers as text, appended to a buffer without allocating.

/// How floating-point numbers are spelled. Both give the shortest digits that read back to the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberText {
    /// As `Double.toString` and `Float.toString` of Java 19 and later (and so Flink's and Hive's clients) do: plain from 1.0E-3
    /// up to 1.0E7, scientific outside: `1.0E10`. Two digits at least, those that are nearest to the value: `4.9E-324`. Older
    /// ones give a digit too many now and then (JDK-4511638), which reads as the same value.
    #[default]
    Java,
    /// Plain from 1e-5 up to 1e16, scientific outside: `10000000000.0`, `1e16`.
    Rust,
}

/// A floating-point type: what [`push_float`] needs of it.
pub(super) trait Float: ryu::Float {
    /// Its smallest value that has all its digits.
    const MIN_POSITIVE: f64;

    /// Its value as the wider type, which is exact.
    fn widen(self) -> f64;
}

impl Float for f32 {
    const MIN_POSITIVE: f64 = Self::MIN_POSITIVE as f64;

    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    const MIN_POSITIVE: Self = Self::MIN_POSITIVE;

    fn widen(self) -> f64 {
        self
    }
}

/// Appends an integer.
pub(super) fn push_integer(value: impl itoa::Integer, to: &mut Vec<u8>) {
    to.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float; what is no number is `NaN`, `Infinity`, `-Infinity`.
pub(super) fn push_float<T: Float>(value: T, spelling: NumberText, to: &mut Vec<u8>) {
    let wide = value.widen();
    if !wide.is_finite() {
        to.extend_from_slice(match (wide.is_nan(), wide > 0.0) {
            (true, _) => b"NaN",
            (_, true) => b"Infinity",
            _ => b"-Infinity",
        });
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let magnitude = wide.abs();
    if spelling == NumberText::Rust || magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        to.extend_from_slice(text);
    } else if magnitude < T::MIN_POSITIVE
        && text
            .iter()
            .take_while(|&&b| b != b'e')
            .filter(|b| b.is_ascii_digit())
            .count()
            == 1
    {
        // So near to zero one digit may do where the nearest two are others: `4.9E-324` for ryu's `5e-324`.
        push_scientific(format!("{wide:.1e}").as_bytes(), to);
    } else {
        push_scientific(text, to);
    }
}

/// Turns any spelling of a number that is not zero into `d.dddE±n`.
fn push_scientific(text: &[u8], to: &mut Vec<u8>) {
    let (mantissa, exponent) = match text.iter().position(|&b| b == b'e') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    // The buffer of a finite f64 is 24 bytes at most.
    let mut digits = [0; 24];
    let (mut count, mut point, mut seen_point, mut leading) = (0, 0i32, false, true);
    for &b in mantissa {
        match b {
            b'-' => to.push(b'-'),
            b'.' => seen_point = true,
            b'0' if leading => point -= i32::from(seen_point),
            _ => {
                leading = false;
                digits[count] = b;
                count += 1;
                point += i32::from(!seen_point);
            }
        }
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    let written = exponent
        .iter()
        .filter(|b| b.is_ascii_digit())
        .fold(0, |n, b| n * 10 + i32::from(b - b'0'));
    let written = if exponent.first() == Some(&b'-') {
        -written
    } else {
        written
    };
    to.push(digits[0]);
    to.push(b'.');
    to.extend_from_slice(if count > 1 { &digits[1..count] } else { b"0" });
    to.push(b'E');
    push_integer(written + point - 1, to);
}

/// Appends a decimal: its unscaled digits (with a sign, if negative) and the scale.
pub(super) fn push_decimal(unscaled: &[u8], scale: i8, to: &mut Vec<u8>) {
    let digits = match unscaled.split_first() {
        Some((b'-', rest)) => {
            to.push(b'-');
            rest
        }
        _ => unscaled,
    };
    let Ok(scale) = usize::try_from(scale) else {
        to.extend_from_slice(digits);
        if digits != b"0" {
            to.resize(to.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    };
    if scale == 0 {
        to.extend_from_slice(digits);
    } else if let Some(whole) = digits.len().checked_sub(scale).filter(|&n| n > 0) {
        to.extend_from_slice(&digits[..whole]);
        to.push(b'.');
        to.extend_from_slice(&digits[whole..]);
    } else {
        to.extend_from_slice(b"0.");
        to.resize(to.len() + scale - digits.len(), b'0');
        to.extend_from_slice(digits);
    }
}

/// Whether a text is a number as JSON spells one.
pub(super) fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(0);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut at = whole;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn float<T: Float>(value: T, spelling: NumberText) -> String {
        let mut text = Vec::new();
        push_float(value, spelling, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn doubles_are_spelled_as_java_does() {
        // From the examples and rules of java.lang.Double.toString.
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999, "9999999.999"),
            (1e7, "1.0E7"),
            (1e10, "1.0E10"),
            (-12_345_678.9, "-1.23456789E7"),
            (1.5e300, "1.5E300"),
            (2e-3, "0.002"),
            (1e-5, "1.0E-5"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e-323, "2.0E-323"),
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (9.5e-5, "9.5E-5"),
            (f64::MAX, "1.7976931348623157E308"),
            (100_000_000_000_000_000_000.0, "1.0E20"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(value, NumberText::Java), text);
        }
        for (value, text) in [
            (1.1f32, "1.1"),
            (16_777_216.0, "1.6777216E7"),
            (f32::MAX, "3.4028235E38"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (f32::from_bits(1), "1.4E-45"),
            (f32::from_bits(2), "2.8E-45"),
            (f32::from_bits(7), "9.8E-45"),
            (3.3e-4, "3.3E-4"),
        ] {
            assert_eq!(float(value, NumberText::Java), text);
        }
        assert_eq!(float(1e10, NumberText::Rust), "10000000000.0");
    }

    #[test]
    fn decimals_keep_their_scale() {
        for (digits, scale, text) in [
            ("12345", 2, "123.45"),
            ("-5", 2, "-0.05"),
            ("0", 2, "0.00"),
            ("123", 3, "0.123"),
            ("7", 0, "7"),
            ("-7", -2, "-700"),
            ("0", -2, "0"),
        ] {
            let mut buffer = Vec::new();
            push_decimal(digits.as_bytes(), scale, &mut buffer);
            assert_eq!(String::from_utf8(buffer).unwrap(), text);
        }
    }

    #[test]
    fn json_numbers_are_told_from_other_text() {
        for text in ["0", "-1", "1.50", "1E10", "1.0e-7", "123456789012345678901234567890"] {
            assert!(is_json_number(text), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "NaN", "+1", "1 ", "0x1"] {
            assert!(!is_json_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_float_reads_back_as_itself(bits: u64) {
            let value = f64::from_bits(bits);
            for spelling in [NumberText::Java, NumberText::Rust] {
                let text = float(value, spelling).replace("Infinity", "inf");
                let back: f64 = text.parse().unwrap();
                prop_assert!(back == value || (back.is_nan() && value.is_nan()), "{}", text);
            }
            let value = f32::from_bits(bits as u32);
            let back: f32 = float(value, NumberText::Java).replace("Infinity", "inf").parse().unwrap();
            prop_assert!(back == value || (back.is_nan() && value.is_nan()));
        }
    }
}
