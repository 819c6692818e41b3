//! Dates, times and intervals as text, spelled as Flink does, appended to a buffer without allocating.

use arrow::datatypes::TimeUnit;

use super::number::push_integer;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The two digits of a number below 100.
fn pair(n: u32) -> [u8; 2] {
    let at = (n % 100) as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// How many units a second has.
pub(super) const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// How many digits a fraction of a second has.
pub(super) const fn digits_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Appends `YYYY-MM-DD`; years before 0 and after 9999 take a sign or more digits.
pub(super) fn push_date(days: i64, to: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    let [m1, m2] = pair(month);
    let [d1, d2] = pair(day);
    if let Ok(year) = u32::try_from(year)
        && year <= 9999
    {
        let [c1, c2] = pair(year / 100);
        let [y1, y2] = pair(year % 100);
        to.extend_from_slice(&[c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2]);
        return;
    }
    if year < 0 {
        to.push(b'-');
    }
    let magnitude = year.unsigned_abs();
    for limit in [1000, 100, 10] {
        if magnitude < limit {
            to.push(b'0');
        }
    }
    push_integer(magnitude, to);
    to.extend_from_slice(&[b'-', m1, m2, b'-', d1, d2]);
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years that start on 1 March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, u32, u32) {
    const ERA: i64 = 146_097;
    // 719,468 days lie between 0000-03-01 and 1970-01-01. No Arrow type holds a day near i64's end.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(ERA);
    // Below 146,097.
    let day_of_era = shifted.rem_euclid(ERA) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Appends `HH:MM:SS` and the digits of a fraction: as many as the unit has, without the zeros behind the `least`.
pub(super) fn push_time(units: i64, unit: TimeUnit, least: usize, to: &mut Vec<u8>) {
    let scale = per_second(unit);
    let (seconds, fraction) = (units.div_euclid(scale), units.rem_euclid(scale));
    push_clock(seconds, to);
    push_fraction(fraction, digits_of(unit), least, to);
}

fn push_clock(seconds: i64, to: &mut Vec<u8>) {
    // A day has 86,400 seconds; an interval's hours are below 24 too.
    let seconds = seconds.rem_euclid(86_400) as u32;
    let [h1, h2] = pair(seconds / 3600);
    let [m1, m2] = pair(seconds / 60 % 60);
    let [s1, s2] = pair(seconds % 60);
    to.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
}

fn push_fraction(fraction: i64, digits: usize, least: usize, to: &mut Vec<u8>) {
    let mut text = *b".000000000";
    let mut rest = fraction;
    for digit in text[1..=digits].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut end = digits;
    while end > least && text[end] == b'0' {
        end -= 1;
    }
    if end > 0 {
        to.extend_from_slice(&text[..=end]);
    }
}

/// Appends `YYYY-MM-DD HH:MM:SS.fff`, with the fraction's digits as in [`push_time`]; `Z` at the end of an instant.
pub(super) fn push_timestamp(units: i64, unit: TimeUnit, least: usize, instant: bool, to: &mut Vec<u8>) {
    let day = 86_400 * per_second(unit);
    push_date(units.div_euclid(day), to);
    to.push(b' ');
    push_time(units.rem_euclid(day), unit, least, to);
    if instant {
        to.push(b'Z');
    }
}

/// Appends an interval of months as Flink does: `+1-02`.
pub(super) fn push_months(months: i64, to: &mut Vec<u8>) {
    to.push(if months < 0 { b'-' } else { b'+' });
    let months = months.unsigned_abs();
    push_integer(months / 12, to);
    to.push(b'-');
    // Below 12.
    to.extend_from_slice(&pair((months % 12) as u32));
}

/// Appends an interval of days and units of a second as Flink does: `+2 10:00:00.000`.
pub(super) fn push_days(days: i64, units: i64, unit: TimeUnit, to: &mut Vec<u8>) {
    let day = 86_400 * i128::from(per_second(unit));
    let total = i128::from(days) * day + i128::from(units);
    to.push(if total < 0 { b'-' } else { b'+' });
    let total = total.unsigned_abs();
    push_integer(total / day.unsigned_abs(), to);
    to.push(b' ');
    // What is left is less than a day of nanoseconds.
    push_time((total % day.unsigned_abs()) as i64, unit, digits_of(unit), to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut buffer = Vec::new();
        push(&mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn timestamps_have_the_digits_of_their_unit() {
        let of = |units, unit, instant| text(|to| push_timestamp(units, unit, digits_of(unit), instant, to));
        assert_eq!(of(0, TimeUnit::Second, false), "1970-01-01 00:00:00");
        assert_eq!(
            of(1_700_000_000_123, TimeUnit::Millisecond, false),
            "2023-11-14 22:13:20.123"
        );
        assert_eq!(of(-1, TimeUnit::Microsecond, true), "1969-12-31 23:59:59.999999Z");
        assert_eq!(of(1, TimeUnit::Nanosecond, false), "1970-01-01 00:00:00.000000001");
        assert_eq!(of(253_402_300_800, TimeUnit::Second, false), "10000-01-01 00:00:00");
        assert_eq!(of(-62_198_755_200, TimeUnit::Second, false), "-0001-01-01 00:00:00");
    }

    #[test]
    fn a_declared_precision_takes_zeros_away_and_nothing_else() {
        let of = |units, least| text(|to| push_timestamp(units, TimeUnit::Millisecond, least, false, to));
        assert_eq!(of(0, 0), "1970-01-01 00:00:00");
        assert_eq!(of(120, 2), "1970-01-01 00:00:00.12");
        assert_eq!(of(0, 2), "1970-01-01 00:00:00.00");
        assert_eq!(of(123, 0), "1970-01-01 00:00:00.123");
        assert_eq!(
            text(|to| push_time(100_000, TimeUnit::Microsecond, 0, to)),
            "00:00:00.1"
        );
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        for unit in [
            TimeUnit::Second,
            TimeUnit::Millisecond,
            TimeUnit::Microsecond,
            TimeUnit::Nanosecond,
        ] {
            for units in [i64::MIN, i64::MAX] {
                assert!(text(|to| push_timestamp(units, unit, 0, false, to)).contains(':'));
                assert!(text(|to| push_days(units, units, unit, to)).contains(':'));
            }
        }
        assert!(text(|to| push_months(i64::MIN, to)).starts_with('-'));
    }

    #[test]
    fn intervals_are_spelled_as_flink_does() {
        assert_eq!(text(|to| push_months(14, to)), "+1-02");
        assert_eq!(text(|to| push_months(-1, to)), "-0-01");
        assert_eq!(
            text(|to| push_days(2, 36_000_000, TimeUnit::Millisecond, to)),
            "+2 10:00:00.000"
        );
        assert_eq!(
            text(|to| push_days(0, -1, TimeUnit::Millisecond, to)),
            "-0 00:00:00.001"
        );
    }

    proptest! {
        #[test]
        fn dates_are_those_of_the_calendar(days in -719_162i32..2_932_896) {
            let expected = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(days);
            prop_assert_eq!(text(|to| push_date(i64::from(days), to)), expected.to_string());
        }
    }
}
