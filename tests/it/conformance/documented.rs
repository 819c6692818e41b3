//! What differs is told to people too.

use super::script::{Engine, Mode};

/// A script in which an engine differs is named in that engine's part of docs/conformance.md, and no other one is.
#[test]
fn every_difference_is_documented() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (local, older) = page
        .split_once("\n## Flink 1.20\n")
        .expect("there is a part for Flink 1.20");
    for script in super::scripts() {
        let name = format!("`{}.sql`", script.name());
        for (engine, part) in [(Engine::Local, local), (Engine::Flink120, older)] {
            let differs = script.statements().any(|statement| {
                let own = statement.own(engine);
                [Mode::Batch, Mode::Streaming]
                    .iter()
                    .any(|mode| own.is_some_and(|own| own.get(*mode).is_some()))
            });
            assert_eq!(
                part.contains(&name),
                differs,
                "{name}: {engine:?} differs, or it is in docs/conformance.md"
            );
        }
    }
}
