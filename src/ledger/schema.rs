//! The database file: made, opened, brought to the format of this version.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::error::{LedgerError, Result};

/// How long one process waits for another.
const PATIENCE: Duration = Duration::from_secs(5);

/// Marks the file as a ledger: "skep" in ASCII (SQLite's `application_id`).
const APPLICATION_ID: i64 = 0x736b_6570;

/// What brings the format from N to N + 1; the database's `user_version` is N.
///
/// Times are microseconds since 1970, ids are hex text, a `job.seq` grows with each job.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE shell (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        pid INTEGER NOT NULL,
        started INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE job (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        url TEXT NOT NULL,
        engine TEXT NOT NULL,
        name TEXT NOT NULL,
        sql TEXT NOT NULL,
        restored_path TEXT,
        restored_key TEXT,
        restored_job TEXT,
        restored_checkpoint INTEGER,
        created INTEGER NOT NULL,
        shell INTEGER REFERENCES shell (id),
        outcome TEXT NOT NULL,
        message TEXT,
        cluster_id TEXT,
        operation_id TEXT,
        state TEXT,
        as_of INTEGER,
        started INTEGER,
        ended INTEGER,
        ended_by TEXT,
        error TEXT
    ) STRICT;
    CREATE INDEX job_by_url ON job (url);
    CREATE INDEX job_by_name ON job (name);
    CREATE INDEX job_by_origin ON job (restored_job);
    CREATE INDEX job_by_origin_key ON job (restored_key);
    CREATE TABLE statement (
        id INTEGER PRIMARY KEY,
        hash INTEGER NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX statement_by_hash ON statement (hash);
    CREATE TABLE prelude (
        job INTEGER NOT NULL REFERENCES job (seq),
        position INTEGER NOT NULL,
        statement INTEGER NOT NULL REFERENCES statement (id),
        PRIMARY KEY (job, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE savepoint (
        key TEXT PRIMARY KEY,
        path TEXT NOT NULL,
        url TEXT NOT NULL,
        kind TEXT NOT NULL,
        job_id TEXT,
        checkpoint_id INTEGER,
        taken INTEGER,
        size INTEGER,
        format_version INTEGER,
        label TEXT,
        verdict TEXT NOT NULL,
        reasons TEXT NOT NULL,
        recorded INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX savepoint_by_job ON savepoint (job_id);
    CREATE INDEX savepoint_by_label ON savepoint (label);
",
    "
    CREATE TABLE upgrade (
        id TEXT PRIMARY KEY,
        url TEXT NOT NULL,
        old_job TEXT NOT NULL,
        new_job TEXT,
        again_job TEXT,
        step TEXT NOT NULL,
        began INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        shell INTEGER REFERENCES shell (id),
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX upgrade_by_old_job ON upgrade (old_job);
    CREATE INDEX upgrade_by_new_job ON upgrade (new_job);
    CREATE INDEX upgrade_by_again_job ON upgrade (again_job);
    CREATE INDEX upgrade_by_step ON upgrade (step);
    CREATE TABLE upgrade_step (
        upgrade TEXT NOT NULL REFERENCES upgrade (id),
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        step TEXT NOT NULL,
        PRIMARY KEY (upgrade, number)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- A job's id is its own on one connection: that another has one of the same id keeps none from being remembered.
    CREATE TABLE new_job (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL,
        url TEXT NOT NULL,
        engine TEXT NOT NULL,
        name TEXT NOT NULL,
        sql TEXT NOT NULL,
        restored_path TEXT,
        restored_key TEXT,
        restored_job TEXT,
        restored_checkpoint INTEGER,
        created INTEGER NOT NULL,
        shell INTEGER REFERENCES shell (id),
        outcome TEXT NOT NULL,
        message TEXT,
        cluster_id TEXT,
        operation_id TEXT,
        state TEXT,
        as_of INTEGER,
        started INTEGER,
        ended INTEGER,
        ended_by TEXT,
        error TEXT,
        UNIQUE (job_id, url)
    ) STRICT;
    INSERT INTO new_job (seq, job_id, url, engine, name, sql, restored_path, restored_key, restored_job,
        restored_checkpoint, created, shell, outcome, message, cluster_id, operation_id, state, as_of, started, ended,
        ended_by, error)
        SELECT seq, job_id, url, engine, name, sql, restored_path, restored_key, restored_job,
        restored_checkpoint, created, shell, outcome, message, cluster_id, operation_id, state, as_of, started, ended,
        ended_by, error FROM job;
    UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'job') WHERE name = 'new_job';
    DROP TABLE job;
    ALTER TABLE new_job RENAME TO job;
    CREATE INDEX job_by_url ON job (url);
    CREATE INDEX job_by_name ON job (name);
    CREATE INDEX job_by_origin ON job (restored_job);
    CREATE INDEX job_by_origin_key ON job (restored_key);
",
    "
    ALTER TABLE job ADD COLUMN claim TEXT;
    ALTER TABLE job ADD COLUMN plan_path TEXT;
    ALTER TABLE job ADD COLUMN plan_sha256 TEXT;
    CREATE INDEX job_by_claim ON job (claim) WHERE claim IS NOT NULL;
    CREATE TABLE fact (
        job INTEGER NOT NULL REFERENCES job (seq),
        sort TEXT NOT NULL,
        name TEXT NOT NULL,
        statement INTEGER NOT NULL REFERENCES statement (id),
        PRIMARY KEY (job, sort, name)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE note (
        id INTEGER PRIMARY KEY,
        subject TEXT NOT NULL,
        at INTEGER NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (subject, at, text)
    ) STRICT;
    CREATE INDEX job_by_operation ON job (operation_id) WHERE operation_id IS NOT NULL;
    CREATE INDEX job_unsettled ON job (url) WHERE outcome IN ('open', 'unknown');
    CREATE INDEX job_going_on ON job (name) WHERE coalesce(state, '') NOT IN ('FAILED', 'CANCELED', 'FINISHED');
",
    "
    -- What a savepoint is to be called that was asked for and whose path is not known yet.
    CREATE TABLE awaited_label (
        job_id TEXT NOT NULL,
        url TEXT NOT NULL,
        label TEXT NOT NULL,
        asked INTEGER NOT NULL,
        PRIMARY KEY (job_id, url)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Where the shell's lock proves something: NULL is nowhere.
    ALTER TABLE shell ADD COLUMN place TEXT;
    ALTER TABLE job ADD COLUMN is_query INTEGER NOT NULL DEFAULT FALSE;
    CREATE INDEX job_read ON job (shell) WHERE is_query AND outcome = 'accepted'
        AND coalesce(state, '') NOT IN ('FAILED', 'CANCELED', 'FINISHED');
",
    "
    -- What was made for a rehearsal, to be removed when it is over.
    CREATE TABLE rehearsal (
        id TEXT PRIMARY KEY,
        url TEXT NOT NULL,
        shell INTEGER REFERENCES shell (id),
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX rehearsal_by_url ON rehearsal (url);
",
];

/// The newest format that is known here.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Opens the ledger's file and makes it if it is not there: the directory 0700, the file 0600. SQLite gives its own
/// files beside it the same mode.
pub(super) fn open(path: &Path) -> Result<Connection> {
    make(path).map_err(|error| LedgerError::Open {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| LedgerError::of(path, &error);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    check(&connection, path)?;
    choose_journal(&connection, path).map_err(failed)?;
    // A committed intent must also survive the machine.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // A table is replaced by another of its name: only when all is done must what refers to it be right.
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    migrate(&mut connection, path)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    Ok(connection)
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map(drop)
}

/// Refuses what is not a ledger, or one that we don't know how to read, before anything is changed.
fn check(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| LedgerError::of(path, &error);
    let number = |name: &str| patiently(|| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)));
    // In this order: another process that makes the ledger at this moment does all of it in one transaction, so that
    // its mark, which is looked at last, is there if anything else of it was seen.
    let objects: i64 = patiently(|| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)))
        .map_err(failed)?;
    let found = number("user_version").map_err(failed)?;
    let application = number("application_id").map_err(failed)?;
    if application != APPLICATION_ID && (application != 0 || found != 0 || objects > 0) {
        return Err(LedgerError::Foreign { path: path.to_owned() });
    }
    if found > newest() {
        return Err(LedgerError::Newer {
            path: path.to_owned(),
            found,
            known: newest(),
        });
    }
    Ok(())
}

/// A write-ahead log where the file system carries it, so that readers and the writer don't wait for each other; a
/// rollback journal elsewhere.
fn choose_journal(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let set = |mode: &str| {
        patiently(|| connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0)))
    };
    if is_remote(path) {
        // The log's index is shared memory, which machines can't share (sqlite.org/wal.html).
        return set("delete").map(drop);
    }
    match set("wal") {
        Ok(mode) if mode == "wal" => Ok(()),
        Err(error) if is_busy(&error) => Err(error),
        Ok(_) | Err(_) => set("delete").map(drop),
    }
}

/// Whether the file lies on another machine, as far as the system tells.
#[cfg(target_os = "linux")]
pub(super) fn is_remote(path: &Path) -> bool {
    /// NFS, SMB, CIFS, SMB2, AFS, Ceph, Coda, 9P, Lustre, GFS2, GPFS (statfs(2), linux/magic.h).
    const REMOTE: &[u64] = &[
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x5346_414f,
        0x00c3_6400,
        0x7375_7245,
        0x0102_1997,
        0x0bd0_0bd0,
        0x0116_1970,
        0x4750_4653,
    ];
    rustix::fs::statfs(path).is_ok_and(|facts| {
        // The field is signed on some platforms: only its low 32 bits count.
        #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_lossless)]
        let kind = facts.f_type as u64 & 0xffff_ffff;
        REMOTE.contains(&kind)
    })
}

/// Whether the file lies on another machine, as far as the system tells.
#[cfg(target_os = "macos")]
fn is_remote(path: &Path) -> bool {
    /// Set for file systems of this machine (sys/mount.h).
    const MNT_LOCAL: u32 = 0x1000;
    rustix::fs::statfs(path).is_ok_and(|facts| facts.f_flags & MNT_LOCAL == 0)
}

/// Whether the file lies on another machine: this system does not tell.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn is_remote(_path: &Path) -> bool {
    false
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let failed = |error| LedgerError::of(path, &error);
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if patiently(|| version(connection)).map_err(failed)? == newest() {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Another process may have been quicker.
    let found = version(&transaction).map_err(failed)?;
    for (step, sql) in (1_i64..).zip(MIGRATIONS) {
        if step > found {
            transaction.execute_batch(sql).map_err(failed)?;
        }
    }
    if found < newest() {
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", newest())
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// SQLite does not wait by itself where it fears a deadlock, such as while several processes turn to the log at once.
fn patiently<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let start = Instant::now();
    loop {
        match work() {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_read_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("data/skep");
        let path = dir.join("ledger.db");
        let connection = open(&path).unwrap();
        connection
            .execute_batch("INSERT INTO shell (pid, started) VALUES (1, 1)")
            .unwrap();
        assert_eq!(mode(&dir), 0o700);
        for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn a_new_ledger_is_empty_and_a_second_opening_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            let version: i64 = connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap();
            assert_eq!(version, newest());
            let journal: String = connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .unwrap();
            assert_eq!(journal, "wal");
        }
    }

    #[test]
    fn a_newer_format_is_refused_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        open(&path)
            .unwrap()
            .pragma_update(None, "user_version", newest() + 1)
            .unwrap();
        let error = open(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the ledger {} has format {}; this version knows up to {}",
                path.display(),
                newest() + 1,
                newest()
            )
        );
        assert!(error.hint().unwrap().contains("newer version"));
        let connection = Connection::open(&path).unwrap();
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, newest() + 1);
    }

    #[test]
    fn an_older_ledger_is_brought_up_to_date_with_all_it_holds() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        let older = Connection::open(&path).unwrap();
        older.execute_batch(MIGRATIONS[0]).unwrap();
        older
            .execute_batch(
                "INSERT INTO shell (id, pid, started) VALUES (1, 1, 1);
                 INSERT INTO job (seq, job_id, url, engine, name, sql, created, shell, outcome)
                     VALUES (5, 'a', 'u', 'e', 'n', 's', 1, 1, 'accepted'), (9, 'b', 'u', 'e', 'n', 's', 1, 1, 'open');
                 DELETE FROM job WHERE seq = 9;
                 INSERT INTO statement (id, hash, text) VALUES (1, 1, 'SET');
                 INSERT INTO prelude (job, position, statement) VALUES (5, 0, 1)",
            )
            .unwrap();
        older.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        older.pragma_update(None, "user_version", 1).unwrap();
        drop(older);
        let newer = open(&path).unwrap();
        let broken: i64 = newer
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(broken, 0);
        let insert =
            "INSERT INTO job (job_id, url, engine, name, sql, created, outcome) VALUES (?1, ?2, '', '', '', 1, 'open')";
        newer.execute(insert, ["a", "another"]).unwrap();
        assert_eq!(newer.last_insert_rowid(), 10, "a number is given once");
        assert!(newer.execute(insert, ["a", "u"]).is_err());
        // What a job needs is still its own.
        assert!(newer.execute("DELETE FROM job WHERE seq = 5", []).is_err());
        newer.execute_batch("DELETE FROM prelude; DELETE FROM job").unwrap();
    }

    #[test]
    fn what_is_not_a_database_is_refused_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        for text in ["honey", &"honey, bread and butter ".repeat(100)] {
            fs::write(&path, text).unwrap();
            let error = open(&path).unwrap_err();
            assert!(matches!(error, LedgerError::Damaged { .. }), "{error:?}");
            assert!(error.hint().unwrap().contains(&path.display().to_string()));
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left as it was");
        }
    }

    #[test]
    fn a_database_of_something_else_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE bees (id INTEGER)")
            .unwrap();
        assert_eq!(open(&path).unwrap_err(), LedgerError::Foreign { path });
    }

    #[test]
    fn without_shared_memory_there_is_a_rollback_journal() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ledger.db");
        // SQLite's access methods for file systems that have no more than files (sqlite.org/vfs.html).
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags_and_vfs(&path, flags, c"unix-dotfile").unwrap();
        choose_journal(&connection, &path).unwrap();
        migrate(&mut connection, &path).unwrap();
        let journal: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(journal, "delete");
        connection
            .execute_batch("INSERT INTO shell (pid, started) VALUES (1, 1)")
            .unwrap();
        assert!(!root.path().join("ledger.db-wal").exists());
    }

    #[test]
    fn a_directory_that_can_not_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let path = root.path().join("file/ledger.db");
        let error = open(&path).unwrap_err();
        assert!(matches!(error, LedgerError::Open { .. }), "{error:?}");
    }
}
