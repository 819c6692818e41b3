//! Saved states: bringing together what is known of them, and choosing the one that is meant.

mod merge;

pub use merge::{merge, path_key, remembered};
