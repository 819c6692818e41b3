//! What the parts do together, seen from outside.

mod flink_rest;
mod interrupts;
mod scripts;
mod world;
