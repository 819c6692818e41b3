//! Rehearsals that make something on a cluster: it is written down before it is made, so that another shell can remove what a
//! dead one has left.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use skep_engine::JobId;

use super::columns;
use super::error::Result;
use super::presence;
use super::store::{Store, step};

/// A rehearsal that goes on, or whose shell has ended before it could remove what was made for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Its id.
    pub id: JobId,
    /// The connection's URL, without secrets.
    pub url: String,
    /// The name of the job that it is about.
    pub name: String,
    /// That job.
    pub job: JobId,
    /// The id of the request for a savepoint of the job, if one is taken for it.
    pub trigger: Option<JobId>,
    /// The path of that savepoint, once it is known.
    pub savepoint: Option<String>,
    /// The ids that were chosen for the jobs that it starts.
    pub trials: Vec<JobId>,
    /// When it was begun.
    pub began: Timestamp,
}

impl Store {
    /// Writes down what a rehearsal is about to make, or what is now known of it.
    pub fn write_rehearsal(&mut self, rehearsal: &Rehearsal) -> Result<()> {
        self.as_shell(&step!("upgrade"), |transaction, shell| {
            let text = serde_json::to_string(rehearsal).map_err(columns::unfit)?;
            transaction.execute(
                "INSERT INTO rehearsal (id, url, shell, record) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (id) DO UPDATE SET shell = ?3, record = ?4",
                params![rehearsal.id.to_string(), rehearsal.url, shell, text],
            )?;
            Ok(())
        })
    }

    /// Nothing of it is left.
    pub fn end_rehearsal(&mut self, id: &JobId) -> Result<()> {
        self.write(&step!("upgrade"), |transaction| {
            transaction.execute("DELETE FROM rehearsal WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
    }

    /// Makes those of that connection whose shell has ended this shell's to clear away.
    pub fn take_rehearsals(&mut self, url: &str) -> Result<Vec<Rehearsal>> {
        let abandoned: Vec<(String, Option<i64>)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, shell FROM rehearsal WHERE url = ?1")?;
            let rows = statement.query_map([url], |row| Ok((row.get("id")?, row.get("shell")?)))?;
            rows.collect()
        })?;
        let is_left = |shell: Option<i64>| shell.is_none_or(|shell| presence::is_dead(self.dir(), shell));
        let abandoned: Vec<_> = abandoned.into_iter().filter(|(_, shell)| is_left(*shell)).collect();
        if abandoned.is_empty() {
            return Ok(Vec::new());
        }
        self.as_shell(&step!("upgrade"), |transaction, own| {
            let mut taken = Vec::new();
            for (id, shell) in abandoned {
                // Another shell may have been faster.
                let found = transaction
                    .query_row(
                        "UPDATE rehearsal SET shell = ?3 WHERE id = ?1 AND shell IS ?2 RETURNING record",
                        params![id, shell, own],
                        read,
                    )
                    .optional()?;
                taken.extend(found);
            }
            Ok(taken)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Rehearsal> {
    columns::parse_json(&row.get::<_, String>("record")?)
}
