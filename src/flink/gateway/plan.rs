//! Compiled plans. Flink names the operators of a plain `INSERT` by the shape of its topology, and those of a compiled plan
//! by the numbers of its nodes: only these outlast another parallelism or a changed query. The numbers are a counter of the
//! gateway's process, so that a plan compiled again has others; they are put back here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use skep_engine::{Compile, Compiled, Dialect, EngineError, OperatorState, Result};
use skep_metadata::operator_id;

use crate::flink::files::local;
use crate::syntax::literal::quote_string;
use crate::syntax::rewritten::Rewritten;
use crate::syntax::{Span, statement_set};

/// Keeps the tables' options, and the secrets among them, out of the file.
pub(super) const CATALOG_OBJECTS: (&str, &str) = ("table.plan.compile.catalog-objects", "IDENTIFIER");

/// The longest plan that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// What operators of a node are called in their uids, `<node>_<name>`.
const NAMES: [&str; 36] = [
    "calc",
    "changelog-normalize",
    "committer",
    "compact-coordinator",
    "compact-operator",
    "constraint-validator",
    "deduplicate",
    "discarding-sink",
    "expand",
    "global-committer",
    "global-group-aggregate",
    "global-window-aggregate",
    "group-aggregate",
    "group-window-aggregate",
    "interval-join",
    "join",
    "limit",
    "local-group-aggregate",
    "local-window-aggregate",
    "lookup-join",
    "match",
    "mini-batch-assigner",
    "over-aggregate",
    "partition-committer",
    "rank",
    "sink",
    "sink-materializer",
    "sort",
    "source",
    "streaming-writer",
    "temporal-join",
    "temporal-sort",
    "upsert-materializer",
    "watermark-assigner",
    "window-aggregate",
    "writer",
];

/// The statement that has the gateway compile another into a file. A relative path would be one of the gateway's process.
pub(super) fn compiling(text: &str, path: &str) -> Rewritten {
    let mut statement = Rewritten::default();
    statement.add(&format!("COMPILE PLAN {} FOR ", quote_string(path, &Dialect::FLINK)));
    match statement_set::members(text, &Dialect::FLINK) {
        Some(members) => {
            statement.add("STATEMENT SET\nBEGIN\n");
            for member in members {
                statement.take(text, member);
                statement.add(";\n");
            }
            statement.add("END");
        }
        None => {
            let mut tokens = crate::syntax::lexer::significant(text, &Dialect::FLINK);
            let first = tokens.next().map(|token| token.span);
            let skipped = first.filter(|span| span.of(text).eq_ignore_ascii_case("EXECUTE"));
            let start = skipped.map_or(0, |span| span.end);
            statement.take(text, Span::new(start, text.len()));
        }
    }
    statement
}

/// The statement that runs a compiled plan.
pub(super) fn executing(path: &str) -> Rewritten {
    let mut statement = Rewritten::default();
    statement.add(&format!("EXECUTE PLAN {}", quote_string(path, &Dialect::FLINK)));
    statement
}

/// The bytes of a plan's file; none if it lies where this machine can't read it.
///
/// # Errors
/// It should be there and is not.
pub(super) fn read(path: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = local(path) else {
        return Ok(None);
    };
    match read_file(&file) {
        Ok(bytes) => Ok(Some(bytes)),
        // A directory that only the gateway has.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.parent().is_some_and(Path::is_dir) => Ok(None),
        Err(error) => Err(EngineError::refused(format!(
            "the compiled plan {path} can't be read: {error}"
        ))),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is too long for a plan"));
    }
    Ok(bytes)
}

/// Puts other content into a plan's file: all of it, or none.
///
/// # Errors
/// It can't be written.
pub(super) fn replace(path: &str, bytes: &[u8]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        EngineError::failed(format!("the compiled plan {path} can't be written: {error}"))
    };
    let file = local(path).ok_or_else(|| failed(&"it does not lie on this machine"))?;
    let dir = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
    let mode = fs::metadata(&file).map(|metadata| metadata.permissions());
    new.write_all(bytes).map_err(|error| failed(&error))?;
    if let Ok(mode) = mode {
        // The gateway may be another user.
        fs::set_permissions(new.path(), mode).map_err(|error| failed(&error))?;
    }
    new.as_file().sync_all().map_err(|error| failed(&error))?;
    new.persist(file).map_err(|error| failed(&error))?;
    Ok(())
}

/// Takes away a plan that is not to be run.
pub(super) fn remove(path: &str) {
    if let Some(file) = local(path) {
        // One that stays harms nobody: no other job will have its name.
        let _ = fs::remove_file(file);
    }
}

/// Makes a plan that has just been compiled like an earlier one, and finds what it would leave behind.
///
/// # Errors
/// It can't be made like it, or leaves behind what it must not.
pub(super) fn fit(request: &Compile) -> Result<Compiled> {
    let Some(bytes) = read(&request.path)? else {
        let lost = || {
            EngineError::refused(format!(
                "this machine can't read the compiled plan {}, so that it can't be given the numbers of the earlier one",
                request.path
            ))
            .hint("!set keep plan DIR names a directory that the gateway and this machine have both")
        };
        if request.like.is_some() {
            return Err(lost());
        }
        return Ok(Compiled::default());
    };
    let Some(like) = &request.like else {
        return Ok(Compiled {
            sha256: Some(sum(&bytes)),
            ..Compiled::default()
        });
    };
    let earlier = read(like)?.ok_or_else(|| {
        EngineError::refused(format!(
            "this machine can't read {like}, the compiled plan of the job that made the state"
        ))
    })?;
    let (mut plan, earlier) = (Plan::parse(&bytes)?, Plan::parse(&earlier)?);
    let mut notes = Vec::new();
    match plan.renumber_like(&earlier) {
        Ok(()) => replace(&request.path, plan.text().as_bytes())?,
        Err(error) if request.allow_non_restored => notes.push(error.message),
        Err(error) => return Err(error),
    }
    let left_behind = match &request.state {
        Some(state) => plan.left_behind(&earlier, &state.operators),
        None => Vec::new(),
    };
    if !left_behind.is_empty() && !request.allow_non_restored {
        return Err(EngineError::refused(format!(
            "the compiled plan would leave behind the state of {}",
            left_behind.join(", ")
        ))
        .hint("--allow-non-restored-state leaves it behind"));
    }
    let written = read(&request.path)?.unwrap_or_default();
    Ok(Compiled {
        sha256: Some(sum(&written)),
        left_behind,
        notes,
    })
}

/// The SHA-256 of a file, in hex.
pub(super) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A compiled plan's content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan(Value);

impl Plan {
    /// Reads it.
    ///
    /// # Errors
    /// It is no compiled plan.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let plan: Value = serde_json::from_slice(bytes)
            .map_err(|error| EngineError::refused(format!("it is not a compiled plan: {error}")))?;
        let plan = Self(plan);
        if plan.nodes().is_none_or(|nodes| nodes.is_empty()) {
            return Err(EngineError::refused("it is not a compiled plan: it has no nodes"));
        }
        Ok(plan)
    }

    /// As it is written to a file.
    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }

    /// Its nodes in order: number, and type without the type's version.
    fn nodes(&self) -> Option<Vec<(u64, &str)>> {
        let nodes = self.0.get("nodes")?.as_array()?;
        nodes
            .iter()
            .map(|node| {
                let (id, kind) = (node.get("id")?.as_u64()?, node.get("type")?.as_str()?);
                Some((id, kind.rsplit_once('_').map_or(kind, |(kind, _)| kind)))
            })
            .collect()
    }

    /// Gives its nodes the numbers that those of an earlier plan have, so that it takes that one's state. Types may be of
    /// another version, as after an upgrade of Flink.
    ///
    /// # Errors
    /// It has other nodes.
    pub(super) fn renumber_like(&mut self, earlier: &Self) -> Result<()> {
        let (Some(old), Some(new)) = (earlier.nodes(), self.nodes()) else {
            return Err(EngineError::refused(
                "one of the compiled plans has nodes that can't be read",
            ));
        };
        let kinds = |nodes: &[(u64, &str)]| nodes.iter().map(|(_, kind)| short(kind)).collect::<Vec<_>>().join(", ");
        if old.len() != new.len() || old.iter().zip(&new).any(|(old, new)| old.1 != new.1) {
            return Err(EngineError::refused(format!(
                "the changed query has other operators than the one that made the state: {} instead of {}",
                kinds(&new),
                kinds(&old)
            ))
            .hint("--allow-non-restored-state starts it without the state of those"));
        }
        let number = |id: &Value| {
            let id = id.as_u64()?;
            let place = new.iter().position(|(new, _)| *new == id)?;
            Some(Value::from(old[place].0))
        };
        let mut renumbered = self.0.clone();
        let lost = || EngineError::refused("a compiled plan has an edge without its node");
        for node in array(&mut renumbered, "nodes") {
            let id = number(&node["id"]).ok_or_else(lost)?;
            node["id"] = id;
        }
        for edge in array(&mut renumbered, "edges") {
            for end in ["source", "target"] {
                let id = number(&edge[end]).ok_or_else(lost)?;
                edge[end] = id;
            }
        }
        self.0 = renumbered;
        Ok(())
    }

    /// The numbers of its nodes.
    fn numbers(&self) -> BTreeSet<u64> {
        self.nodes().unwrap_or_default().into_iter().map(|(id, _)| id).collect()
    }

    /// The uids that its operators may have, by their ids.
    fn uids(&self) -> BTreeMap<String, String> {
        let nodes = self.nodes().unwrap_or_default();
        let kinds: BTreeSet<&str> = nodes.into_iter().map(|(_, kind)| short(kind)).collect();
        let mut uids = BTreeMap::new();
        for number in self.numbers() {
            for name in NAMES.iter().chain(&kinds) {
                let uid = format!("{number}_{name}");
                uids.insert(operator_id(&uid).to_string(), uid);
            }
        }
        uids
    }

    /// Of these operators of a state that was made by an earlier plan, those that this plan has no more: their state would be
    /// left behind. A state of Flink 1 does not name them; the earlier plan does.
    pub(super) fn left_behind(&self, earlier: &Self, state: &[OperatorState]) -> Vec<String> {
        let (numbers, ids, before) = (self.numbers(), self.uids(), earlier.uids());
        let is_there = |operator: &OperatorState| {
            let number = operator
                .uid
                .as_ref()
                .and_then(|uid| uid.split_once('_')?.0.parse().ok());
            match number {
                Some(number) => numbers.contains(&number),
                None => ids.contains_key(&operator.id),
            }
        };
        let lost = state.iter().filter(|operator| operator.size > 0 && !is_there(operator));
        lost.map(|operator| match (&operator.name, &operator.uid) {
            (Some(name), Some(uid)) => format!("{name} ({uid})"),
            (Some(name), None) => format!("{name} ({})", operator.id),
            (None, Some(uid)) => uid.clone(),
            (None, None) => match before.get(&operator.id) {
                Some(uid) => uid.clone(),
                None => format!("operator {}", operator.id),
            },
        })
        .collect()
    }
}

/// A node's type as it stands in uids.
fn short(kind: &str) -> &str {
    kind.strip_prefix("stream-exec-").unwrap_or(kind)
}

fn array<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn plan(first: u64, kinds: &[&str]) -> Plan {
        let nodes: Vec<_> = (first..)
            .zip(kinds)
            .map(|(id, kind)| json!({ "id": id, "type": format!("stream-exec-{kind}_1"), "description": "…" }))
            .collect();
        let edges: Vec<_> = (first + 1..first + kinds.len() as u64)
            .map(|id| json!({ "source": id - 1, "target": id, "shuffle": { "type": "FORWARD" } }))
            .collect();
        let text = json!({ "flinkVersion": "2.3", "nodes": nodes, "edges": edges }).to_string();
        Plan::parse(text.as_bytes()).unwrap()
    }

    fn operator(uid: &str, id: String, named: bool) -> OperatorState {
        OperatorState {
            id,
            name: None,
            uid: named.then(|| uid.to_owned()),
            parallelism: Some(1),
            max_parallelism: Some(128),
            keyed: true,
            finished: false,
            size: 1,
            files: 0,
        }
    }

    const SHAPE: [&str; 4] = ["table-source-scan", "calc", "over-aggregate", "sink"];

    #[test]
    fn a_plan_compiled_again_gets_the_numbers_of_the_first() {
        let (old, mut new) = (plan(110, &SHAPE), plan(13, &SHAPE));
        new.renumber_like(&old).unwrap();
        assert_eq!(new, old);
        let mut other = plan(13, &["table-source-scan", "calc", "group-aggregate", "sink"]);
        let error = other.renumber_like(&old).unwrap_err();
        assert!(error.message.contains("group-aggregate"), "{error}");
        assert_eq!(
            other,
            plan(13, &["table-source-scan", "calc", "group-aggregate", "sink"]),
            "it is as it was"
        );
    }

    #[test]
    fn what_would_be_left_behind_is_told_with_and_without_uids() {
        let plan = plan(110, &SHAPE);
        let state = |number: u64, named| {
            let uid = format!("{number}_over-aggregate");
            operator(&uid, operator_id(&uid).to_string(), named)
        };
        for named in [true, false] {
            assert!(plan.left_behind(&plan, &[state(112, named)]).is_empty());
            assert_eq!(plan.left_behind(&plan, &[state(12, named)]).len(), 1);
        }
        // A plain INSERT's operators have ids of another sort.
        let plain = operator("", "90bea66de1c231edf33913ecd54406c1".to_owned(), false);
        assert_eq!(
            plan.left_behind(&plan, &[plain]),
            ["operator 90bea66de1c231edf33913ecd54406c1"]
        );
    }

    #[test]
    fn statements_are_written_as_the_gateway_takes_them() {
        let text = |statement: &str| compiling(statement, "file:///p/it's.json").text().to_owned();
        assert_eq!(
            text("INSERT INTO t SELECT 1"),
            "COMPILE PLAN 'file:///p/it''s.json' FOR INSERT INTO t SELECT 1"
        );
        let set = "COMPILE PLAN 'file:///p/it''s.json' FOR STATEMENT SET\nBEGIN\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 2;\nEND";
        assert_eq!(
            text("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;"),
            set
        );
        assert_eq!(
            text("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END"),
            set
        );
        assert_eq!(executing("/p.json").text(), "EXECUTE PLAN '/p.json'");
    }

    #[test]
    fn a_file_that_only_the_gateway_has_is_not_missed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| format!("file://{}/{name}", dir.path().display());
        fs::write(dir.path().join("p.json"), "{}").unwrap();
        assert_eq!(read(&path("p.json")).unwrap().as_deref(), Some(&b"{}"[..]));
        assert!(read(&path("gone.json")).is_err());
        assert_eq!(read(&path("not-here/p.json")).unwrap(), None);
        assert_eq!(read("s3://b/p.json").unwrap(), None);
        replace(&path("p.json"), b"[]").unwrap();
        assert_eq!(fs::read(dir.path().join("p.json")).unwrap(), b"[]");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_plan_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64), first in 0_u64..9, cut in 0_usize..400) {
            let _ = Plan::parse(&bytes);
            let text = plan(first, &SHAPE).text();
            let cut = &text[..text.floor_char_boundary(cut.min(text.len()))];
            prop_assert_eq!(Plan::parse(cut.as_bytes()).is_ok(), cut == text);
        }

        #[test]
        fn numbers_that_are_swapped_come_out_right(first in 0_u64..6, other in 0_u64..6) {
            // The two ranges overlap: no number may be given twice on the way.
            let (old, mut new) = (plan(first, &SHAPE), plan(other, &SHAPE));
            new.renumber_like(&old).unwrap();
            prop_assert_eq!(new, old);
        }
    }
}
