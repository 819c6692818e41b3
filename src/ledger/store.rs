//! The database as one thread uses it: what is written.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use skep_engine::{ClaimMode, JobId, JobStatus, OperationId, Recipe, Savepoint, StartedJob};

use super::columns::Fact;
use super::error::{LedgerError, Result};
use super::presence::{self, Presence};
use super::record::{AwaitedLabel, Intent, JobRecord, LastKnown, Outcome, Submission};
use super::{columns, query, schema};
use crate::failpoint;
use crate::savepoint::path_key;

/// An open ledger.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Declared with the first intent: a shell that only reads leaves no trace.
    presence: Option<Presence>,
}

/// The two failpoints around a commit.
pub(super) struct Step {
    pub before: &'static str,
    pub after: &'static str,
}

macro_rules! step {
    ($name:literal) => {
        $crate::ledger::store::Step {
            before: concat!("ledger.", $name, ".before"),
            after: concat!("ledger.", $name, ".after"),
        }
    };
}
pub(super) use step;

impl Store {
    /// Opens the ledger in that directory.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("ledger.db");
        let connection = schema::open(&path)?;
        Ok(Self {
            connection,
            path,
            presence: None,
        })
    }

    /// Leaves the file as it is also when it is closed: nothing of the log is brought into it.
    pub fn leave_as_it_is(&self) {
        // Where that can't be set the log is brought in as by any other process.
        let _ = self
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }

    /// The ledger's directory.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Runs `work` in one transaction: all of it is kept, or nothing.
    pub(super) fn write<T>(
        &mut self,
        step: &Step,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let Self { connection, path, .. } = self;
        let failed = |error| LedgerError::of(path, &error);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let before = transaction.total_changes();
        let done = work(&transaction).map_err(|failure| match failure {
            Failure::Sql(error) => failed(error),
            Failure::Ledger(error) => error,
        })?;
        if transaction.total_changes() > before {
            failpoint::hit(step.before);
            transaction.commit().map_err(failed)?;
            failpoint::hit(step.after);
        }
        Ok(done)
    }

    /// Runs `work` in one transaction, with the number of this shell, which from then on is known to be alive.
    pub(super) fn as_shell<T>(
        &mut self,
        step: &Step,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, Failure>,
    ) -> Result<T> {
        let (dir, path) = (self.dir().to_owned(), self.path.clone());
        let present = self.presence.as_ref().map(|presence| presence.shell);
        let (done, declared) = self.write(step, |transaction| match present {
            Some(shell) => Ok((work(transaction, shell)?, None)),
            None => {
                let presence = declare(transaction, &dir, path)?;
                Ok((work(transaction, presence.shell)?, Some(presence)))
            }
        })?;
        if declared.is_some() {
            self.presence = declared;
        }
        Ok(done)
    }

    /// Writes down what is about to be submitted.
    pub fn intend(&mut self, intent: &Intent) -> Result<()> {
        self.as_shell(&step!("intent"), |transaction, shell| {
            if query::own_sequence(transaction, &intent.url, &intent.job_id)?.is_some() {
                return Err(Failure::Ledger(LedgerError::Duplicate(intent.job_id)));
            }
            insert(transaction, intent, &Outcome::Open, Timestamp::now(), Some(shell)).map(drop)
        })
    }

    /// Writes down that what a shell that has ended may have submitted is about to be submitted again under the same
    /// id, of which the engine takes only one.
    pub fn intend_again(&mut self, intent: &Intent) -> Result<()> {
        self.as_shell(&step!("intent"), |transaction, shell| {
            let Some(sequence) = query::own_sequence(transaction, &intent.url, &intent.job_id)? else {
                return insert(transaction, intent, &Outcome::Open, Timestamp::now(), Some(shell)).map(drop);
            };
            transaction.execute(
                "UPDATE job SET shell = ?2, outcome = 'open', message = NULL WHERE seq = ?1 AND outcome <> 'accepted'",
                params![sequence, shell],
            )?;
            Ok(())
        })
    }

    /// Writes down that the engine has accepted it, under the id that the engine gave it.
    pub fn accept(
        &mut self,
        url: &str,
        intent: JobId,
        started: &StartedJob,
        operation: Option<&OperationId>,
    ) -> Result<()> {
        self.write(&step!("accepted"), |transaction| {
            let sequence = known(transaction, url, intent)?;
            transaction.execute(
                "UPDATE job SET job_id = ?2, name = ?3, cluster_id = ?4, operation_id = coalesce(?5, operation_id), \
                 outcome = 'accepted', message = NULL WHERE seq = ?1",
                params![
                    sequence,
                    started.job_id.to_string(),
                    started.name,
                    started.cluster_id,
                    operation.map(|operation| &operation.0),
                ],
            )?;
            Ok(())
        })
    }

    /// Writes down what came of it. That it was accepted is never taken back: another shell has seen it.
    pub fn settle(&mut self, url: &str, job: JobId, outcome: &Outcome) -> Result<()> {
        let (word, message) = columns::outcome(outcome);
        self.write(&step!("settled"), |transaction| {
            let sequence = known(transaction, url, job)?;
            transaction.execute(
                "UPDATE job SET outcome = ?2, message = ?3 \
                 WHERE seq = ?1 AND outcome IN ('open', 'unknown') AND (outcome, message) IS NOT (?2, ?3)",
                params![sequence, word, message],
            )?;
            Ok(())
        })
    }

    /// Takes out a job that left nothing to go back to. Its savepoints stay.
    pub fn forget(&mut self, url: &str, job: JobId) -> Result<()> {
        self.write(&step!("forgotten"), |transaction| {
            let Some(sequence) = query::own_sequence(transaction, url, &job)? else {
                return Ok(());
            };
            transaction.execute("DELETE FROM prelude WHERE job = ?1", params![sequence])?;
            transaction.execute("DELETE FROM fact WHERE job = ?1", params![sequence])?;
            transaction.execute("DELETE FROM job WHERE seq = ?1", params![sequence])?;
            Ok(())
        })
    }

    /// Forgets a savepoint.
    pub fn forget_saved(&mut self, path: &str) -> Result<()> {
        self.write(&step!("forgotten"), |transaction| {
            transaction.execute("DELETE FROM savepoint WHERE key = ?1", params![path_key(path)])?;
            Ok(())
        })
    }

    /// Writes down a job's state, unless a later one is known. Jobs of other origin are not kept.
    pub fn note_status(&mut self, url: &str, job: JobId, status: &JobStatus) -> Result<()> {
        let seen = columns::at_stored_precision(LastKnown {
            state: status.state,
            as_of: status.as_of,
            started: status.started,
            ended: status.ended,
            ended_by: status.ended_by,
            error: status.error.clone(),
        });
        self.write(&step!("status"), |transaction| {
            let (Some(sequence), Some(record)) = (
                query::sequence(transaction, url, &job)?,
                query::job(transaction, url, &job)?,
            ) else {
                return Ok(());
            };
            let last = later(record.last.clone(), seen);
            if record.last.as_ref() == Some(&last) {
                return Ok(());
            }
            update_last(transaction, sequence, &last)
        })
    }

    /// Keeps a savepoint, and its label if it has one.
    pub fn save(&mut self, url: &str, savepoint: &Savepoint) -> Result<()> {
        self.write(&step!("savepoint"), |transaction| {
            save(transaction, url, savepoint, Timestamp::now())
        })
    }

    /// Keeps the label of a savepoint that is about to be asked for: the last one that was asked for of that job.
    pub fn await_label(&mut self, awaited: &AwaitedLabel) -> Result<()> {
        self.write(&step!("label"), |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO awaited_label (job_id, url, label, asked) VALUES (?1, ?2, ?3, ?4)",
                params![
                    awaited.job.to_string(),
                    awaited.url,
                    awaited.label,
                    awaited.asked.as_microsecond()
                ],
            )?;
            Ok(())
        })
    }

    /// There will be no such savepoint.
    pub fn forget_label(&mut self, url: &str, job: JobId) -> Result<()> {
        self.write(&step!("label"), |transaction| {
            transaction.execute(
                "DELETE FROM awaited_label WHERE job_id = ?1 AND url = ?2",
                params![job.to_string(), url],
            )?;
            Ok(())
        })
    }

    /// Gives the savepoint a label and returns the path of the one that had it until now.
    ///
    /// Within a job's family (its ancestors and descendants) a label names one savepoint, the last to be given it: so
    /// that `nightly` can be given every night.
    pub fn label(&mut self, path: &str, label: &str) -> Result<Option<String>> {
        self.write(&step!("label"), |transaction| move_label(transaction, path, label))
    }

    /// Takes over what an engine has written down of its jobs. What is there already is brought up to date; nothing is
    /// removed.
    pub fn import(&mut self, url: &str, engine: &str, recipes: &[Recipe]) -> Result<()> {
        self.write(&step!("import"), |transaction| {
            // Oldest first, so that jobs are numbered in the order in which they started.
            let mut recipes: Vec<_> = recipes.iter().collect();
            recipes.sort_by_key(|recipe| recipe.started);
            for recipe in recipes {
                import(transaction, url, engine, recipe)?;
            }
            Ok(())
        })
    }
}

/// Why a transaction is given up.
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Ledger(LedgerError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Gives this shell its number, and holds its lock before anybody can read the number.
fn declare(transaction: &Transaction<'_>, dir: &Path, path: PathBuf) -> Result<Presence, Failure> {
    transaction.execute(
        "INSERT INTO shell (pid, started, place) VALUES (?1, ?2, ?3)",
        params![
            std::process::id(),
            Timestamp::now().as_microsecond(),
            presence::place(&path)
        ],
    )?;
    Presence::declare(dir, transaction.last_insert_rowid()).map_err(|error| {
        let cause = error.to_string();
        Failure::Ledger(LedgerError::Open { path, cause })
    })
}

/// The number of that connection's job of that id, which must be there.
fn known(transaction: &Transaction<'_>, url: &str, job: JobId) -> Result<i64, Failure> {
    query::own_sequence(transaction, url, &job)?.ok_or(Failure::Ledger(LedgerError::NoJob(job)))
}

/// Keeps a savepoint, or what is now known of it, and its label if it has one.
pub(super) fn save(
    transaction: &Transaction<'_>,
    url: &str,
    savepoint: &Savepoint,
    recorded: Timestamp,
) -> Result<(), Failure> {
    let (kind, verdict) = (columns::word(&savepoint.kind)?, columns::word(&savepoint.verdict)?);
    let reasons = serde_json::to_string(&savepoint.reasons).map_err(columns::unfit)?;
    transaction.execute(
        "INSERT INTO savepoint (key, path, url, kind, job_id, checkpoint_id, taken, size, format_version, \
         verdict, reasons, recorded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (key) DO UPDATE SET url = ?3, kind = ?4, job_id = coalesce(?5, job_id), \
         checkpoint_id = coalesce(?6, checkpoint_id), taken = coalesce(?7, taken), size = coalesce(?8, size), \
         format_version = coalesce(?9, format_version), verdict = ?10, reasons = ?11",
        params![
            path_key(&savepoint.path),
            savepoint.path,
            url,
            kind,
            savepoint.job_id.map(|job| job.to_string()),
            savepoint.checkpoint_id.map(u64::cast_signed),
            savepoint.taken.map(Timestamp::as_microsecond),
            savepoint.size.map(u64::cast_signed),
            savepoint.format_version,
            verdict,
            reasons,
            recorded.as_microsecond(),
        ],
    )?;
    // A job may have been restored from it before it was known whose it is.
    transaction.execute(
        "UPDATE job SET restored_job = ?2 WHERE restored_key = ?1 AND restored_job IS NULL AND ?2 IS NOT NULL",
        params![path_key(&savepoint.path), savepoint.job_id.map(|job| job.to_string())],
    )?;
    match &savepoint.label {
        Some(label) => {
            if let Some(job) = savepoint.job_id {
                transaction.execute(
                    "DELETE FROM awaited_label WHERE job_id = ?1 AND url = ?2 AND label = ?3",
                    params![job.to_string(), url, label],
                )?;
            }
            move_label(transaction, &savepoint.path, label).map(drop)
        }
        None => Ok(()),
    }
}

/// The later of two states. The end of a job is not taken back by a state that was seen before it.
pub(super) fn later(known: Option<LastKnown>, seen: LastKnown) -> LastKnown {
    let Some(known) = known else {
        return seen;
    };
    let keep = match (known.state.is_terminal(), seen.state.is_terminal()) {
        (true, false) => true,
        (false, true) => false,
        _ => known.as_of > seen.as_of,
    };
    let (mut newer, older) = if keep { (known, seen) } else { (seen, known) };
    newer.started = newer.started.or(older.started);
    if newer.state == older.state {
        newer.ended = newer.ended.or(older.ended);
        newer.ended_by = newer.ended_by.or(older.ended_by);
        newer.error = newer.error.or(older.error);
    }
    newer
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    intent: &Intent,
    outcome: &Outcome,
    created: Timestamp,
    shell: Option<i64>,
) -> Result<i64, Failure> {
    let (word, message) = columns::outcome(outcome);
    let origin = query::with_job(transaction, intent.restored_from.as_ref())?;
    let origin = origin.as_ref();
    transaction.execute(
        "INSERT INTO job (job_id, url, engine, name, sql, restored_path, restored_key, restored_job, \
         restored_checkpoint, created, shell, outcome, message) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            intent.job_id.to_string(),
            intent.url,
            intent.engine,
            intent.name,
            intent.sql,
            origin.map(|origin| &origin.path),
            origin.map(|origin| path_key(&origin.path)),
            origin.and_then(|origin| origin.job_id).map(|job| job.to_string()),
            origin.and_then(|origin| origin.checkpoint_id).map(u64::cast_signed),
            created.as_microsecond(),
            shell,
            word,
            message,
        ],
    )?;
    let sequence = transaction.last_insert_rowid();
    write_prelude(transaction, sequence, &intent.prelude)?;
    write_submission(transaction, sequence, &intent.submission)?;
    Ok(sequence)
}

/// Writes how a job was submitted, of which nothing was known.
pub(super) fn write_submission(
    transaction: &Transaction<'_>,
    job: i64,
    submission: &Submission,
) -> rusqlite::Result<()> {
    let plan = submission.plan.as_ref();
    transaction.execute(
        "UPDATE job SET claim = ?2, plan_path = ?3, plan_sha256 = ?4, is_query = ?5 WHERE seq = ?1",
        params![
            job,
            (submission.claim != ClaimMode::NoClaim).then(|| submission.claim.as_str()),
            plan.map(|plan| &plan.path),
            plan.and_then(|plan| plan.sha256.as_ref()),
            submission.is_query,
        ],
    )?;
    write_facts(transaction, job, Fact::Circumstance, &submission.circumstances)?;
    write_facts(transaction, job, Fact::Object, &submission.objects)
}

fn write_facts(
    transaction: &Transaction<'_>,
    job: i64,
    fact: Fact,
    texts: &BTreeMap<String, String>,
) -> rusqlite::Result<()> {
    for (name, text) in texts {
        let statement = write_text(transaction, text)?;
        transaction.execute(
            "INSERT INTO fact (job, sort, name, statement) VALUES (?1, ?2, ?3, ?4)",
            params![job, fact.as_str(), name, statement],
        )?;
    }
    Ok(())
}

fn write_prelude(transaction: &Transaction<'_>, job: i64, prelude: &[String]) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM prelude WHERE job = ?1", [job])?;
    for (position, text) in (0_i64..).zip(prelude) {
        let statement = write_text(transaction, text)?;
        transaction.execute(
            "INSERT INTO prelude (job, position, statement) VALUES (?1, ?2, ?3)",
            params![job, position, statement],
        )?;
    }
    Ok(())
}

/// Each text is kept once, whichever jobs need it.
fn write_text(transaction: &Transaction<'_>, text: &str) -> rusqlite::Result<i64> {
    let hash = content_hash(text);
    let known: Option<i64> = transaction
        .prepare_cached("SELECT id FROM statement WHERE hash = ?1 AND text = ?2")?
        .query_row(params![hash, text], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    transaction.execute(
        "INSERT INTO statement (hash, text) VALUES (?1, ?2)",
        params![hash, text],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// FNV-1a, 64 bits: finds equal texts quickly. Texts are compared as well, so that a collision does no harm.
fn content_hash(text: &str) -> i64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

pub(super) fn update_last(transaction: &Transaction<'_>, sequence: i64, last: &LastKnown) -> Result<(), Failure> {
    let ended_by = last.ended_by.as_ref().map(columns::word).transpose()?;
    transaction.execute(
        "UPDATE job SET state = ?2, as_of = ?3, started = ?4, ended = ?5, ended_by = ?6, error = ?7 WHERE seq = ?1",
        params![
            sequence,
            last.state.as_str(),
            last.as_of.as_microsecond(),
            last.started.map(Timestamp::as_microsecond),
            last.ended.map(Timestamp::as_microsecond),
            ended_by,
            last.error,
        ],
    )?;
    Ok(())
}

fn move_label(transaction: &Transaction<'_>, path: &str, label: &str) -> Result<Option<String>, Failure> {
    let key = path_key(path);
    let job: Option<Option<String>> = transaction
        .query_row("SELECT job_id FROM savepoint WHERE key = ?1", [&key], |row| row.get(0))
        .optional()?;
    let Some(job) = job else {
        return Err(Failure::Ledger(LedgerError::NoSavepoint(path.to_owned())));
    };
    let family = match &job {
        Some(job) => query::family_ids(transaction, columns::parse_id(job)?)?,
        None => HashSet::new(),
    };
    let mut holders = transaction.prepare("SELECT key, path, job_id FROM savepoint WHERE label = ?1 AND key <> ?2")?;
    let holders: Vec<(String, String, Option<String>)> = holders
        .query_map([label, &key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut former = None;
    for (holder, path, maker) in holders {
        let related = match maker {
            Some(maker) => family.contains(&columns::parse_id(&maker)?),
            None => job.is_none(),
        };
        if related {
            transaction.execute("UPDATE savepoint SET label = NULL WHERE key = ?1", [holder])?;
            former = Some(path);
        }
    }
    transaction.execute("UPDATE savepoint SET label = ?2 WHERE key = ?1", params![key, label])?;
    Ok(former)
}

fn import(transaction: &Transaction<'_>, url: &str, engine: &str, recipe: &Recipe) -> Result<(), Failure> {
    let sequence = query::own_sequence(transaction, url, &recipe.job_id)?;
    let known = match sequence {
        Some(_) => query::job(transaction, url, &recipe.job_id)?,
        None => None,
    };
    let intent = Intent {
        job_id: recipe.job_id,
        url: url.to_owned(),
        engine: engine.to_owned(),
        name: recipe.name.clone(),
        sql: recipe.sql.clone(),
        prelude: recipe.prelude.clone(),
        restored_from: query::with_job(transaction, recipe.restored_from.as_ref())?,
        submission: known
            .as_ref()
            .map_or_else(Submission::default, |record| record.intent.submission.clone()),
    };
    let seen = columns::at_stored_precision(LastKnown {
        state: recipe.state,
        as_of: recipe.ended.unwrap_or(recipe.started),
        started: Some(recipe.started),
        ended: recipe.ended,
        ended_by: recipe.ended_by,
        error: recipe.error.clone(),
    });
    let last = later(known.as_ref().and_then(|record| record.last.clone()), seen);
    let (Some(sequence), Some(known)) = (sequence, known) else {
        let sequence = insert(transaction, &intent, &Outcome::Accepted, recipe.started, None)?;
        return update_last(transaction, sequence, &last);
    };
    let changed = JobRecord {
        intent,
        outcome: Outcome::Accepted,
        last: Some(last),
        ..known.clone()
    };
    if changed == known {
        return Ok(());
    }
    replace(transaction, sequence, &changed)
}

/// Writes what an engine's own record can change of a job.
pub(super) fn replace(transaction: &Transaction<'_>, sequence: i64, record: &JobRecord) -> Result<(), Failure> {
    let JobRecord { intent, last, .. } = record;
    let origin = intent.restored_from.as_ref();
    transaction.execute(
        "UPDATE job SET engine = ?2, name = ?3, sql = ?4, restored_path = ?5, restored_key = ?6, \
         restored_job = ?7, restored_checkpoint = ?8, outcome = 'accepted', message = NULL WHERE seq = ?1",
        params![
            sequence,
            intent.engine,
            intent.name,
            intent.sql,
            origin.map(|origin| &origin.path),
            origin.map(|origin| path_key(&origin.path)),
            origin.and_then(|origin| origin.job_id).map(|job| job.to_string()),
            origin.and_then(|origin| origin.checkpoint_id).map(u64::cast_signed),
        ],
    )?;
    write_prelude(transaction, sequence, &intent.prelude)?;
    match last {
        Some(last) => update_last(transaction, sequence, last),
        None => Ok(()),
    }
}
