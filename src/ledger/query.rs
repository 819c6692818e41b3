//! The database as one thread uses it: what is read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, Params, params};
use skep_engine::{JobId, Lineage, Savepoint};

use super::columns::{self, Fact};
use super::error::{LedgerError, Result};
use super::presence::{self, Life};
use super::record::{Abandoned, AwaitedLabel, Family, JobFilter, JobRecord, NewestSavepoints, Part};
use super::store::Store;
use crate::savepoint::{Claim, path_key};

/// So many runs of one name are looked at, the newest, and as many that have not ended: with them it can be told which one
/// goes on.
const RUNS: usize = 200;

/// Of a job that has not ended, as an index has it.
const GOES_ON: &str = "coalesce(state, '') NOT IN ('FAILED', 'CANCELED', 'FINISHED')";

/// Of a statement that the engine has refused: it has left no job, and no name means it.
const LEFT_A_JOB: &str = "outcome IN ('open', 'accepted', 'unknown')";

/// That a job is meant by a word: `?1` is the beginning of an id, if it can be one, `?2` the word, `?3` the URL. Each part
/// has an index of its own.
pub(super) fn meant(url: Option<&str>) -> String {
    let here = of_url(url, 3);
    // Behind the last digit comes `g`. The `+` keeps the index by URL out of it, which would find too many.
    let here = here.replace("job.url", "+job.url");
    format!(
        "job.seq IN ( \
         SELECT seq FROM job WHERE job_id >= ?1 AND job_id < ?1 || 'g' AND {here} \
         UNION ALL SELECT seq FROM job WHERE operation_id = ?2 AND {here} \
         UNION ALL SELECT seq FROM (SELECT seq FROM job WHERE name = ?2 AND {here} AND {LEFT_A_JOB} ORDER BY seq DESC LIMIT {RUNS}) \
         UNION ALL SELECT seq FROM (SELECT seq FROM job INDEXED BY job_going_on WHERE name = ?2 AND {here} AND {GOES_ON} \
         ORDER BY seq DESC LIMIT {RUNS})) AND job.{LEFT_A_JOB} ORDER BY job.seq DESC"
    )
}

/// That a job is of the connection, if one is given: `?N` is its URL. An index helps only where that is said plainly.
fn of_url(url: Option<&str>, parameter: usize) -> String {
    match url {
        Some(_) => format!("job.url = ?{parameter}"),
        None => format!("?{parameter} IS NULL"),
    }
}

/// A reference by prefix has at least so many digits.
const SHORTEST_PREFIX: usize = 4;

impl Store {
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        // One transaction, so that several selects see one moment.
        let failed = |error| LedgerError::of(&self.path, &error);
        let transaction = self.connection.unchecked_transaction().map_err(failed)?;
        work(&transaction).map_err(failed)
    }

    /// Jobs, newest first.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRecord>> {
        let part = match filter.part {
            Part::All => "TRUE",
            Part::Jobs => "job.outcome IN ('open', 'accepted', 'unknown')",
            Part::NotEnded => {
                "job.outcome IN ('open', 'accepted', 'unknown') \
                 AND coalesce(job.state, '') NOT IN ('FAILED', 'CANCELED', 'FINISHED')"
            }
            Part::Unsettled => "job.outcome IN ('open', 'unknown')",
        };
        let limit = filter.limit.map_or(-1, i64::from);
        let condition = format!(
            "{} AND {part} ORDER BY job.seq DESC LIMIT ?2",
            of_url(filter.url.as_deref(), 1)
        );
        self.read(|connection| {
            let jobs = rows(connection, &condition, params![filter.url, limit])?;
            if filter.brief {
                return Ok(jobs.into_iter().map(|(_, job)| job).collect());
            }
            with_preludes(connection, jobs)
        })
    }

    /// The job of that id: of that connection, or of another that has one.
    pub fn job(&self, url: &str, id: &JobId) -> Result<Option<JobRecord>> {
        self.read(|connection| job(connection, url, id))
    }

    /// Every job that the word may mean: by id, prefix of an id, operation id or name; newest first.
    pub fn find(&self, word: &str, url: Option<&str>) -> Result<Vec<JobRecord>> {
        let digits = word.to_ascii_lowercase();
        let is_prefix = digits.len() >= SHORTEST_PREFIX && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let prefix = is_prefix.then_some(digits);
        let condition = meant(url);
        self.read(|connection| select(connection, &condition, params![prefix, word, url]))
    }

    /// Statements whose outcome is still to be had and whose shell has ended: somebody else must ask the engine.
    pub fn orphans(&self, url: Option<&str>) -> Result<Vec<JobRecord>> {
        let condition = format!("{} AND job.outcome IN ('open', 'unknown')", of_url(url, 1));
        let shells: BTreeSet<i64> = self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT DISTINCT job.shell FROM job WHERE {condition} AND shell > 0"
            ))?;
            statement.query_map([url], |row| row.get(0))?.collect()
        })?;
        let dead: Vec<_> = shells
            .into_iter()
            .filter(|shell| presence::is_dead(self.dir(), *shell))
            .map(|shell| shell.to_string())
            .collect();
        let condition = format!(
            "{condition} AND job.shell IN ({}) ORDER BY job.seq DESC",
            dead.join(", ")
        );
        self.read(|connection| select(connection, &condition, [url]))
    }

    /// Queries that are not known to have ended and whose shell has, or may have: nobody reads their rows.
    pub fn abandoned(&self) -> Result<Vec<Abandoned>> {
        let condition = format!("job.is_query AND job.outcome = 'accepted' AND {GOES_ON}");
        let shells: Vec<(i64, u32, Option<String>)> = self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT id, pid, place FROM shell WHERE id IN (SELECT shell FROM job WHERE {condition} AND shell > 0)"
            ))?;
            let shells = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            shells.collect()
        })?;
        let here = presence::place(&self.path);
        let mut found = Vec::new();
        for (shell, pid, place) in shells {
            let is_certain = match presence::life(self.dir(), shell) {
                Life::Alive => continue,
                Life::NotSeen => place.is_some() && place == here && !presence::runs(pid),
                Life::Unknown => false,
            };
            let condition = format!("{condition} AND job.shell = ?1 ORDER BY job.seq DESC");
            let records = self.read(|connection| rows(connection, &condition, [shell]))?;
            found.extend(records.into_iter().map(|(_, record)| Abandoned { record, is_certain }));
        }
        Ok(found)
    }

    /// Statements of which nothing has been heard yet, of any connection.
    pub fn submitted(&self) -> Result<Vec<JobRecord>> {
        self.read(|connection| select(connection, "job.outcome = 'open'", []))
    }

    /// The savepoints of these jobs and those that they were restored from, newest first.
    pub fn savepoints(&self, jobs: &[JobId]) -> Result<Vec<Savepoint>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM savepoint \
                 WHERE job_id = ?1 OR key IN (SELECT restored_key FROM job WHERE job_id = ?1)",
            )?;
            let mut found = BTreeMap::new();
            for job in jobs {
                let mut rows = statement.query([job.to_string()])?;
                while let Some(row) = rows.next()? {
                    let key: String = row.get("key")?;
                    found.insert((Reverse(recency(row)?), key), columns::savepoint(row)?);
                }
            }
            Ok(found.into_values().collect())
        })
    }

    /// The runs on that connection of statements in which this text stands, newest first.
    pub fn runs(&self, url: &str, text: &str) -> Result<Vec<JobRecord>> {
        let condition = "job.url = ?1 AND instr(job.sql, ?2) > 0 AND job.outcome IN ('open', 'accepted', 'unknown') \
                         ORDER BY job.seq DESC";
        self.read(|connection| select(connection, condition, [url, text]))
    }

    /// The jobs that have taken over the state they started from.
    pub fn claims(&self) -> Result<Vec<Claim>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT job_id, url, restored_path, restored_job, restored_checkpoint FROM job \
                 WHERE claim = 'claim' AND restored_path IS NOT NULL AND outcome IN ('open', 'accepted', 'unknown')",
            )?;
            let claims = statement.query_map([], |row| {
                let by = columns::parse_id(&row.get::<_, String>("job_id")?)?;
                let url: String = row.get("url")?;
                Ok(columns::origin(row)?.map(|state| Claim { by, url, state }))
            })?;
            claims.filter_map(Result::transpose).collect()
        })
    }

    /// The newest savepoint of each job that is not known to be gone, and those that are.
    pub fn newest_savepoints(&self) -> Result<NewestSavepoints> {
        self.read(|connection| {
            let mut found = NewestSavepoints::default();
            let mut statement = connection.prepare_cached(
                "SELECT key, path, job_id, verdict = 'gone' FROM savepoint WHERE kind = 'savepoint' \
                 ORDER BY coalesce(taken, recorded)",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if row.get(3)? {
                    found.gone.insert(row.get(0)?);
                } else if let Some(job) = row.get::<_, Option<String>>(2)? {
                    found.newest.insert(columns::parse_id(&job)?, row.get(1)?);
                }
            }
            Ok(found)
        })
    }

    /// The labels that savepoints of that job, or of any, are to get once they are found.
    pub fn awaited_labels(&self, job: Option<JobId>) -> Result<Vec<AwaitedLabel>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT job_id, url, label, asked FROM awaited_label WHERE ?1 IS NULL OR job_id = ?1 ORDER BY asked",
            )?;
            let found = statement.query_map([job.map(|job| job.to_string())], |row| {
                let asked: i64 = row.get(3)?;
                Ok(AwaitedLabel {
                    job: columns::parse_id(&row.get::<_, String>(0)?)?,
                    url: row.get(1)?,
                    label: row.get(2)?,
                    asked: columns::timestamp(asked)?,
                })
            })?;
            found.collect()
        })
    }

    /// The savepoint at that path.
    pub fn savepoint(&self, path: &str) -> Result<Option<Savepoint>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM savepoint WHERE key = ?1")?;
            statement.query_row([path_key(path)], columns::savepoint).optional()
        })
    }

    /// The savepoints that were recorded on this connection, or on any, newest first.
    pub fn all_savepoints(&self, url: Option<&str>) -> Result<Vec<Savepoint>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM savepoint WHERE ?1 IS NULL OR url = ?1 ORDER BY coalesce(taken, recorded) DESC, rowid DESC",
            )?;
            statement.query_map([url], columns::savepoint)?.collect()
        })
    }

    /// The savepoints of that label on this connection, or on any, newest first.
    pub fn labelled(&self, label: &str, url: Option<&str>) -> Result<Vec<Savepoint>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM savepoint WHERE label = ?1 AND (?2 IS NULL OR url = ?2) \
                 ORDER BY coalesce(taken, recorded) DESC",
            )?;
            statement.query_map(params![label, url], columns::savepoint)?.collect()
        })
    }

    /// Who was restored from whose state, upwards and downwards.
    pub fn family(&self, id: &JobId) -> Result<Family> {
        self.read(|connection| {
            Ok(Family {
                ancestors: ancestors(connection, *id)?,
                descendants: descendants(connection, id)?,
            })
        })
    }
}

fn recency(row: &rusqlite::Row<'_>) -> rusqlite::Result<i64> {
    match row.get::<_, Option<i64>>("taken")? {
        Some(taken) => Ok(taken),
        None => row.get("recorded"),
    }
}

/// Jobs with their numbers, without their preludes.
fn rows(connection: &Connection, condition: &str, parameters: impl Params) -> rusqlite::Result<Vec<(i64, JobRecord)>> {
    let sql = format!(
        "SELECT {} FROM job LEFT JOIN shell ON shell.id = job.shell WHERE {condition}",
        columns::JOB
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(parameters, |row| Ok((row.get("seq")?, columns::job(row)?)))?;
    rows.collect()
}

fn with_preludes(connection: &Connection, jobs: Vec<(i64, JobRecord)>) -> rusqlite::Result<Vec<JobRecord>> {
    let mut whole = Vec::with_capacity(jobs.len());
    for (sequence, mut job) in jobs {
        job.intent.prelude = prelude(connection, sequence)?;
        whole.push(job);
    }
    Ok(whole)
}

/// Jobs with their numbers and preludes.
pub(super) fn select_numbered(
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<(i64, JobRecord)>> {
    let jobs = rows(connection, condition, parameters)?;
    let numbers: Vec<i64> = jobs.iter().map(|(sequence, _)| *sequence).collect();
    Ok(numbers.into_iter().zip(with_preludes(connection, jobs)?).collect())
}

/// Jobs with their preludes.
fn select(connection: &Connection, condition: &str, parameters: impl Params) -> rusqlite::Result<Vec<JobRecord>> {
    with_preludes(connection, rows(connection, condition, parameters)?)
}

fn prelude(connection: &Connection, job: i64) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT statement.text FROM prelude JOIN statement ON statement.id = prelude.statement \
         WHERE prelude.job = ?1 ORDER BY prelude.position",
    )?;
    statement.query_map([job], |row| row.get(0))?.collect()
}

/// The facts of that sort that are kept of a job.
fn texts(connection: &Connection, job: i64, fact: Fact) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare_cached(
        "SELECT fact.name, statement.text FROM fact JOIN statement ON statement.id = fact.statement \
         WHERE fact.job = ?1 AND fact.sort = ?2",
    )?;
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    statement.query_map(params![job, fact.as_str()], pair)?.collect()
}

/// The job of that id, with the facts that are kept of it: of that connection, or the newest of another.
pub(super) fn job(connection: &Connection, url: &str, id: &JobId) -> rusqlite::Result<Option<JobRecord>> {
    let Some(sequence) = sequence(connection, url, id)? else {
        return Ok(None);
    };
    let Some(mut job) = select(connection, "job.seq = ?1", [sequence])?.pop() else {
        return Ok(None);
    };
    job.intent.submission.circumstances = texts(connection, sequence, Fact::Circumstance)?;
    job.intent.submission.objects = texts(connection, sequence, Fact::Object)?;
    Ok(Some(job))
}

/// The number of the job of that id: of that connection, or the newest of another. One cluster is reached by several
/// URLs, and what one connection sees of a job holds for the other too.
pub(super) fn sequence(connection: &Connection, url: &str, id: &JobId) -> rusqlite::Result<Option<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM job WHERE job_id = ?1 ORDER BY url = ?2 DESC, seq DESC LIMIT 1")?;
    statement.query_row([&id.to_string(), url], |row| row.get(0)).optional()
}

/// The number of that connection's own job of that id.
pub(super) fn own_sequence(connection: &Connection, url: &str, id: &JobId) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT seq FROM job WHERE job_id = ?1 AND url = ?2")?;
    statement.query_row([&id.to_string(), url], |row| row.get(0)).optional()
}

/// What the newest job of that id was restored from. A savepoint is the same whichever connection it is seen through.
fn origin(connection: &Connection, id: JobId) -> rusqlite::Result<Option<Lineage>> {
    let newest = select(
        connection,
        "job.job_id = ?1 ORDER BY job.seq DESC LIMIT 1",
        [id.to_string()],
    )?;
    Ok(newest.into_iter().find_map(|job| job.intent.restored_from))
}

fn ancestors(connection: &Connection, id: JobId) -> rusqlite::Result<Vec<Lineage>> {
    let mut lineages = Vec::new();
    let mut seen = HashSet::from([id]);
    let mut next = Some(id);
    while let Some(id) = next.take() {
        let Some(lineage) = origin(connection, id)? else {
            break;
        };
        // A record that says a job comes from itself must not send us round and round.
        next = lineage.job_id.filter(|origin| seen.insert(*origin));
        lineages.push(lineage);
    }
    Ok(lineages)
}

/// The origin with its job: where the engine did not say which job made the state, the savepoint's own record does.
pub(super) fn with_job(connection: &Connection, origin: Option<&Lineage>) -> rusqlite::Result<Option<Lineage>> {
    let Some(mut origin) = origin.cloned() else {
        return Ok(None);
    };
    if origin.job_id.is_none() {
        let mut statement = connection.prepare_cached("SELECT job_id FROM savepoint WHERE key = ?1")?;
        let maker: Option<Option<String>> = statement
            .query_row([path_key(&origin.path)], |row| row.get(0))
            .optional()?;
        origin.job_id = maker.flatten().as_deref().map(columns::parse_id).transpose()?;
    }
    Ok(Some(origin))
}

fn descendants(connection: &Connection, id: &JobId) -> rusqlite::Result<Vec<JobRecord>> {
    let condition = format!(
        "job.job_id <> ?1 AND job.outcome IN ('open', 'accepted', 'unknown') AND job.job_id IN ({DESCENT}) \
         ORDER BY job.seq"
    );
    select(connection, &condition, [id.to_string()])
}

/// The ids of job `?1` and of its descendants.
const DESCENT: &str = "WITH RECURSIVE descent (id) AS \
    (SELECT ?1 UNION SELECT job.job_id FROM job JOIN descent ON job.restored_job = descent.id) SELECT id FROM descent";

/// The ids of a job, its ancestors and its descendants.
pub(super) fn family_ids(connection: &Connection, id: JobId) -> rusqlite::Result<HashSet<JobId>> {
    let origins = ancestors(connection, id)?
        .into_iter()
        .filter_map(|lineage| lineage.job_id);
    let mut family: HashSet<JobId> = origins.collect();
    let mut statement = connection.prepare_cached(DESCENT)?;
    for descendant in statement.query_map([id.to_string()], |row| row.get::<_, String>(0))? {
        family.insert(columns::parse_id(&descendant?)?);
    }
    Ok(family)
}
