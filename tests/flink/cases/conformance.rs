//! The scripts of tests/conformance: what skep answers by way of the gateway is what was recorded from Flink 2.3.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use crate::LIMIT;
use crate::cluster::{Cluster, Options};
use crate::conformance::script::{Engine, Mode, Outcome, Script};
use crate::conformance::{answers, compare, scripts};
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    own 400: every_script with QUIET,
}

/// Nobody asks for the history of a thousand small jobs.
const QUIET: Options = Options {
    settings: &[
        ("historyserver.archive.fs.refresh-interval", "3600000"),
        // A job that fails says so instead of starting again.
        ("restart-strategy.type", "none"),
    ],
    tls: false,
};

/// A script is dozens of jobs, one after another, beside those of the others.
const SCRIPT: Duration = LIMIT.saturating_mul(4);

/// Shells at a time. They mostly wait for their jobs' ends.
const SHELLS: usize = 6;

/// Each script in a session of its own; on the version that was recorded in both modes, on another in streaming mode, where
/// it has it: what differs from version to version hardly ever differs from mode to mode, and each costs a minute.
fn every_script(cluster: &Cluster) {
    let (engine, modes) = match cluster.version() {
        "2.3.0" => (Engine::Flink23, &[Mode::Batch, Mode::Streaming][..]),
        _ => (Engine::Flink120, &[Mode::Streaming][..]),
    };
    let left = Mutex::new(VecDeque::from(scripts()));
    let wrong = Mutex::new(Vec::new());
    let next = || left.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _ in 0..SHELLS {
            scope.spawn(|| {
                while let Some(mut script) = next() {
                    let has =
                        |mode: Mode| script.modes.contains(&mode) && (modes.contains(&mode) || script.modes.len() == 1);
                    let answers =
                        [Mode::Batch, Mode::Streaming].map(|mode| has(mode).then(|| run(cluster, &script, mode)));
                    let differences = compare::hold(&mut script, engine, &answers);
                    wrong.lock().unwrap().extend(differences);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs a script in one process.
fn run(cluster: &Cluster, script: &Script, mode: Mode) -> Vec<Outcome> {
    let shell = Shell::sql(cluster);
    let dir = shell.world().path("files");
    std::fs::create_dir(&dir).unwrap();
    shell
        .world()
        .write("script.sql", &answers::text(script, mode, &dir, false));
    let output = shell.skep().with("-o json --force -f script.sql").run_merged(SCRIPT);
    answers::read(script, mode, &output, &dir)
}
