//! One page of a result: what `GET /vN/sessions/ID/operations/ID/result/TOKEN?rowFormat=…` answers.

use serde::Deserialize;
use serde_json::value::RawValue;
use skep_engine::{EngineError, ErrorKind, JobId, Result};

use super::logical_type::{self, LogicalType};
use crate::flink::failure::fit_to_show;

/// What a page says of the result as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ResultType {
    /// The statement has not been executed yet: the same token is to be asked for again.
    NotReady,
    /// There may be rows, and more to come: the next token is named.
    Payload,
    /// The end.
    Eos,
}

/// Whether a statement has rows to show or only succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ResultKind {
    /// It is done; its one row says `OK`.
    Success,
    /// It has rows.
    SuccessWithContent,
}

/// How values are written. It is asked for with each page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RowFormat {
    /// JSON by type. Types that the server has no JSON for (VARIANT, RAW, maps with other keys than strings) make it
    /// answer 500, already on the first page.
    Json,
    /// Each value as the string that a cast gives it, a null as a null; nested values are one string.
    PlainText,
}

impl RowFormat {
    /// Its name in the URL.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::PlainText => "PLAIN_TEXT",
        }
    }
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) result_type: ResultType,
    /// Whether the statement is a query. Absent while the result is not ready.
    pub(crate) is_query: Option<bool>,
    /// The job that the statement started.
    pub(crate) job_id: Option<JobId>,
    pub(crate) kind: Option<ResultKind>,
    /// Absent while the result is not ready.
    pub(crate) results: Option<Results<'a>>,
    /// What to ask for next; none at the end.
    pub(crate) next_token: Option<u64>,
}

/// A page's columns and rows.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    pub(crate) columns: Vec<Column>,
    pub(crate) row_format: RowFormat,
    /// The rows as they came: an array of `{"kind": …, "fields": […]}`.
    pub(crate) data: &'a RawValue,
}

/// A column. Names may repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) logical_type: LogicalType,
}

/// The body as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    result_type: ResultType,
    is_query_result: Option<bool>,
    #[serde(rename = "jobID")]
    job_id: Option<String>,
    result_kind: Option<ResultKind>,
    #[serde(borrow)]
    results: Option<ResultsBody<'a>>,
    next_result_uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultsBody<'a> {
    columns: Vec<ColumnBody>,
    /// Version 1 of the API knows JSON only and does not say so.
    row_format: Option<RowFormat>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ColumnBody {
    name: String,
    logical_type: serde_json::Value,
}

/// Reads a page. Fields may come in any order, and unknown ones are passed over.
///
/// # Errors
/// `Protocol`: it is not a page of a result.
pub(crate) fn read(bytes: &[u8]) -> Result<Page<'_>> {
    read_body(bytes).map_err(|error| error.hint("is the address that of a Flink SQL gateway, 1.20 or later?"))
}

fn read_body(bytes: &[u8]) -> Result<Page<'_>> {
    let body: Body = serde_json::from_slice(bytes).map_err(|error| unreadable(&error.to_string()))?;
    let results = body.results.map(ResultsBody::read).transpose()?;
    if results.is_none() && body.result_type != ResultType::NotReady {
        return Err(unreadable("it has no `results`"));
    }
    let job_id = match body.job_id {
        Some(text) => Some(text.parse().map_err(|error| unreadable(&format!("`jobID`: {error}")))?),
        None => None,
    };
    let next_token = body.next_result_uri.as_deref().map(token).transpose()?;
    if next_token.is_none() && body.result_type != ResultType::Eos {
        return Err(unreadable("it is not the last one and has no `nextResultUri`"));
    }
    Ok(Page {
        result_type: body.result_type,
        is_query: body.is_query_result,
        job_id,
        kind: body.result_kind,
        results,
        next_token,
    })
}

impl<'a> ResultsBody<'a> {
    fn read(self) -> Result<Results<'a>> {
        let columns = self
            .columns
            .into_iter()
            .map(|column| match logical_type::read(&column.logical_type) {
                Ok(logical_type) => Ok(Column {
                    name: column.name,
                    logical_type,
                }),
                Err(why) => Err(unreadable(&format!("the type of its column `{}`: {why}", column.name))),
            })
            .collect::<Result<_>>()?;
        Ok(Results {
            columns,
            row_format: self.row_format.unwrap_or(RowFormat::Json),
            data: self.data,
        })
    }
}

/// The token of `/vN/sessions/ID/operations/ID/result/TOKEN?rowFormat=…`. Only the number is taken: where the rest of the
/// URI points is the server's to say and not to be followed.
fn token(uri: &str) -> Result<u64> {
    uri.rsplit_once("/result/")
        .map(|(_, tail)| tail.split_once('?').map_or(tail, |(token, _)| token))
        .filter(|token| token.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|token| token.parse().ok())
        .ok_or_else(|| unreadable(&format!("its `nextResultUri` names no token: {uri}")))
}

/// A page that can't be read, and why.
pub(super) fn unreadable(why: &str) -> EngineError {
    EngineError::new(
        ErrorKind::Protocol,
        fit_to_show(&format!("a page of the result can't be read: {why}")),
    )
}
