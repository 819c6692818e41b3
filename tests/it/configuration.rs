//! The configuration file.

use crate::world::{Program, World};

fn with(world: &World, text: &str) -> Program {
    let file = world.write("config.toml", text);
    world.scripted().env("SKEP_CONFIG", file)
}

#[test]
fn a_connection_has_a_name() {
    let world = World::new();
    let text = "default = 'one'\n[set]\nformat = 'csv'\nheader = false\n[connections.one]\nurl = 'scripted:'\n\
                [connections.two]\nurl = 'scripted:inside'\n";
    drop(
        with(&world, text)
            .with("-e")
            .arg("SELECT 1")
            .run()
            .expect(0, "0,row 0\n"),
    );
    let script = "!connect\n!connect one\n!connect\n!connect three\n";
    let output = with(&world, text)
        .with("-c two --force")
        .stdin(script)
        .run()
        .expect_code(1);
    let shown: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with("scripted:"))
        .collect();
    assert!(
        shown[0].starts_with("scripted:inside ·") && shown[1].starts_with("scripted: ·"),
        "{output}"
    );
    let output = output
        .expect_stderr("no connection is named \"three\"")
        .expect_stderr("known are one, two");
    assert!(output.stdout.contains("    two · scripted:inside\n"), "{output}");
    // A flag wins over the file.
    drop(
        with(&world, text)
            .with("-o tsv --showHeader=true -e")
            .arg("SELECT 1")
            .run()
            .expect(0, "n\ttext\n0\trow 0\n"),
    );
    drop(with(&world, text).with("-u scripted: -c two").run().expect_code(2));
}

#[test]
fn a_file_that_is_not_what_it_has_to_be_is_refused_and_not_repeated() {
    let world = World::new();
    for (text, told) in [
        (
            "[connections.a]\nurl = 'scripted:'\npassword = 'geheim'\n",
            "line 3: unknown field `password`",
        ),
        ("[secrets]\nk = 'geheim'\n", "line 2: "),
        ("[set]\nformat = 'geheim'\n", ""),
        ("[set]\nno = 'x'\n", "the configuration file: no setting no"),
        ("default = 'a\n", "line 1: "),
    ] {
        let output = with(&world, text).with("-u scripted: -e").arg("SELECT 1").run();
        assert!(output.code != 0 && output.stdout.is_empty(), "{text}: {output}");
        assert!(output.stderr.contains(told), "{text}: {output}");
        assert!(!told.contains("line") || !output.stderr.contains("geheim"), "{output}");
    }
    // One that is named has to be there; the usual one has not.
    let program = world.scripted().env("SKEP_CONFIG", world.path("none.toml"));
    drop(program.with("-u scripted: -e").arg("SELECT 1").run().expect(2, ""));
    drop(
        world
            .scripted()
            .with("-u scripted: -o csv -e")
            .arg("SELECT 1")
            .run()
            .expect(0, "n,text\n0,row 0\n"),
    );
}

#[test]
fn a_secret_comes_from_where_the_file_says() {
    let world = World::new();
    world.write("key", "S3cr3tOne\n");
    for origin in [
        "{ file = 'key' }",
        "{ env = 'MY_KEY' }",
        "{ command = 'cat \"$SKEP_CONFIG.key\"' }",
    ] {
        world.write("config.toml.key", "S3cr3tOne\n");
        let program = with(&world, &format!("[secrets]\n'my.password' = {origin}\n")).env("MY_KEY", "S3cr3tOne");
        let output = program
            .with("-u scripted: -e")
            .arg("SET 'my.password' = '${secret:my.password}'")
            .run()
            .expect_code(0);
        assert!(!output.stderr.contains("S3cr3tOne"), "{output}");
        let journal = world.journal();
        let last = journal.last().unwrap();
        assert!(last.contains("= 'S3cr3tOne'"), "{origin}: {last}");
    }
    let program = with(&world, "[secrets]\n'my.password' = { command = 'exit 3' }\n");
    let output = program
        .with("-u scripted: -e")
        .arg("SET 'my.password' = '${secret:my.password}'")
        .run();
    drop(output.expect_code(1).expect_stderr("exit status: 3"));
}

#[test]
fn a_property_file_of_beelines_says_where_and_as_whom() {
    let world = World::new();
    let file = world.write(
        "c.properties",
        "url = scripted\\:\nuser=bee\npassword=geheim\ndriver=org.apache.hive.jdbc.HiveDriver\n",
    );
    let program = || {
        world
            .scripted()
            .with("-o csv --showHeader=false --property-file")
            .arg(&file)
    };
    drop(program().with("-e").arg("SELECT 1").run().expect(0, "0,row 0\n"));
    drop(program().with("-u scripted: -e").arg("SELECT 1").run().expect_code(2));
    let empty = world.write("d.properties", "user=bee\npassword=geheim\n");
    let output = world.scripted().with("--property-file").arg(&empty).run();
    assert!(!output.stderr.contains("geheim"), "{output}");
    output.expect_code(2).expect_stderr("names no `url`");
}
