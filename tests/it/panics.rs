//! A panic is told as an error is, and ends no more than the statement it was in.

use crate::world::World;

#[test]
fn a_drivers_panic_is_a_clean_error_of_its_statement() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: -o csv --showHeader=false --force");
    let output = program
        .stdin("SELECT 1; SELECT PANIC 'at \u{1b}[31mnoon'; SELECT 1;\n")
        .run();
    let output = output.expect(1, "0,row 0\n0,row 0\n");
    let lines: Vec<_> = output
        .stderr
        .lines()
        .filter(|line| line.contains("internal error: "))
        .collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(
        lines[0].starts_with("warning: ") && lines[0].contains("engine.rs:"),
        "{output}"
    );
    assert!(lines[1].starts_with("error: "), "{output}");
    assert!(lines.iter().all(|line| line.contains("noon")), "{output}");
    for raw in ["thread '", "RUST_BACKTRACE", "\u{1b}"] {
        assert!(!output.stderr.contains(raw), "{raw:?} in {output}");
    }
}
