//! Runs the scripts on the embedded engine, through the executable.

use std::time::Duration;

use super::answers;
use super::compare::hold;
use super::script::{Engine, Mode, Outcome, Script};
use crate::world::World;

/// No script takes longer.
const LIMIT: Duration = Duration::from_secs(1200);

#[test]
fn the_embedded_engine_answers_as_flink_does() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for mut script in super::scripts() {
        let answers =
            [Mode::Batch, Mode::Streaming].map(|mode| script.modes.contains(&mode).then(|| run(&script, mode)));
        checked += script.statements().count();
        wrong.extend(hold(&mut script, Engine::Local, &answers));
    }
    assert!(checked > 0, "there is no script");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs a script in one process.
fn run(script: &Script, mode: Mode) -> Vec<Outcome> {
    let world = World::new();
    let dir = world.path("files");
    std::fs::create_dir(&dir).unwrap();
    let text = answers::text(script, mode, &dir, true);
    world.write("script.sql", &text);
    let output = world
        .skep()
        .with("-u local: -o json --force -f script.sql")
        .run_merged(LIMIT);
    answers::read(script, mode, &output, &dir)
}
