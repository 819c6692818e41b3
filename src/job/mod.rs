//! Jobs: what statements left running, as this session knows them.

pub mod cancel;
pub mod record;
pub mod reference;
pub mod schedule;
pub mod spool;
pub mod table;
pub mod wait;
pub mod watcher;

pub use record::{Action, Job, Known, Origin};
pub use table::{Entry, Table};
