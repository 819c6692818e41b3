//! Flink's SQL Gateway: a result's pages read, without I/O.
#![allow(dead_code)]

mod cell;
mod decode;
mod literal;
mod logical_type;
mod page;
mod schema;
#[cfg(test)]
mod tests;
