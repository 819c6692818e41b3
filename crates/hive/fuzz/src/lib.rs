//! Memory that runs out: what a server sends is not to take many times as much.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// So much is always there, in bytes: nothing that a server sends is read without some tables and buffers.
const AT_LEAST: usize = 4 << 20;

/// So many times as much as was sent.
const TIMES: usize = 64;

/// Does the work on what was sent; more memory than that ends the program.
pub fn bounded(data: &[u8], work: impl FnOnce(&[u8])) {
    let most = MEMORY.allocated() + AT_LEAST + TIMES * data.len();
    MEMORY.set_limit(most).expect("less is allocated");
    work(data);
    MEMORY.set_limit(usize::MAX).expect("it is no limit");
}
