//! The shell with one more engine, `scripted:`, which misbehaves on command. The tests drive it.
//!
//! Its statements say what it shall do:
//!
//! | statement | what happens |
//! |---|---|
//! | `SELECT n` | n rows come |
//! | `SELECT ENDLESS` | rows come for ever, in a job |
//! | `SELECT ENDLESS QUIETLY` | three rows come, then none, in a job |
//! | `SELECT GATED n` | n rows come, in a job that ends with them; after the third when `GATE` opens, many at once |
//! | `EXPLAIN …` | one row |
//! | `FAIL 'message'` | the statement is rejected |
//! | `SELECT n FAILING 'message'` | n rows come, then the query fails |
//! | `INSERT INTO name` | a job without rows starts and runs until it is ended |
//! | `INSERT INTO name BOUNDED` | a job that ends when `GATE` opens |
//! | `INSERT INTO name SLOWLY` | the same, answered when `GATE` opens |
//! | `INSERT INTO name UNANSWERED` | a job starts, and the submission is answered when `GATE` opens |
//! | `DIE name 'message'` | the running job of that name fails |
//! | `SELECT PANIC 'message'` | the driver panics |
//! | `SLOW` | the submission is answered when `GATE` opens |
//! | `INSERT INTO name LOST` | a job starts, and the reply to the submission is lost |
//! | `CANCEL LIES`, `CANCEL HANGS`, `CANCEL WORKS`, `CANCEL FAILS` | how cancels behave from now on |
//! | `SAVEPOINT FAILS`, `SAVEPOINT HANGS`, `SAVEPOINT WORKS` | how savepoints behave from now on |
//! | `SET 'key' = 'value'` | a setting |
//!
//! | URL | what it is |
//! |---|---|
//! | `scripted:` | a cluster of this shell's own, in which its jobs stay when it leaves |
//! | `scripted:inside` | the same, but its jobs end with the shell |
//! | `scripted:kept` | a cluster that outlives the shell: the next one finds the jobs that run |
//! | `scripted:away` | nobody answers |
//! | `scripted:mute` | a cluster that does not say which jobs it has |
//!
//! There are two tables to be completed, `flights` and `weather`.
//!
//! `GATE` opens when the file that the environment variable `SCRIPTED_GATE` names exists. What was submitted, cancelled
//! and saved is written, a line each, to the file that `SCRIPTED_JOURNAL` names; so is a status that was asked for in vain. The
//! jobs of `scripted:kept` are kept in the directory that `SCRIPTED_CLUSTER` names.

mod engine;
mod jobs;

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let mut engines = skep::engines::Engines::builtin();
    engines.add(Arc::new(engine::Scripted));
    skep::app::main(engines)
}
