//! Saved states: bringing together what is known of them, and choosing the one that is meant. Nothing here does I/O.

mod choose;
mod claimed;
mod merge;
mod which;

pub use choose::{ChooseError, Chosen, Descendant, Known, Progress, choose, describe};
pub use claimed::{Claim, mark_claimed, shares};
pub use merge::{merge, path_key, remembered};
pub use which::{Which, WhichError, parse_label};
