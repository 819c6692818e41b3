//! What skep does on real Flink clusters, which this starts itself: one suite for each version.
//!
//! `SKEP_TEST_ENGINES=none` starts nothing and ignores every case. Otherwise the arguments are those of any test:
//! `cargo test --test flink -- 2.3.0::savepoint`.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod cases;
mod cluster;
#[allow(
    dead_code,
    unused_imports,
    reason = "the recorder and the embedded engine are other tests"
)]
#[path = "../it/conformance/mod.rs"]
mod conformance;
mod job;
mod proxy;
mod shell;
mod store;
mod suite;
mod witness;
#[allow(dead_code, unused_imports, reason = "the other integration tests use the rest")]
#[path = "../it/world/mod.rs"]
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Arguments;

use cluster::Work;
use suite::Suite;

/// No case waits longer than this for anything: what takes so long hangs. A cold cluster on two busy cores is slow.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Cases mostly wait for checkpoints: more of them run at a time than there are cores.
const THREADS: usize = 4;

#[allow(clippy::print_stderr, reason = "whoever runs the tests reads it")]
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let engines = match std::env::var("SKEP_TEST_ENGINES").as_deref() {
        Err(_) | Ok("") => true,
        Ok("none") => false,
        Ok(other) => {
            eprintln!("SKEP_TEST_ENGINES={other:?}: only none is known, which runs the tests that need no engine");
            return ExitCode::from(2);
        }
    };
    let suite = Arc::new(Suite::new(Work::new().unwrap()));
    let conclusion = libtest_mimic::run(&arguments, suite.trials(&cases::all(), engines));
    let counted = suite.end();
    if let Err(why) = &counted {
        eprintln!("\nerror: {why}");
    }
    if conclusion.has_failed() || counted.is_err() {
        eprintln!("the clusters' logs are below {}", suite.work().path("").display());
        return ExitCode::from(101);
    }
    suite.work().remove().unwrap();
    ExitCode::SUCCESS
}
