//! Links releases for Linux with packed relocations, where this system's C library reads them.
//!
//! A position-independent executable with DataFusion in it has hundreds of thousands of pointers that are set when it
//! starts. Unpacked, the list of them is 24 bytes each, which all count as memory of every process; packed it is next to
//! nothing.

use std::env;
use std::process::Command;

/// The first glibc that reads them.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let gnu = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    // What is built for another system may meet an older library there; whoever builds for it says so by RUSTFLAGS.
    let native = env::var("HOST") == env::var("TARGET");
    if gnu && native && is("PROFILE", "release") && glibc() >= Some(READS_PACKED) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// This system's version, as in `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
