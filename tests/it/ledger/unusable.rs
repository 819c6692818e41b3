//! A ledger that can't be used: no room, a read-only disk, damage, another version's.

use std::fs;
use std::path::Path;

use super::held;
use crate::world::{World, scripted};

#[test]
fn where_there_is_no_room_to_write_it_down_it_runs_all_the_same_and_that_is_said_once() {
    let world = World::new();
    let shell = world.scripted().with("-u scripted: -e").arg("INSERT INTO first");
    drop(shell.run().expect_code(0));
    // Files that are no longer than this, as on a disk that is full: there is room to open the ledger, and for little more.
    let command = format!(
        "trap '' XFSZ; ulimit -f 40; exec {} -u scripted: --force",
        scripted().display()
    );
    let script: String = (0..20).map(|n| format!("INSERT INTO t{n};\n")).collect();
    let output = world.program("bash").arg("-c").arg(command).stdin(script).run();
    let output = output.expect_code(0).expect_stderr("what runs now is not remembered");
    assert_eq!(output.stderr.matches("warning").count(), 1, "{output}");
    let submitted = world.journal();
    let names = submitted
        .iter()
        .filter_map(|line| line.strip_prefix("submit INSERT INTO "));
    let names: Vec<_> = names.collect();
    let all: Vec<_> = (0..20).map(|n| format!("t{n}")).collect();
    assert_eq!(names[1..], all);
    let held = held(&world);
    let held: Vec<_> = held.iter().map(|job| job.intent.name.as_str()).collect();
    assert!(held.len() < names.len() && names.starts_with(&held), "{held:?}");
}

#[test]
fn without_a_ledger_it_works_on_and_says_so_once() {
    let garbage: Vec<u8> = (0..5000_u32).map(|n| (n * 7 % 251) as u8).collect();
    type Break = fn(&World, &[u8]);
    let broken: [(&str, Break); 4] = [
        ("the directory is a file", |world, _| {
            world.write("data", "");
        }),
        ("it is no database", |world, garbage| {
            fs::create_dir(world.path("data")).unwrap();
            fs::write(world.path("data/ledger.db"), garbage).unwrap();
        }),
        ("it is a directory", |world, _| {
            fs::create_dir_all(world.path("data/ledger.db")).unwrap();
        }),
        ("its middle is gone", |world, garbage| {
            drop(
                world
                    .scripted()
                    .with("-u scripted: -e")
                    .arg("INSERT INTO a")
                    .run()
                    .expect_code(0),
            );
            let path = world.path("data/ledger.db");
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len().min(5000);
            bytes[40..end].copy_from_slice(&garbage[40..end]);
            fs::write(path, bytes).unwrap();
            for file in ["data/ledger.db-wal", "data/ledger.db-shm"] {
                let _ = fs::remove_file(world.path(file));
            }
        }),
    ];
    for (what, make) in broken {
        let world = World::new();
        make(&world, &garbage);
        let before = fs::read(world.path("data/ledger.db")).ok();
        let script = "INSERT INTO a; INSERT INTO b;\n!jobs -a\n!savepoint a\n!stop b\nSELECT 1;\n";
        let output = world.scripted().with("-u scripted: -o csv").stdin(script).run();
        assert!(
            output.code == 0 && output.stdout.ends_with("n,text\n0,row 0\n"),
            "{what}: {output}"
        );
        let warnings = output.stderr.lines().filter(|line| line.starts_with("warning")).count();
        assert!(warnings == 1 && output.stderr.contains("ledger"), "{what}: {output}");
        assert_eq!(
            before,
            fs::read(world.path("data/ledger.db")).ok(),
            "{what}: it is left as it is"
        );
    }
}

#[test]
fn a_ledger_that_is_found_to_be_damaged_is_given_up_and_left_as_it_is() {
    let world = World::new();
    let first = world.scripted().with("-u scripted: -e").arg("INSERT INTO a");
    drop(first.run().expect_code(0));
    let path = world.path("data/ledger.db");
    // It opens well: only the page where the jobs begin is overwritten.
    let database = rusqlite::Connection::open(&path).unwrap();
    let number = |sql: &str| {
        let number = database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        usize::try_from(number).unwrap()
    };
    let size = number("PRAGMA page_size");
    let root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'job'");
    database
        .pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
        .unwrap();
    drop(database);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(root - 1) * size..root * size].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let is_as_it_was = |output: &crate::world::Output| {
        assert!(fs::read(&path).unwrap() == bytes, "{output}");
        let warnings = output.stderr.matches("is damaged").count();
        assert_eq!(warnings, 1, "{output}");
    };
    let script = "INSERT INTO b; INSERT INTO c;\n!jobs -a\n!savepoint b\n!stop c\nSELECT 1;\n";
    let output = world.scripted().with("-u scripted: -o csv").stdin(script).run();
    let output = output.expect_code(0);
    assert!(output.stdout.ends_with("n,text\n0,row 0\n"), "{output}");
    is_as_it_was(&output);
    is_as_it_was(&world.scripted().with("-u scripted: jobs").run().expect_code(0));
    let output = world.scripted().with("-u scripted: note a hello").run().expect(1, "");
    assert!(fs::read(&path).unwrap() == bytes, "{output}");
    assert!(output.stderr.contains("is damaged"), "{output}");
}

/// A small file system of its own, which ends with the value.
struct Mount(std::path::PathBuf);

impl Mount {
    /// `None` where none can be made: that takes root, and a kernel that has tmpfs.
    fn small(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mounted = Self::mount("size=512k,mode=700", path);
        mounted.then(|| Self(path.to_owned()))
    }

    fn mount(options: &str, path: &Path) -> bool {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "skep-test"]).arg(path);
        mount.output().is_ok_and(|output| output.status.success())
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("honey")).unwrap();
        let block = [b'h'; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn make_read_only(&self) {
        assert!(Self::mount("remount,ro", &self.0));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut umount = std::process::Command::new("umount");
        let _ = umount.arg("-l").arg(&self.0).output();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "whoever runs the tests reads it")]
fn on_a_full_or_read_only_disk_the_shell_works_and_says_what_it_can_not() {
    for (what, harm) in [
        ("full", Mount::fill as fn(&Mount)),
        ("read-only", Mount::make_read_only),
    ] {
        let world = World::new();
        let Some(mount) = Mount::small(&world.path("data")) else {
            eprintln!("not tested: a small file system can't be mounted here, which takes root");
            return;
        };
        let program = |sql: &str| world.scripted().with("-u scripted: -o csv -e").arg(sql);
        drop(program("INSERT INTO a").run().expect_code(0));
        let before = fs::read(world.path("data/ledger.db")).unwrap();
        harm(&mount);
        let output = program("INSERT INTO b; INSERT INTO c; INSERT INTO d; SELECT 1").run();
        let output = output.expect(0, "n,text\n0,row 0\n");
        let mut told = output.stderr.lines().filter(|line| line.starts_with("warning"));
        let only = told.next().filter(|_| told.next().is_none());
        assert!(only.is_some_and(|line| line.contains("ledger")), "{what}: {output}");
        // On a full disk what is in the write-ahead log may still find its place in the file.
        let now = fs::read(world.path("data/ledger.db")).unwrap();
        assert!(what == "full" || before == now, "{what}: it is left as it is");
    }
}

#[test]
fn a_ledger_of_a_newer_version_is_left_alone_and_that_is_said_once() {
    let world = World::new();
    let program = |sql: &str| world.scripted().with("-u scripted: -o csv -e").arg(sql);
    drop(program("INSERT INTO a").run().expect_code(0));
    let path = world.path("data/ledger.db");
    let later = rusqlite::Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 9_999).unwrap();
    later.close().unwrap();
    let bytes = fs::read(&path).unwrap();
    let output = program("INSERT INTO b; INSERT INTO c; SELECT 1")
        .run()
        .expect(0, "n,text\n0,row 0\n");
    assert_eq!(output.stderr.matches("has format 9999").count(), 1, "{output}");
    assert!(!output.stderr.contains("not remembered:"), "{output}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
