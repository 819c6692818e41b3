//! x
pub mod syntax;
