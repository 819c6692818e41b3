//! Statements that start jobs.
