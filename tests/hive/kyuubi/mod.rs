//! Kyuubi's Flink engine. Each case is tried on what stands in for the server, and on a real one where there is one; the cluster
//! that the jobs run on is asked what is so.

mod cases;
mod opening;
mod orphans;
mod restarts;
mod server;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use server::{FLINK, Kind, Kyuubi};

use crate::cases::Shell;
use crate::world::Program;

/// A way to speak to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// HiveServer2's protocol over TCP.
    Thrift,
    /// The server's own API over HTTP.
    Rest,
}

impl Way {
    pub const ALL: [Self; 2] = [Self::Thrift, Self::Rest];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thrift => "thrift",
            Self::Rest => "rest",
        })
    }
}

/// A server, and how it is spoken to.
pub struct Door {
    pub server: Arc<Kyuubi>,
    pub way: Way,
}

/// What is tried.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub run: fn(&Door),
    /// It does to the server what others would not bear.
    pub alone: bool,
    /// It looks at what only the stand-in can tell, or makes it do what only the stand-in does.
    pub stand_in_only: bool,
}

/// All cases of that sort.
pub fn cases(kind: Kind) -> Vec<Case> {
    let mut all = cases::all();
    all.extend(opening::all());
    all.extend(orphans::all());
    all.extend(restarts::all());
    all.retain(|case| kind == Kind::StandIn || !case.stand_in_only);
    all
}

impl Door {
    fn url(&self) -> String {
        match self.way {
            Way::Thrift => self.server.url(),
            Way::Rest => self.server.rest_url(),
        }
    }

    /// skep, with rows as CSV.
    fn csv(&self, shell: &Shell) -> Program {
        self.csv_with(shell, "")
    }

    /// The same, with settings for the session: `a=b;c=d`.
    fn csv_with(&self, shell: &Shell, settings: &str) -> Program {
        let mut url = self.url();
        if !settings.is_empty() {
            url = format!("{url}?{settings}");
        }
        shell.at(&url).with("-o csv")
    }

    /// What `replay.py` is told of the server.
    fn peer(&self) -> &'static [&'static str] {
        match self.server.kind() {
            Kind::StandIn => &["--stand-in"],
            Kind::Real => &["--sasl"],
        }
    }

    /// What is written of each session that was opened this way and has carried out a statement which contains this; nothing by
    /// a real server.
    fn sessions_of(&self, part: &str) -> Option<Vec<Vec<Value>>> {
        let journal = self.server.journal()?;
        let asked = journal
            .iter()
            .filter(|entry| entry["statement"].as_str().is_some_and(|text| text.contains(part)));
        let sessions = asked.map(|found| {
            let same = journal.iter().filter(|entry| entry["session"] == found["session"]);
            same.cloned().collect::<Vec<_>>()
        });
        // Each case is tried each way on one server.
        let way = self.way.to_string();
        Some(sessions.filter(|entries| entries[0]["way"] == way.as_str()).collect())
    }

    /// That a statement which contains this was sent once: in a session that was opened for it with the job's id, and closed.
    #[track_caller]
    fn expect_sent_once(&self, part: &str, job: &str) -> Value {
        let Some(sessions) = self.sessions_of(part) else {
            return Value::Null;
        };
        let [entries] = &sessions[..] else {
            panic!("{part} was sent {} times: {sessions:?}", sessions.len())
        };
        let opened = &entries[0]["opened"];
        assert_eq!(opened["$internal.pipeline.job-id"], job, "{entries:?}");
        opened.clone()
    }
}
