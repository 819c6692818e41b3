//! A shell is killed while it reads the rows of a query.

use super::cases::TABLES;
use super::{Case, Door, Way};
use crate::cases::Shell;

/// Each has sessions and names of jobs of its own.
pub fn all() -> Vec<Case> {
    let shared = |name, run| Case {
        name,
        run,
        alone: false,
        stand_in_only: false,
    };
    vec![
        shared("a_shell_that_was_killed", a_shell_that_was_killed),
        shared(
            "a_shell_that_was_killed_without_rest",
            a_shell_that_was_killed_without_rest,
        ),
    ]
}

/// Kills a shell that reads a query; the next one ends that, and nothing else, and says so.
fn killed(door: &Door, flags: &str) {
    let (shell, how) = (Shell::new(), if flags.is_empty() { "REST" } else { "SQL" });
    let [written, read] =
        ["written", "read"].map(|what| format!("{what} by a shell that was killed, by {} and {how}", door.way));
    let witness = door.server.witness();
    let mut live = door.csv(&shell).with(flags).start();
    live.send(format!(
        "{TABLES}SET 'pipeline.name' = '{written}';\nINSERT INTO snk SELECT id FROM src;\nSET 'pipeline.name' = \
         '{read}';\nSELECT id FROM src;\n"
    ));
    live.wait_out("id\n1\n2\n");
    live.kill();
    let [written, read] = [written, read].map(|name| witness.wait_named(&name));
    // The server closes the session of a connection that ends, and with it its query. By REST there is none.
    let ends_it = door.way == Way::Thrift;
    if ends_it {
        witness.wait_state(&read, "CANCELED");
    } else {
        witness.wait_running(&read);
    }

    let mut next = door.csv(&shell).with(flags).start();
    if !ends_it {
        let err = next.wait_err(
            "is a query of a shell that has ended: nobody can read its rows any more · cancelled, it is CANCELED",
        );
        assert!(err.contains(&format!("(job {})", &read[..8])), "{err}");
        assert_eq!(witness.state(&read), "CANCELED");
    }
    witness.wait_running(&written);
    next.send(format!("!cancel {written}\n"));
    let output = next.wait().expect_code(0);
    assert_eq!(witness.state(&written), "CANCELED", "{output}");
}

fn a_shell_that_was_killed(door: &Door) {
    killed(door, "");
}

/// Where job verbs are SQL it takes a few seconds, which nobody waits for.
fn a_shell_that_was_killed_without_rest(door: &Door) {
    killed(door, "--rest http://127.0.0.1:1");
}
