//! The `skep` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    skep::app::main(skep::engines::Engines::builtin())
}
