//! x
pub mod error;
pub mod render;
pub mod ui;
