//! Drives a dataflow as a job.
