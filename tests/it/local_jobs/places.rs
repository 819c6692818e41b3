//! Savepoints where nothing can be written, and where there is no room: the job runs on, and nothing pretends otherwise.

use serde_json::Value;
use skep::ledger::Ledger;

use super::{COPY, SLOWLY, counting, local, object, objects};
use crate::world::{Live, World};

/// Mounts a small file system without room at `full`, for the rest of the command line alone.
const WITHOUT_ROOM: &str = "mkdir -p full && mount -t tmpfs -o size=16k none full && head -c 16384 /dev/zero >full/filler; \
                            exec \"$@\"";

/// A verb, the place that its savepoint is to be made in, the exit code, and what is said.
const ROWS: &[(&str, &str, i32, &[&str])] = &[
    ("savepoint copy", "occupied/below", 1, &["Not a directory"]),
    ("stop copy", "occupied/below", 1, &["Not a directory"]),
    (
        "upgrade copy",
        "occupied/below",
        1,
        &[
            "Not a directory",
            "was not stopped, and runs its old statement as before",
        ],
    ),
    ("savepoint copy", "full/a", 1, &["No space left on device"]),
    ("stop copy", "full/b", 1, &["No space left on device"]),
    (
        "upgrade copy",
        "full/c",
        1,
        &[
            "No space left on device",
            "was not stopped, and runs its old statement as before",
        ],
    ),
];

/// How a program is given mounts of its own: with those of a user namespace, or as root. `None` where neither is allowed.
fn unshared(world: &World) -> Option<&'static str> {
    ["-rm", "-m"].into_iter().find(|how| {
        let script = "mount -t tmpfs none tmp";
        let tried = world.program("unshare").with(how).with("sh -c").arg(script).run();
        tried.code == 0
    })
}

/// A shell that runs the copying job, which has saved something, and the job's id.
fn owner(world: &World, how: Option<&str>) -> (Live, String) {
    let skep = env!("CARGO_BIN_EXE_skep");
    let program = match how {
        Some(how) => world
            .program("unshare")
            .with(how)
            .with("sh -c")
            .arg(WITHOUT_ROOM)
            .with("sh")
            .arg(skep),
        None => world.skep(),
    };
    let mut live = program.with("-u local:state").with(SLOWLY).start();
    live.send(counting());
    live.send(COPY);
    live.send("!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    (live, object(&out)["job_id"].as_str().unwrap().to_owned())
}

#[test]
fn what_can_not_be_written_leaves_the_job_running() {
    let world = World::new();
    world.write("occupied", "a regular file");
    let how = unshared(&world);
    if how.is_none() {
        // Root in a container without the right to mount has no other way to a full disk.
        eprintln!("no file system can be mounted here, not even in a user namespace: a full disk is not tested");
    }
    let (live, id) = owner(&world, how);
    for (command, dir, code, says) in ROWS {
        if dir.starts_with("full") && how.is_none() {
            continue;
        }
        let skep = local(&world).with(command).with("--dir").arg(world.path(dir));
        let skep = if command.starts_with("upgrade") {
            skep.arg("INSERT INTO copy SELECT n FROM n WHERE n > 0")
        } else {
            skep
        };
        let output = skep.run().expect_code(*code);
        for word in *says {
            assert!(output.stderr.contains(word), "{command} {dir}: {word:?}: {output}");
        }
        // What runs is told on standard output by an upgrade; a savepoint has no path.
        let told = if command.starts_with("upgrade") {
            format!("{id}\n")
        } else {
            String::new()
        };
        assert_eq!(output.stdout, told, "{command} {dir}: {output}");
        let listed = local(&world).with("jobs --all --json").run().expect_code(0);
        let listed = objects(&listed.stdout);
        assert_eq!(listed.len(), 1, "{command} {dir}: nothing else was started: {listed:?}");
        let told = ["job_id", "state", "known", "action"].map(|key| listed[0][key].as_str().unwrap());
        assert_eq!(
            told,
            [id.as_str(), "RUNNING", "live", "none"],
            "{command} {dir}: {output}"
        );
    }
    let saved = local(&world).with("savepoints copy --json").run().expect_code(0);
    let savepoints = |state: &Value| state["kind"] == "savepoint" && state["verdict"] == "usable";
    assert!(!objects(&saved.stdout).iter().any(savepoints), "{saved}");
    let ledger = Ledger::open(&world.path("data")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let held = runtime.block_on(ledger.savepoints(vec![id.parse().unwrap()])).unwrap();
    assert!(
        held.iter()
            .all(|state| state.kind != skep_engine::SavepointKind::Savepoint),
        "{held:?}"
    );
    // It can be stopped all the same where there is room.
    let _ = local(&world).with("stop copy").run().expect_code(0);
    let _ = live.wait();
}
