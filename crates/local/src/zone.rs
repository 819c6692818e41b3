//! The session's time zone.

use std::hash::{Hash, Hasher};

use jiff::tz::TimeZone;

/// A time zone. The system's is found out about only when a query asks for it: that reads a tree of directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// The system's.
    System,
    /// One that was named.
    Named(TimeZone),
}

impl Zone {
    /// Its rules.
    pub(crate) fn rules(&self) -> TimeZone {
        match self {
            Self::System => TimeZone::system(),
            Self::Named(zone) => zone.clone(),
        }
    }

    /// Its name; the system's is not asked for.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::System => None,
            Self::Named(zone) => zone.iana_name().map(str::to_owned),
        }
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Self::Named(zone) = self {
            zone.iana_name().hash(state);
        }
    }
}
