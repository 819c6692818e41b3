//! Types by name and values as text, so that the answers of two engines can be compared.

use serde_json::Value;
use serde_json::value::RawValue;

/// The name of a type in the gateway's schema.
pub fn type_name(logical: &Value) -> String {
    let number = |key: &str| logical[key].as_u64().unwrap_or_default();
    let unbounded = u64::from(u32::MAX / 2);
    let sized = |name: &str, whole: &str| match number("length") {
        length if length == unbounded => whole.to_owned(),
        length => format!("{name}({length})"),
    };
    let kind = logical["type"].as_str().unwrap_or_default();
    let name = match kind {
        "INTEGER" => "INT".to_owned(),
        "CHAR" => sized("CHAR", "CHAR"),
        "VARCHAR" => sized("VARCHAR", "STRING"),
        "BINARY" => sized("BINARY", "BINARY"),
        "VARBINARY" => sized("VARBINARY", "BYTES"),
        "DECIMAL" => format!("DECIMAL({}, {})", number("precision"), number("scale")),
        "TIME_WITHOUT_TIME_ZONE" => format!("TIME({})", number("precision")),
        "TIMESTAMP_WITHOUT_TIME_ZONE" => format!("TIMESTAMP({})", number("precision")),
        "TIMESTAMP_WITH_LOCAL_TIME_ZONE" => format!("TIMESTAMP_LTZ({})", number("precision")),
        "INTERVAL_YEAR_MONTH" => format!("INTERVAL {}", resolution(logical)),
        "INTERVAL_DAY_TIME" => format!("INTERVAL {}", resolution(logical)),
        "ARRAY" => format!("ARRAY<{}>", type_name(&logical["elementType"])),
        "MULTISET" => format!("MULTISET<{}>", type_name(&logical["elementType"])),
        "MAP" => format!(
            "MAP<{}, {}>",
            type_name(&logical["keyType"]),
            type_name(&logical["valueType"])
        ),
        "ROW" => {
            let fields: Vec<String> = logical["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| {
                    format!(
                        "`{}` {}",
                        field["name"].as_str().unwrap_or_default(),
                        type_name(&field["fieldType"])
                    )
                })
                .collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => other.to_owned(),
    };
    if logical["nullable"] == false {
        name + " NOT NULL"
    } else {
        name
    }
}

fn resolution(logical: &Value) -> String {
    logical["resolution"].as_str().unwrap_or_default().replace('_', " ")
}

/// A type's name without what is not compared: NOT NULL, lengths of text and bytes, an interval's fields.
pub fn comparable(name: &str) -> String {
    let name = name
        .replace(" NOT NULL", "")
        .replace(" *ROWTIME*", "")
        .replace(" *PROCTIME*", "");
    if name.starts_with("INTERVAL") {
        let months = name.contains("YEAR") || name.contains("MONTH");
        return if months { "INTERVAL MONTH" } else { "INTERVAL SECOND" }.to_owned();
    }
    let mut out = String::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let text = ["VARCHAR", "CHAR"].iter().find_map(|word| rest.strip_prefix(word));
        let bytes = ["VARBINARY", "BINARY"].iter().find_map(|word| rest.strip_prefix(word));
        let Some((after, whole)) = text.map(|t| (t, "STRING")).or(bytes.map(|b| (b, "BYTES"))) else {
            let next = rest.chars().next().unwrap();
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        out.push_str(whole);
        rest = match after.strip_prefix('(').and_then(|sized| sized.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    out
}

/// A value of the gateway's JSON, written as skep writes it.
pub fn from_gateway(logical: &Value, raw: &RawValue) -> String {
    if raw.get() == "null" {
        return "null".to_owned();
    }
    let text = || serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    let digits = logical["precision"].as_u64().unwrap_or_default() as usize;
    match logical["type"].as_str().unwrap_or_default() {
        "DECIMAL" => scaled(raw.get(), logical["scale"].as_u64().unwrap_or_default() as usize),
        "TIMESTAMP_WITHOUT_TIME_ZONE" => quoted(fraction(&text().replace('T', " "), digits)),
        "TIMESTAMP_WITH_LOCAL_TIME_ZONE" => {
            let text = text().replace('T', " ");
            quoted(fraction(text.trim_end_matches('Z'), digits) + "Z")
        }
        "TIME_WITHOUT_TIME_ZONE" => quoted(fraction(&text(), digits)),
        "BINARY" | "VARBINARY" => quoted(hex(&text())),
        "INTERVAL_YEAR_MONTH" => quoted(months(raw.get().parse().unwrap())),
        "INTERVAL_DAY_TIME" => quoted(milliseconds(raw.get().parse().unwrap())),
        "ARRAY" => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).unwrap();
            let items: Vec<String> = items
                .iter()
                .map(|item| from_gateway(&logical["elementType"], item))
                .collect();
            format!("[{}]", items.join(","))
        }
        "FLOAT" => canonical("FLOAT", raw.get()),
        "DOUBLE" => canonical("DOUBLE", raw.get()),
        _ => canonical("", raw.get()),
    }
}

/// A value in the one form that is compared.
pub fn canonical(kind: &str, raw: &str) -> String {
    match kind {
        "FLOAT" => raw.parse::<f32>().map_or(raw.to_owned(), |value| format!("{value:?}")),
        "DOUBLE" => raw.parse::<f64>().map_or(raw.to_owned(), |value| format!("{value:?}")),
        _ if raw.starts_with('"') => {
            let text: String = serde_json::from_str(raw).unwrap();
            serde_json::to_string(&text).unwrap()
        }
        _ => raw.to_owned(),
    }
}

/// A decimal with all digits of its scale: the gateway leaves out the zeros at the end, and may write an exponent.
fn scaled(raw: &str, scale: usize) -> String {
    let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let exponent: i32 = exponent.trim_start_matches('+').parse().unwrap();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    // How many digits stand behind the point.
    let behind = i32::try_from(fraction.len()).unwrap() - exponent;
    let wanted = i32::try_from(scale).unwrap();
    digits.push_str(&"0".repeat(usize::try_from((wanted - behind).max(0)).unwrap()));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

/// A time with so many digits of a fraction; the gateway leaves out zeros, and the seconds too.
fn fraction(text: &str, digits: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let clock = whole.rsplit(' ').next().unwrap_or_default();
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    let point = if digits > 0 { "." } else { "" };
    format!("{whole}{seconds}{point}{fraction:0<digits$}")
}

fn months(months: i64) -> String {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.abs();
    format!("{sign}{}-{:02}", months / 12, months % 12)
}

fn milliseconds(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.abs();
    let (days, hours) = (ms / 86_400_000, ms / 3_600_000 % 24);
    let (minutes, seconds) = (ms / 60_000 % 60, ms / 1000 % 60);
    format!("{sign}{days} {hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

/// Base64 as hex digits.
fn hex(base64: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0_u32, 0, String::new());
    for ch in base64.trim_end_matches('=').chars() {
        bits = bits << 6 | DIGITS.find(ch).unwrap() as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push_str(&format!("{:02x}", bits >> count & 0xff));
        }
    }
    out
}

#[test]
fn values_are_written_in_one_form() {
    assert_eq!(scaled("123.45", 4), "123.4500");
    assert_eq!(scaled("-0.1", 1), "-0.1");
    assert_eq!(scaled("1E+2", 0), "100");
    assert_eq!(scaled("1.5E-7", 8), "0.00000015");
    assert_eq!(scaled("0", 2), "0.00");
    assert_eq!(fraction("2024-01-01 00:00", 3), "2024-01-01 00:00:00.000");
    assert_eq!(milliseconds(-93_784_567), "-1 02:03:04.567");
    assert_eq!(months(-14), "-1-02");
    assert_eq!(hex("AP8Q"), "00ff10");
    assert_eq!(hex("AP8="), "00ff");
    assert_eq!(comparable("ARRAY<VARCHAR(3) NOT NULL> NOT NULL"), "ARRAY<STRING>");
    assert_eq!(comparable("CHAR(1) NOT NULL"), "STRING");
    assert_eq!(comparable("INTERVAL DAY(3) TO SECOND(3)"), "INTERVAL SECOND");
}
