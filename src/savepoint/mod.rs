//! Saved states: bringing together what is known of them, and choosing the one that is meant. Nothing here does I/O.

mod choose;
mod claimed;
mod merge;
mod prune;
mod which;

pub use choose::{ChooseError, Chosen, Descendant, Known, Progress, choose, describe};
pub use claimed::{Claim, claimed_unknown, mark_claimed, shares, unseen};
pub use merge::{LEDGER, is_remembered, merge};
pub use prune::{Fate, Rules, prune};
pub use skep_engine::path_key;
pub use which::{Which, WhichError, parse_label};
