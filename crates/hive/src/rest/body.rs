//! What Kyuubi's REST API answers with, as far as it is looked at.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::error::Failure;
use crate::schema::{ColumnType, TableSchema, TypeId};
use crate::service::{OperationState, OperationStatus};

/// A refusal, with whatever status: nearly all of them are 404.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) message: String,
}

/// What was opened or begun.
#[derive(Deserialize)]
pub(super) struct Begun {
    pub(super) identifier: String,
}

/// `GET /sessions/{id}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionEvent {
    /// When its engine was ready, in milliseconds; not positive before that.
    #[serde(default)]
    opened_time: i64,
    #[serde(default)]
    exception: Option<String>,
}

impl SessionEvent {
    /// As the status of an operation that opens it.
    pub(super) fn status(self) -> OperationStatus {
        let exception = self.exception.filter(|exception| !exception.trim().is_empty());
        // What has failed since is not what is asked for here.
        match (self.opened_time > 0, exception) {
            (true, _) => status(OperationState::Finished, None),
            (false, Some(exception)) => status(OperationState::Error, Some(Failure::of_answer(&exception))),
            (false, None) => status(OperationState::Running, None),
        }
    }
}

/// `GET /operations/{id}/event`.
#[derive(Deserialize)]
pub(super) struct OperationEvent {
    state: String,
    #[serde(default)]
    exception: Option<String>,
}

impl OperationEvent {
    pub(super) fn status(self) -> OperationStatus {
        let state = OperationState::of_name(&self.state);
        let has_failed = matches!(state, OperationState::Error | OperationState::TimedOut);
        let exception = self.exception.unwrap_or_default();
        status(state, has_failed.then(|| Failure::of_answer(&exception)))
    }
}

const fn status(state: OperationState, failure: Option<Failure>) -> OperationStatus {
    OperationStatus {
        state,
        failure,
        has_result_set: None,
        progress: None,
    }
}

/// `GET /sessions/{id}/info/{type}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    #[serde(default)]
    pub(super) info_value: Option<String>,
}

/// `GET /operations/{id}/log`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) log_row_set: Vec<String>,
}

/// `GET /operations/{id}/resultsetmetadata`.
#[derive(Deserialize)]
pub(super) struct Metadata {
    #[serde(default, deserialize_with = "or_default")]
    columns: Vec<Column>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    column_name: String,
    data_type: String,
    #[serde(default)]
    precision: Option<i32>,
    #[serde(default)]
    scale: Option<i32>,
}

impl Metadata {
    pub(super) fn schema(self) -> TableSchema {
        let columns = self.columns.into_iter().map(|column| {
            let mut of = ColumnType::of(TypeId::of_name(&column.data_type));
            // They are 0 with every other type.
            if of.id == TypeId::DECIMAL {
                (of.precision, of.scale) = (column.precision, column.scale);
            }
            (column.column_name, of)
        });
        TableSchema {
            columns: columns.collect(),
        }
    }
}

/// A session of the server's, in its list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEntry {
    /// Its id.
    pub identifier: String,
    /// Whose it is.
    #[serde(default, deserialize_with = "or_default")]
    pub user: String,
    /// From where it was opened.
    #[serde(default, deserialize_with = "or_default")]
    pub ip_addr: String,
    /// What it was opened with. May hold secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub conf: Conf,
    /// When it was opened, in milliseconds since 1970.
    #[serde(default, deserialize_with = "or_default")]
    pub create_time: i64,
    /// How long nothing has been asked of it, in milliseconds; 0 while it has an operation.
    #[serde(default, deserialize_with = "or_default")]
    pub idle_time: i64,
}

/// What is looked at of a session's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Conf {
    /// The name it was given.
    #[serde(rename = "kyuubi.session.name", default, deserialize_with = "or_default")]
    pub name: String,
    /// The engine it wants, where it says so.
    #[serde(rename = "kyuubi.engine.type", default, deserialize_with = "or_default")]
    pub engine: String,
}

/// An operation of the server's, in its list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationEntry {
    /// Its id.
    pub identifier: String,
    /// The statement, or what else it does.
    #[serde(default, deserialize_with = "or_default")]
    pub statement: String,
    /// How far it is, in the server's word.
    #[serde(default, deserialize_with = "or_default")]
    pub state: String,
    /// When it was begun, in milliseconds since 1970.
    #[serde(default, deserialize_with = "or_default")]
    pub create_time: i64,
    /// When it was done; not positive before that.
    #[serde(default, deserialize_with = "or_default")]
    pub complete_time: i64,
    /// Why it failed; empty if it has not.
    #[serde(default, deserialize_with = "or_default")]
    pub exception: String,
    /// Its session.
    #[serde(default, deserialize_with = "or_default")]
    pub session_id: String,
    /// Whose session that is.
    #[serde(default, deserialize_with = "or_default")]
    pub session_user: String,
}

impl OperationEntry {
    /// Why it failed, in a line; empty if it has not.
    pub fn complaint(&self) -> String {
        if self.exception.trim().is_empty() {
            return String::new();
        }
        let failure = Failure::of_answer(&self.exception);
        failure.root.unwrap_or(failure.message)
    }
}

/// An engine of the server's, in its list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineEntry {
    /// Whose it is.
    #[serde(default, deserialize_with = "or_default")]
    pub user: String,
    /// What it is, such as `FLINK_SQL`.
    #[serde(default, deserialize_with = "or_default")]
    pub engine_type: String,
    /// Who shares it: `USER`, `CONNECTION`, `GROUP`, `SERVER`.
    #[serde(default, deserialize_with = "or_default")]
    pub sharelevel: String,
    /// Its name among those of its user.
    #[serde(default, deserialize_with = "or_default")]
    pub subdomain: String,
    /// Where it listens.
    #[serde(default, deserialize_with = "or_default")]
    pub instance: String,
    /// The server's version.
    #[serde(default, deserialize_with = "or_default")]
    pub version: String,
    /// What else it has registered with.
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: Attributes,
}

/// What is looked at of what an engine has registered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// The session that it was started for.
    #[serde(default, deserialize_with = "or_default")]
    pub ref_id: String,
}

/// What is `null`, or of another type than it is known to be, is as if it were not there.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Or<T> {
        Value(T),
        Other(IgnoredAny),
    }
    Ok(match Or::deserialize(from)? {
        Or::Value(value) => value,
        Or::Other(IgnoredAny) => T::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> OperationStatus {
        serde_json::from_str::<OperationEvent>(text).unwrap().status()
    }

    #[test]
    fn an_operations_state_is_told_by_its_word() {
        let finished = event(r#"{"state": "FINISHED_STATE", "exception": null, "metrics": {}}"#);
        assert_eq!(finished.state, OperationState::Finished);
        assert!(finished.failure.is_none());
        let failed = event(
            r#"{"state": "ERROR_STATE", "exception": "org.apache.kyuubi.KyuubiSQLException: no\n\tat a.B\nCaused by: c.D: deep"}"#,
        );
        let failure = failed.failure.unwrap();
        assert_eq!(
            (failure.message.as_str(), failure.root.as_deref()),
            ("no", Some("c.D: deep"))
        );
        assert_eq!(event(r#"{"state": "X"}"#).state, OperationState::Unknown);
    }

    #[test]
    fn a_session_is_open_once_it_says_when() {
        let state = |text: &str| serde_json::from_str::<SessionEvent>(text).unwrap().status().state;
        assert_eq!(
            state(r#"{"openedTime": -1, "exception": null}"#),
            OperationState::Running
        );
        assert_eq!(state(r#"{"openedTime": -1, "exception": "x"}"#), OperationState::Error);
        // A statement of it failed later.
        assert_eq!(
            state(r#"{"openedTime": 5, "exception": "x"}"#),
            OperationState::Finished
        );
    }

    #[test]
    fn columns_have_the_types_of_thrift() {
        let metadata: Metadata = serde_json::from_str(
            r#"{"columns": [{"columnName": "a", "dataType": "INT_TYPE", "columnIndex": 0, "precision": 0, "scale": 0},
                {"columnName": "b", "dataType": "DECIMAL_TYPE", "precision": 20, "scale": 4},
                {"columnName": "c", "dataType": "TIMESTAMPLOCALTZ_TYPE"}, {"columnName": "d", "dataType": "?"}]}"#,
        )
        .unwrap();
        let names: Vec<_> = metadata.schema().columns.iter().map(|(_, of)| of.name()).collect();
        assert_eq!(
            names,
            ["INT", "DECIMAL(20,4)", "TIMESTAMP WITH LOCAL TIME ZONE", "STRING"]
        );
    }

    #[test]
    fn what_a_list_leaves_out_is_empty() {
        let entry: SessionEntry = serde_json::from_str(
            r#"{"identifier": "x", "user": null, "idleTime": "?", "conf": {"kyuubi.session.name": "n"}}"#,
        )
        .unwrap();
        assert_eq!(
            (entry.user.as_str(), entry.idle_time, entry.conf.name.as_str()),
            ("", 0, "n")
        );
    }
}
