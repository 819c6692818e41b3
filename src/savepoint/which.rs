//! Reading WHICH: the word by which a person says which saved state is meant.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::error::Error;

/// The longest label, in characters.
const LONGEST_LABEL: usize = 200;

/// Which saved state is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest usable one.
    Latest,
    /// The one at this path.
    Path(String),
    /// The checkpoint or savepoint of this number.
    Id(u64),
    /// The one with this label.
    Label(String),
    /// The newest usable one that was taken at that time or before.
    At(Timestamp),
}

/// Why a WHICH or a label can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhichError {
    /// Nothing is there.
    #[error("which savepoint is meant is not said")]
    Empty,
    /// After `@` stands no time.
    #[error("{0:?} is not a time")]
    NotATime(String),
    /// The number is beyond every checkpoint.
    #[error("{0} is no checkpoint's number")]
    NotAnId(String),
    /// It can't be a label.
    #[error("{label:?} can't be a label: {reason}")]
    NotALabel {
        /// What was given, cut short.
        label: String,
        /// Why not.
        reason: &'static str,
    },
}

impl WhichError {
    /// What the person can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotAnId(_) => {
                "a path, a checkpoint's number, latest, a label or @time · !savepoints lists what there is"
            }
            Self::NotATime(_) => "such as @14:05, @2026-11-20T14:05, @2026-11-20T14:05:00Z or '@2h ago'",
            Self::NotALabel { .. } => "such as v1.4 or 'before the upgrade'",
        }
    }
}

impl Which {
    /// Reads a WHICH. `now` says what a time of day, a local time or "2h ago" means.
    ///
    /// What holds a `/` or starts with a scheme (`s3:`) or a dot is a path, digits are a number, what starts with `@` is
    /// a time; anything else is a label.
    ///
    /// # Errors
    /// The text is empty, or a time or number that can't be.
    pub fn parse(text: &str, now: &Zoned) -> Result<Self, WhichError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(WhichError::Empty);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::Latest);
        }
        if let Some(time) = text.strip_prefix('@') {
            return parse_time(time.trim(), now)
                .map(Self::At)
                .ok_or_else(|| WhichError::NotATime(cut(time)));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Id).map_err(|_| WhichError::NotAnId(cut(text)));
        }
        if is_path(text) {
            return Ok(Self::Path(text.to_owned()));
        }
        Ok(Self::Label(text.to_owned()))
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Path(path) => f.write_str(path),
            Self::Id(id) => write!(f, "{id}"),
            Self::Label(label) => f.write_str(label),
            Self::At(time) => write!(f, "@{time}"),
        }
    }
}

/// Reads a label that is to be given, without the blanks around it: any text that [`Which::parse`] reads as a label.
///
/// # Errors
/// It is empty or too long, holds control characters, or would be read as something else.
pub fn parse_label(text: &str) -> Result<&str, WhichError> {
    let label = text.trim();
    let refuse = |reason| {
        Err(WhichError::NotALabel {
            label: cut(label),
            reason,
        })
    };
    if label.is_empty() {
        refuse("it is empty")
    } else if label.chars().nth(LONGEST_LABEL).is_some() {
        refuse("it has more than 200 characters")
    } else if label.chars().any(char::is_control) {
        refuse("it holds control characters")
    } else if label.eq_ignore_ascii_case("latest") {
        refuse("latest means the newest usable state")
    } else if label.eq_ignore_ascii_case("as") {
        refuse("AS is what a statement stands behind")
    } else if label.starts_with('@') {
        refuse("what starts with @ is a time")
    } else if label.bytes().all(|byte| byte.is_ascii_digit()) {
        refuse("digits are a checkpoint's number")
    } else if is_path(label) {
        refuse("it would be read as a path")
    } else {
        Ok(label)
    }
}

fn is_path(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.starts_with(char::is_whitespace)
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    scheme || text.contains('/') || text.starts_with('.') || text.starts_with('~')
}

/// An instant; a local date and time; a local date, meaning its beginning; a time of day, meaning the last one that has
/// passed; or how long ago.
fn parse_time(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let local = |time: DateTime| {
        time.to_zoned(now.time_zone().clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    // A date with a time is asked for first: a date alone reads it as well and drops the time.
    if text.contains(['T', 't', ' '])
        && let Ok(time) = text.parse::<DateTime>()
    {
        return local(time);
    }
    if let Ok(time) = text.parse::<Time>() {
        let today = now.date();
        let then = local(today.to_datetime(time))?;
        if then <= now.timestamp() {
            return Some(then);
        }
        return local(today.checked_sub(1.day()).ok()?.to_datetime(time));
    }
    if let Ok(date) = text.parse::<Date>() {
        return local(date.to_datetime(Time::midnight()));
    }
    let span = text.parse::<Span>().ok()?;
    let ago = if span.is_negative() { span } else { -span };
    now.checked_add(ago).ok().map(|then| then.timestamp())
}

/// Enough of a text to recognise it.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

impl From<WhichError> for Error {
    fn from(error: WhichError) -> Self {
        Self::failed(error.to_string()).hint(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Zoned {
        "2026-11-20T14:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    fn parse(text: &str) -> Result<Which, WhichError> {
        Which::parse(text, &now())
    }

    #[test]
    fn each_form_is_told_by_its_looks() {
        let label = |text: &str| Ok(Which::Label(text.to_owned()));
        let path = |text: &str| Ok(Which::Path(text.to_owned()));
        assert_eq!(parse("latest"), Ok(Which::Latest));
        assert_eq!(parse(" LATEST "), Ok(Which::Latest));
        assert_eq!(parse("12"), Ok(Which::Id(12)));
        assert_eq!(parse("s3://prod/sp/savepoint-1"), path("s3://prod/sp/savepoint-1"));
        assert_eq!(parse("/tmp/sp"), path("/tmp/sp"));
        assert_eq!(parse("./sp"), path("./sp"));
        assert_eq!(parse("~/sp"), path("~/sp"));
        assert_eq!(parse("file:sp"), path("file:sp"));
        assert_eq!(parse("v1.4"), label("v1.4"));
        assert_eq!(parse("before orders-v2"), label("before orders-v2"));
        assert_eq!(parse("note: good one"), label("note: good one"));
        assert_eq!(parse("12a"), label("12a"));
        assert_eq!(parse(""), Err(WhichError::Empty));
        assert_eq!(parse(&"9".repeat(30)), Err(WhichError::NotAnId("9".repeat(30))));
    }

    #[test]
    fn times_are_local_unless_they_say_otherwise() {
        let at = |text: &str| match parse(text) {
            Ok(Which::At(time)) => time.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(at("@2026-11-20T12:00:00Z"), "2026-11-20T12:00:00Z");
        assert_eq!(at("@2026-11-20T12:00:00+02:00"), "2026-11-20T10:00:00Z");
        assert_eq!(at("@2026-11-20T12:00"), "2026-11-20T11:00:00Z");
        assert_eq!(at("@2026-11-20 12:00:30"), "2026-11-20T11:00:30Z");
        assert_eq!(at("@2026-11-20"), "2026-11-19T23:00:00Z");
        assert_eq!(at("@14:05"), "2026-11-20T13:05:00Z");
        assert_eq!(at("@14:45"), "2026-11-19T13:45:00Z", "still to come today: yesterday's");
        assert_eq!(at("@2h ago"), "2026-11-20T11:30:00Z");
        assert_eq!(at("@-90m"), "2026-11-20T12:00:00Z");
        assert_eq!(at("@2h"), "2026-11-20T11:30:00Z");
        assert_eq!(parse("@teatime"), Err(WhichError::NotATime("teatime".to_owned())));
        assert_eq!(parse("@"), Err(WhichError::NotATime(String::new())));
    }

    #[test]
    fn what_would_be_read_as_something_else_is_no_label() {
        assert_eq!(parse_label(" v1.4 "), Ok("v1.4"));
        for text in [
            "",
            "latest",
            "As",
            "@noon",
            "12",
            "a/b",
            "s3:x",
            ".x",
            "a\u{1b}[31m",
            &"x".repeat(201),
        ] {
            assert!(parse_label(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_label_that_may_be_given_is_found_again(text in "\\PC{1,40}") {
            if let Ok(label) = parse_label(&text) {
                prop_assert_eq!(parse(label), Ok(Which::Label(label.to_owned())));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[@0-9a-zT: .+/-]{0,24}|.{0,40}") {
            let _ = parse(&text);
        }
    }
}
