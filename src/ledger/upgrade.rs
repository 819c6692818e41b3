//! Upgrades: each step is written down before it is done, so that another shell can finish what a dead one began.

use std::fmt;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use skep_engine::{JobId, Lineage};

use super::columns;
use super::error::{LedgerError, Result};
use super::presence;
use super::store::{Failure, Store, step};
use super::transfer::Upgraded;

/// What is about to be done, or what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The old job is being stopped with a savepoint.
    Stopping,
    /// The new statement is being submitted.
    Submitting,
    /// The new job was accepted, and has yet to show that it works.
    Watching,
    /// The new job is being cancelled.
    Cancelling,
    /// The old statement is being submitted again.
    Restoring,
    /// The new job runs.
    Upgraded,
    /// The old statement runs again.
    RolledBack,
    /// The old job was not stopped, and runs on.
    NotStopped,
    /// Neither runs.
    Failed,
}

impl Step {
    /// Whether nothing is left to be done.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Upgraded | Self::RolledBack | Self::NotStopped | Self::Failed
        )
    }

    /// What it was about, as in "it was …".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Stopping => "stopping the old job",
            Self::Submitting => "submitting the new statement",
            Self::Watching => "waiting for the new job",
            Self::Cancelling => "cancelling the new job",
            Self::Restoring => "restoring the old job",
            Self::Upgraded => "done",
            Self::RolledBack => "rolled back",
            Self::NotStopped => "given up: the old job could not be stopped",
            Self::Failed => "given up: neither job runs",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopping => "stopping",
            Self::Submitting => "submitting",
            Self::Watching => "watching",
            Self::Cancelling => "cancelling",
            Self::Restoring => "restoring",
            Self::Upgraded => "upgraded",
            Self::RolledBack => "rolled_back",
            Self::NotStopped => "not_stopped",
            Self::Failed => "failed",
        })
    }
}

/// A statement with what it needs, secrets as references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The statement.
    pub sql: String,
    /// The session-scoped statements it needs, in order.
    pub prelude: Vec<String>,
}

/// How an upgrade is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The directory of the savepoint; the engine's default if none.
    pub dir: Option<String>,
    /// The savepoint in the engine's own format.
    pub native: bool,
    /// That the new job runs is enough: no checkpoint is waited for.
    pub until_running: bool,
    /// How long the new job is waited for, in ms.
    pub timeout_ms: u64,
    /// The state of operators that the new statement does not have is left behind.
    pub allow_non_restored: bool,
}

/// An upgrade of a job: its statement is replaced by another one that goes on from its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// Its id, which is also the id of the request that stops the old job.
    pub id: JobId,
    /// The connection's URL, without secrets.
    pub url: String,
    /// The job's name.
    pub name: String,
    /// The old job.
    pub old_job: JobId,
    /// The old statement.
    pub old: Version,
    /// The new statement.
    pub new: Version,
    /// How it is to be done.
    pub terms: Terms,
    /// The state that the old job was stopped with.
    pub savepoint: Option<Lineage>,
    /// The id that was chosen for the new job.
    pub new_job: Option<JobId>,
    /// The id that was chosen for the old statement's second run.
    pub again_job: Option<JobId>,
    /// It is to be taken back, for this reason.
    pub cause: Option<String>,
    /// The new job has written behind the savepoint: going back there writes those rows again.
    pub overtaken: bool,
    /// What is about to be done.
    pub step: Step,
    /// When it was begun.
    pub began: Timestamp,
}

impl Upgrade {
    /// Whether it is to be taken back.
    pub const fn is_taken_back(&self) -> bool {
        self.cause.is_some()
    }
}

/// A step that an upgrade took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// When it was begun.
    pub at: Timestamp,
    /// Its name.
    pub step: String,
}

impl Store {
    /// Writes down an upgrade that is about to begin.
    pub fn begin_upgrade(&mut self, upgrade: &Upgrade) -> Result<()> {
        self.as_shell(&step!("upgrade"), |transaction, shell| {
            if let Some(open) = open_upgrade(transaction, &upgrade.old_job)? {
                return Err(Failure::Ledger(LedgerError::UpgradeOpen(open.id)));
            }
            transaction.execute(
                "INSERT INTO upgrade (id, url, old_job, step, began, changed, shell, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, '')",
                params![
                    upgrade.id.to_string(),
                    upgrade.url,
                    upgrade.old_job.to_string(),
                    upgrade.step.to_string(),
                    upgrade.began.as_microsecond(),
                    shell,
                ],
            )?;
            write(transaction, upgrade)
        })
    }

    /// Writes down how far an upgrade has come.
    pub fn write_upgrade(&mut self, upgrade: &Upgrade) -> Result<()> {
        self.as_shell(&step!("upgrade"), |transaction, _| write(transaction, upgrade))
    }

    /// Makes an unfinished upgrade this shell's to finish.
    pub fn take_upgrade(&mut self, id: &JobId) -> Result<Upgrade> {
        let dir = self.dir().to_owned();
        self.as_shell(&step!("upgrade"), |transaction, shell| {
            let found = transaction
                .query_row(
                    "SELECT upgrade.*, shell.pid AS pid FROM upgrade LEFT JOIN shell ON shell.id = upgrade.shell \
                     WHERE upgrade.id = ?1",
                    [id.to_string()],
                    |row| {
                        Ok((
                            read(row)?,
                            row.get::<_, Option<i64>>("shell")?,
                            row.get::<_, Option<u32>>("pid")?,
                        ))
                    },
                )
                .optional()?;
            let Some((upgrade, holder, pid)) = found.filter(|(upgrade, ..)| !upgrade.step.is_final()) else {
                return Err(Failure::Ledger(LedgerError::NoUpgrade(*id)));
            };
            if let Some(holder) = holder.filter(|holder| *holder != shell)
                && !presence::is_dead(&dir, holder)
            {
                return Err(Failure::Ledger(LedgerError::UpgradeHeld(pid.unwrap_or_default())));
            }
            transaction.execute(
                "UPDATE upgrade SET shell = ?2 WHERE id = ?1",
                params![id.to_string(), shell],
            )?;
            Ok(upgrade)
        })
    }

    /// Upgrades of that connection (or of all) that are not finished, newest first. `abandoned`: only those whose shell
    /// has ended.
    pub fn open_upgrades(&self, url: Option<&str>, abandoned: bool) -> Result<Vec<Upgrade>> {
        let found: Vec<(Upgrade, Option<i64>)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT * FROM upgrade WHERE (?1 IS NULL OR url = ?1) AND {OPEN} ORDER BY began DESC, id"
            ))?;
            let rows = statement.query_map([url], |row| Ok((read(row)?, row.get("shell")?)))?;
            rows.collect()
        })?;
        let is_left = |shell: Option<i64>| shell.is_none_or(|shell| presence::is_dead(self.dir(), shell));
        let kept = found.into_iter().filter(|(_, shell)| !abandoned || is_left(*shell));
        Ok(kept.map(|(upgrade, _)| upgrade).collect())
    }

    /// Every upgrade that one of these jobs took part in, oldest first.
    pub fn upgrades_of(&self, jobs: &[JobId]) -> Result<Vec<Upgrade>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM upgrade WHERE old_job = ?1 OR new_job = ?1 OR again_job = ?1 ORDER BY began, id",
            )?;
            let mut found: Vec<Upgrade> = Vec::new();
            for job in jobs {
                for upgrade in statement.query_map([job.to_string()], read)? {
                    let upgrade = upgrade?;
                    if !found.iter().any(|known| known.id == upgrade.id) {
                        found.push(upgrade);
                    }
                }
            }
            found.sort_by_key(|upgrade| upgrade.began);
            Ok(found)
        })
    }
}

/// The steps after which something is left to be done, as an index has them.
const OPEN: &str = "step IN ('stopping', 'submitting', 'watching', 'cancelling', 'restoring')";

fn open_upgrade(connection: &Connection, job: &JobId) -> rusqlite::Result<Option<Upgrade>> {
    let mut statement = connection.prepare_cached(&format!("SELECT * FROM upgrade WHERE old_job = ?1 AND {OPEN}"))?;
    statement.query_row([job.to_string()], read).optional()
}

fn write(transaction: &Transaction<'_>, upgrade: &Upgrade) -> Result<(), Failure> {
    let id = upgrade.id.to_string();
    let (text, now) = (
        serde_json::to_string(upgrade).map_err(columns::unfit)?,
        Timestamp::now().as_microsecond(),
    );
    let word = |job: Option<JobId>| job.map(|job| job.to_string());
    let changed = transaction.execute(
        "UPDATE upgrade SET step = ?2, new_job = ?3, again_job = ?4, changed = ?5, record = ?6 WHERE id = ?1",
        params![
            id,
            upgrade.step.to_string(),
            word(upgrade.new_job),
            word(upgrade.again_job),
            now,
            text
        ],
    )?;
    if changed == 0 {
        return Err(Failure::Ledger(LedgerError::NoUpgrade(upgrade.id)));
    }
    transaction.execute(
        "INSERT INTO upgrade_step (upgrade, number, at, step) \
         SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM upgrade_step WHERE upgrade = ?1",
        params![id, now, upgrade.step.to_string()],
    )?;
    Ok(())
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Upgrade> {
    columns::parse_json(&row.get::<_, String>("record")?)
}

/// The steps that an upgrade has taken, in order.
pub(super) fn steps(connection: &Connection, id: &JobId) -> rusqlite::Result<Vec<Taking>> {
    let mut statement =
        connection.prepare_cached("SELECT at, step FROM upgrade_step WHERE upgrade = ?1 ORDER BY number")?;
    let taking = |row: &Row<'_>| {
        Ok(Taking {
            at: columns::timestamp(row.get("at")?)?,
            step: row.get("step")?,
        })
    };
    statement.query_map([id.to_string()], taking)?.collect()
}

/// Takes in an upgrade of another ledger: one that is not there, or that has come further there.
pub(super) fn take_in(transaction: &Transaction<'_>, upgraded: &Upgraded) -> Result<bool, Failure> {
    let Upgraded { upgrade, steps } = upgraded;
    let known = transaction
        .query_row("SELECT * FROM upgrade WHERE id = ?1", [upgrade.id.to_string()], read)
        .optional()?;
    match known {
        Some(known) if known.step.is_final() || !upgrade.step.is_final() => return Ok(false),
        Some(_) => {}
        None => {
            transaction.execute(
                "INSERT INTO upgrade (id, url, old_job, step, began, changed, record) VALUES (?1, ?2, ?3, '', ?4, ?4, '')",
                params![
                    upgrade.id.to_string(),
                    upgrade.url,
                    upgrade.old_job.to_string(),
                    upgrade.began.as_microsecond(),
                ],
            )?;
        }
    }
    write(transaction, upgrade)?;
    if !steps.is_empty() {
        let id = upgrade.id.to_string();
        transaction.execute("DELETE FROM upgrade_step WHERE upgrade = ?1", [&id])?;
        for (number, taking) in (1_i64..).zip(steps) {
            transaction.execute(
                "INSERT INTO upgrade_step (upgrade, number, at, step) VALUES (?1, ?2, ?3, ?4)",
                params![id, number, taking.at.as_microsecond(), taking.step],
            )?;
        }
    }
    Ok(true)
}
