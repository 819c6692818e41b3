//! Which job came from which.

use super::{COPY, counting, local, object, objects, slowly, stopped};
use crate::world::World;

#[test]
fn a_line_is_told_over_restores_upgrades_and_forks() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    drop(
        local(&world)
            .with("note --label first")
            .arg(&path)
            .arg("before all")
            .run()
            .expect_code(0),
    );
    // Restored, and upgraded while it runs.
    let mut live = slowly(&world).start();
    live.send("!restore copy first\n!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let restored = object(&out)["job_id"].as_str().unwrap().to_owned();
    let output = local(&world)
        .with("--json upgrade copy INSERT INTO copy SELECT n FROM n WHERE n > 0")
        .run()
        .expect_code(0);
    drop(live.wait().expect_code(0));
    let upgraded = object(&output.stdout)["job_id"].as_str().unwrap().to_owned();
    // And once more from the beginning of it all, beside the first line.
    let fork = local(&world)
        .with("--json restore --fork")
        .arg(&path[path.rfind("savepoint-").unwrap() + 10..][..6])
        .arg(&path)
        .run()
        .expect_code(0);
    let fork = object(&fork.stdout)["job_id"].as_str().unwrap().to_owned();

    let output = local(&world).with("--json lineage").arg(&upgraded).run().expect_code(0);
    let line = objects(&output.stdout);
    let of = |id: &str| {
        line.iter()
            .find(|member| member["job_id"] == id)
            .unwrap_or_else(|| panic!("{output}"))
    };
    assert_eq!(line.len(), 4, "{output}");
    let first = &line[0];
    assert_eq!(
        (&first["how"], &first["parent"], &first["fork"]),
        (&"submitted".into(), &().into(), &false.into())
    );
    let restored = of(&restored);
    assert_eq!(
        (&restored["how"], &restored["parent"]),
        (&"restored".into(), &first["job_id"])
    );
    assert_eq!(restored["from"]["label"], "first");
    assert_eq!(restored["from"]["notes"][0], "before all");
    assert_eq!(restored["changed"].as_array().unwrap().len(), 0);
    // Another one has gone on from the same state since.
    assert_eq!(restored["fork"], true);
    let upgraded = of(&upgraded);
    assert_eq!(
        (&upgraded["how"], &upgraded["parent"]),
        (&"upgraded".into(), &restored["job_id"])
    );
    let changed: Vec<_> = upgraded["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    assert!(
        changed
            .iter()
            .any(|line| line.starts_with("+ ") && line.to_lowercase().contains("where")),
        "{changed:?}"
    );
    assert_eq!(
        (&of(&fork)["parent"], &of(&fork)["fork"]),
        (&first["job_id"], &false.into())
    );

    // From every member the line is the same one, and a person sees which was asked for.
    for member in &line {
        let id = member["job_id"].as_str().unwrap();
        let output = local(&world).with("lineage").arg(id).run().expect_code(0);
        assert_eq!(output.stdout.matches("* ").count(), 1, "{output}");
        assert!(output.stdout.contains(&format!("* {} copy", &id[..8])), "{output}");
        for other in &line {
            assert!(
                output.stdout.contains(&other["job_id"].as_str().unwrap()[..8]),
                "{output}"
            );
        }
        assert!(
            output.stdout.contains("├─╮") && output.stdout.contains("upgraded from"),
            "{output}"
        );
    }
    drop(local(&world).with("lineage nothing").run().expect(1, ""));
}
