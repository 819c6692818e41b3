//! x
mod report;
pub mod text;
pub use report::report;
pub use text::sanitize;
