//! Quantities as a person reads them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What stands where there is nothing, or nothing is known.
pub const NOTHING: &str = "–";

/// How long something took: `0.4 ms`, `14 ms`, `0.3 s`, `38 s`, `2 m 4 s`, `1 h 5 m`, `3 d 2 h`.
pub fn duration(taken: Duration) -> String {
    let micros = taken.as_micros();
    let millis = (micros + 500) / 1000;
    let tenths = (micros + 50_000) / 100_000;
    let seconds = (micros + 500_000) / 1_000_000;
    if micros < 950 {
        let tenths = (micros + 50) / 100;
        if tenths == 0 {
            "0 ms".to_owned()
        } else {
            format!("0.{tenths} ms")
        }
    } else if millis < 100 {
        format!("{millis} ms")
    } else if tenths < 100 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        whole(seconds)
    }
}

/// How long ago something was, or for how long it has been so: as [`duration`], in whole seconds, rounded down.
pub fn age(since: Duration) -> String {
    whole(u128::from(since.as_secs()))
}

fn whole(seconds: u128) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} m {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} m", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// How often something is, in the greatest unit of which it is so many: `6 h`, `90 s`; else as [`duration`].
pub fn interval(every: Duration) -> String {
    let seconds = every.as_secs();
    if seconds == 0 || every.subsec_nanos() > 0 {
        return duration(every);
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds.is_multiple_of(*length));
    let (length, unit) = unit.unwrap_or((1, "s"));
    format!("{} {unit}", seconds / length)
}

/// A size, by thousands: `512 B`, `1.2 MB`, `310 MB`.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let size = u128::from(size);
    let mut scale = 1000u128;
    for unit in UNITS {
        let tenths = (size * 10 + scale / 2) / scale;
        if tenths < 100 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        let units = (size + scale / 2) / scale;
        // u64 ends at 18 EB.
        if units < 1000 || unit == UNITS[UNITS.len() - 1] {
            return format!("{units} {unit}");
        }
        scale *= 1000;
    }
    format!("{size} B")
}

/// A number with its thousands apart: `12,400`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 row`, `1,204 rows`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A moment in that zone: `14:02:11` on the day of `now`, else `2026-11-19 09:14`.
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let at = zone.to_datetime(at);
    let format = if at.date() == zone.to_datetime(now).date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(format).to_string()
}

/// As [`moment`], to the millisecond, for lines of which many come in one second: `14:02:11.123`.
pub fn exact_moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let at = zone.to_datetime(at);
    let format = if at.date() == zone.to_datetime(now).date() {
        "%H:%M:%S%.3f"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (micros, text) in [
            (0, "0 ms"),
            (49, "0 ms"),
            (400, "0.4 ms"),
            (949, "0.9 ms"),
            (950, "1 ms"),
            (14_000, "14 ms"),
            (99_499, "99 ms"),
            (99_500, "0.1 s"),
            (300_000, "0.3 s"),
            (2_000_000, "2.0 s"),
            (9_949_999, "9.9 s"),
            (9_950_000, "10 s"),
            (38_000_000, "38 s"),
            (59_499_999, "59 s"),
            (59_500_000, "1 m 0 s"),
            (124_000_000, "2 m 4 s"),
            (3_900_000_000, "1 h 5 m"),
            (266_400_000_000, "3 d 2 h"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), text, "{micros}");
        }
        assert_eq!(age(Duration::from_millis(2_999)), "2 s");
        assert_eq!(age(Duration::from_secs(3_599)), "59 m 59 s");
        assert!(duration(Duration::MAX).ends_with(" h"));
    }

    #[test]
    fn sizes() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (1_234_567, "1.2 MB"),
            (310_000_000, "310 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.0 GB"),
            (4_200_000_000, "4.2 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn counts() {
        for (number, text) in [
            (0, "0"),
            (214, "214"),
            (1_204, "1,204"),
            (12_400, "12,400"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(1204, "row", "rows"), "1,204 rows");
    }

    #[test]
    fn moments() {
        let at: Timestamp = "2026-11-20T14:02:11Z".parse().unwrap();
        let later: Timestamp = "2026-11-20T23:30:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(moment(at, later, &TimeZone::UTC), "14:02:11");
        assert_eq!(moment(at, later, &zone), "2026-11-20 15:02");
    }
}
