//! A SQL shell that keeps the jobs, savepoints and checkpoints that streaming queries leave behind.

pub mod flink;
