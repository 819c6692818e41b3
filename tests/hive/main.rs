//! What skep does on real Spark Thrift Servers, which this starts itself: one for each way to speak to it.
//!
//! `SKEP_TEST_ENGINES=none` starts nothing and ignores every case. Otherwise the arguments are those of any test:
//! `cargo test --test hive -- sasl::cancel`. It needs a JDK, 17 or newer, and Python 3 with pip, by which Spark comes (PyPI's
//! `pyspark`, 317 MB, kept in `${XDG_CACHE_HOME:-~/.cache}/skep-test/spark-VERSION`).
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod cache;
mod cases;
mod keeper;
mod kyuubi;
mod peer;
#[allow(dead_code, reason = "the tests on Flink use the rest")]
#[path = "../flink/cluster/process.rs"]
mod process;
mod server;
#[allow(dead_code, unused_imports, reason = "the other integration tests use the rest")]
#[path = "../it/world/mod.rs"]
mod world;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use cases::Case;
use server::{Mode, Server};

/// No case waits longer than this for anything: what takes so long hangs.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A server that is started by the first case that wants it, and the turn to use it.
#[derive(Default)]
struct Shared {
    server: Mutex<Option<Arc<Server>>>,
    turn: RwLock<()>,
}

impl Shared {
    fn server(&self, mode: Mode) -> Result<Arc<Server>, String> {
        // A case that panicked has not broken the server.
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*server {
            Some(server) => Arc::clone(server),
            None => Arc::clone(server.insert(Arc::new(Server::start(mode)?))),
        })
    }

    fn run(&self, mode: Mode, case: Case) -> Result<(), String> {
        let server = self.server(mode)?;
        match case {
            Case::Shared(run) => {
                let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
                run(&server);
            }
            Case::Alone(run) => {
                let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
                run(&server);
            }
        }
        Ok(())
    }
}

#[allow(clippy::print_stderr, reason = "whoever runs the tests reads it")]
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A server needs as many cores as there are, and the cases wait for it.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let engines = match std::env::var("SKEP_TEST_ENGINES").as_deref() {
        Err(_) | Ok("") => true,
        Ok("none") => false,
        Ok(other) => {
            eprintln!("SKEP_TEST_ENGINES={other:?}: only none is known, which runs the tests that need no engine");
            return ExitCode::from(2);
        }
    };
    let servers: Vec<(Mode, Arc<Shared>)> = Mode::ALL.map(|mode| (mode, Arc::default())).into();
    let mut trials = Vec::new();
    for (mode, shared) in &servers {
        for (name, case) in cases::of(*mode) {
            let (mode, shared) = (*mode, Arc::clone(shared));
            let trial = Trial::test(format!("{mode}::{name}"), move || Ok(shared.run(mode, case)?));
            trials.push(trial.with_ignored_flag(!engines));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(servers);
    if conclusion.has_failed() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}
