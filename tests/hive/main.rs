//! What skep does on real Spark Thrift Servers, which this starts itself: one for each way to speak to it; and on Kyuubi with
//! Flink's engine, for which something stands in unless `KYUUBI_HOME` names a distribution of it, and on Flink's own HiveServer2
//! endpoint.
//!
//! `SKEP_TEST_ENGINES=none` starts nothing and ignores every case. Otherwise the arguments are those of any test:
//! `cargo test --test hive -- sasl::cancel`. It needs a JDK, 17 or newer, and Python 3 with pip, by which Spark comes (PyPI's
//! `pyspark`, 317 MB, kept in `${XDG_CACHE_HOME:-~/.cache}/skep-test/spark-VERSION`).
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod cache;
mod cases;
#[allow(dead_code, unused_imports, reason = "the tests on Flink use the rest")]
#[path = "../flink/cluster/mod.rs"]
mod cluster;
mod endpoint;
mod keeper;
mod kyuubi;
mod peer;
mod server;
#[allow(dead_code, reason = "the tests on Flink use the rest")]
#[path = "../flink/witness.rs"]
mod witness;
#[allow(dead_code, unused_imports, reason = "the other integration tests use the rest")]
#[path = "../it/world/mod.rs"]
mod world;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use cases::Case;
use endpoint::Endpoint;
use kyuubi::{Door, Kind, Kyuubi, Way};
use server::{Mode, Server};

/// No case waits longer than this for anything: what takes so long hangs.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A server that is started by the first case that wants it, and the turn to use it.
struct Shared<S> {
    server: Mutex<Option<Arc<S>>>,
    turn: RwLock<()>,
}

impl<S> Default for Shared<S> {
    fn default() -> Self {
        Self {
            server: Mutex::default(),
            turn: RwLock::default(),
        }
    }
}

impl<S> Shared<S> {
    /// Runs a case on it, beside others or alone.
    fn run(
        &self,
        start: impl FnOnce() -> Result<S, String>,
        alone: bool,
        case: impl FnOnce(&Arc<S>),
    ) -> Result<(), String> {
        // A case that panicked has not broken the server.
        let mut held = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match &*held {
            Some(server) => Arc::clone(server),
            None => Arc::clone(held.insert(Arc::new(start()?))),
        };
        drop(held);
        if alone {
            let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            case(&server);
        } else {
            let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            case(&server);
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
    let servers: Vec<(Mode, Arc<Shared<Server>>)> = Mode::ALL.map(|mode| (mode, Arc::default())).into();
    let mut trials = Vec::new();
    for (mode, shared) in &servers {
        for (name, case) in cases::of(*mode) {
            let (mode, shared) = (*mode, Arc::clone(shared));
            let trial = Trial::test(format!("{mode}::{name}"), move || {
                let (alone, run) = match case {
                    Case::Shared(run) => (false, run),
                    Case::Alone(run) => (true, run),
                };
                Ok(shared.run(|| Server::start(mode), alone, |server| run(server))?)
            });
            trials.push(trial.with_ignored_flag(!engines));
        }
    }
    let kyuubis: Vec<(Kind, Arc<Shared<Kyuubi>>)> = Kind::ALL.map(|kind| (kind, Arc::default())).into();
    for (kind, shared) in &kyuubis {
        for (way, case) in Way::ALL
            .iter()
            .flat_map(|way| kyuubi::cases(*kind).into_iter().map(move |case| (*way, case)))
        {
            let (kind, shared) = (*kind, Arc::clone(shared));
            let trial = Trial::test(format!("{kind}::{way}::{}", case.name), move || {
                let start = || Kyuubi::start(kind);
                Ok(shared.run(start, case.alone, |server| {
                    let server = Arc::clone(server);
                    (case.run)(&Door { server, way });
                })?)
            });
            let missing = kind.misses();
            let trial = trial.with_ignored_flag(!engines || missing.is_some());
            trials.push(match missing {
                Some(missing) => trial.with_kind(missing),
                None => trial,
            });
        }
    }
    let endpoint: Arc<Shared<Endpoint>> = Arc::default();
    for (name, run) in endpoint::cases() {
        let shared = Arc::clone(&endpoint);
        let trial = Trial::test(format!("flink-endpoint::{name}"), move || {
            Ok(shared.run(Endpoint::start, false, run)?)
        });
        trials.push(trial.with_ignored_flag(!engines));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop((servers, kyuubis, endpoint));
    if conclusion.has_failed() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}
