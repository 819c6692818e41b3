//! Saved states: bringing together what is known of them, and choosing the one that is meant. Only `gather` asks anybody.

mod choose;
mod gather;
mod merge;
mod which;

pub use choose::{ChooseError, Chosen, Descendant, Known, Progress, choose, describe};
pub use gather::gather;
pub use merge::{merge, path_key, remembered};
pub use which::{Which, WhichError, parse_label};
