//! Ctrl-C, Ctrl-Z, Ctrl-D and the signals, in a real terminal, against an engine that misbehaves on command.

mod editing;
mod leaving;
mod statement;
mod upgrade;

use crate::world::{Pty, World, scripted};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";

/// A shell on the scripted engine that waits for its first statement.
fn shell(world: &World) -> Pty {
    let pty = world.scripted().with("-u scripted:").pty();
    pty.wait_prompt("scripted> ");
    pty
}

/// A shell within a shell with job control, which is what Ctrl-Z and `fg` are about.
fn shell_in_bash(world: &World) -> Pty {
    shell_in_bash_at(world, "scripted:")
}

fn shell_in_bash_at(world: &World, url: &str) -> Pty {
    let mut pty = world
        .program("bash")
        .with("--norc --noprofile -i")
        .env("PS1", "bash$ ")
        .pty();
    pty.wait_for("bash", |screen| screen.line == "bash$ ");
    pty.line(&format!("{} -u {url}", scripted().display()));
    pty.wait_prompt("scripted> ");
    pty
}

/// Types a statement that gives rows without end and waits until some have come.
fn start_endless(pty: &mut Pty) {
    pty.line("SELECT ENDLESS QUIETLY;");
    pty.wait_text("row 2");
}
