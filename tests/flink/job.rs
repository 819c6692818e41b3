//! A job that skep did not start, for what is done to it.

use std::fmt;
use std::ops::Deref;

use crate::cluster::Cluster;

/// Its id. The job ends with the value, so that a case that failed leaves its slots to the others.
pub struct Job<'a> {
    id: String,
    cluster: &'a Cluster,
}

impl<'a> Job<'a> {
    /// Counts rows without an end, 20 a second, per key; its tasks need not run yet.
    #[track_caller]
    pub fn submit(cluster: &'a Cluster, name: &str) -> Self {
        Self::submit_query(
            cluster,
            name,
            "SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)",
        )
    }

    /// The same, and its tasks run.
    #[track_caller]
    pub fn start(cluster: &'a Cluster, name: &str) -> Self {
        let job = Self::submit(cluster, name);
        cluster.witness().wait_running(&job);
        job
    }

    /// A query over `gen`, a table of ascending ids, as an INSERT of two numbers that go nowhere.
    #[track_caller]
    pub fn submit_query(cluster: &'a Cluster, name: &str, query: &str) -> Self {
        let session = cluster.witness().session();
        // The generator keeps the numbers that are still to come: not too many.
        session.run(
            "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000')",
        );
        session.run("CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole')");
        let id = session.submit(&format!("INSERT INTO nowhere {query}"), name);
        Self { id, cluster }
    }
}

impl Deref for Job<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id)
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.cluster.witness().cancel(&self.id);
    }
}
