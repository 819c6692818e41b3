//! Jobs: what the shell knows of them, and how a person refers to them.

pub mod reference;
