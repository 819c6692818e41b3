//! Which job came from which, as `!lineage` tells it.

use serde_json::Value;

use super::{COPY, counting, local, object, objects, slowly};
use crate::world::{Live, World, wait_until};

/// The newest statement, which reads the same rows.
const CHANGED: &str = "INSERT INTO copy SELECT n FROM n WHERE n > 0";

/// The id of the job that runs once it has completed a checkpoint, as somebody else sees it.
fn running(world: &World) -> String {
    let live = || {
        let listed = local(world).with("jobs --all --json").run().expect_code(0);
        let lives = |job: &Value| job["known"] == "live";
        objects(&listed.stdout).into_iter().find(lives)
    };
    wait_until(|| "a job that runs".to_owned(), || live().is_some());
    let id = live().unwrap()["job_id"].as_str().unwrap().to_owned();
    let wait = local(world).with("wait --until first-checkpoint").arg(&id);
    drop(wait.run().expect_code(0));
    id
}

/// Stops the job that the shell runs, and returns its savepoint's path.
fn stop(world: &World, live: Live, id: &str) -> String {
    let stopped = local(world).with("stop --json").arg(id).run().expect_code(0);
    drop(live.wait());
    object(&stopped.stdout)["path"].as_str().unwrap().to_owned()
}

#[test]
fn restores_forks_and_upgrades_are_shown_with_what_changed() {
    let world = World::new();
    let mut live = slowly(&world).start();
    live.send(counting() + COPY + "!wait\n");
    let first = running(&world);
    let path = stop(&world, live, &first);
    let note = local(&world)
        .with("note --label good")
        .arg(&path)
        .arg("before the storm");
    drop(note.run().expect_code(0));

    let live = slowly(&world).with("restore copy").start();
    let second = running(&world);
    stop(&world, live, &second);

    // Another one goes on from the first one's state.
    let live = slowly(&world).with("restore --fork").arg(&first).arg("good").start();
    let third = running(&world);
    let upgraded = local(&world).with("upgrade --json").arg(&third).arg(CHANGED);
    let done = object(&upgraded.run().expect_code(0).stdout);
    drop(live.wait());
    let fourth = done["job_id"].as_str().unwrap();
    drop(
        local(&world)
            .with("note")
            .arg(fourth)
            .arg("the right one")
            .run()
            .expect_code(0),
    );

    // Whoever of the line is asked for, it is the whole line.
    for asked in [first.as_str(), second.as_str(), fourth] {
        let output = local(&world).with("lineage --json").arg(asked).run().expect_code(0);
        let line = objects(&output.stdout);
        let told: Vec<_> = line
            .iter()
            .map(|job| {
                let text = |key: &str| job[key].as_str().unwrap_or_default().to_owned();
                (text("job_id"), text("parent"), text("how"), job["fork"] == true)
            })
            .collect();
        let job = |id: &str, parent: &str, how: &str, fork| (id.to_owned(), parent.to_owned(), how.to_owned(), fork);
        let expected = [
            job(&first, "", "submitted", false),
            job(&second, &first, "restored", true),
            job(&third, &first, "restored", false),
            job(fourth, &third, "upgraded", false),
        ];
        assert_eq!(told, expected, "{output}");
        assert_eq!(line[1]["from"]["path"], path.as_str());
        assert_eq!(line[1]["from"]["label"], "good");
        assert_eq!(line[1]["from"]["notes"][0], "before the storm");
        assert_eq!(line[1]["changed"], serde_json::json!([]));
        assert_eq!(line[3]["sql"], CHANGED);
        assert_eq!(line[3]["notes"][0], "the right one");
        let changed: Vec<_> = line[3]["changed"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_str)
            .collect();
        assert!(changed.iter().any(|line| line.unwrap().starts_with('+')), "{changed:?}");
        assert_eq!(line[3]["changed_prelude"], serde_json::json!([]));
    }

    let output = local(&world).with("lineage").arg(fourth).run().expect_code(0);
    let star = format!("* {} copy", &fourth[..8]);
    let aside = format!("│ o {} copy", &second[..8]);
    for part in [
        star.as_str(),
        aside.as_str(),
        "├─╮",
        "restored from",
        "upgraded from",
        "(good)",
        "\"before the storm\"",
        "\"the right one\"",
        "+ WHERE n > 0",
    ] {
        assert!(output.stdout.contains(part), "{part}: {output}");
    }
    // A fork ends before the line goes on.
    let place = |text: &str| output.stdout.find(text).unwrap();
    assert!(
        place(&aside) < place(&third[..8]) && place(&third[..8]) < place(&star),
        "{output}"
    );
}

#[test]
fn of_a_job_that_is_not_there_nothing_is_told() {
    let world = World::new();
    let output = local(&world).with("lineage nobody").run();
    drop(output.expect(1, "").expect_stderr("nobody"));
}
