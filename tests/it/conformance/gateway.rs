//! A SQL Gateway as a recorder needs it: nothing of skep's own driver is in it.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::script::Outcome;
use super::value::{from_gateway, type_name};

/// No statement of a script takes longer.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two questions for rows.
const PAUSE: Duration = Duration::from_millis(30);
/// How much of an error is recorded.
const MESSAGE: usize = 160;

/// A session.
pub struct Gateway {
    http: reqwest::Client,
    session: String,
}

/// A page of results.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    result_type: String,
    is_query_result: Option<bool>,
    results: Option<Results>,
    next_result_uri: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    columns: Vec<Column>,
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "logicalType")]
    logical: Value,
}

#[derive(Deserialize)]
struct Row {
    kind: String,
    fields: Vec<Box<RawValue>>,
}

impl Gateway {
    /// Opens a session.
    pub async fn open(base: &str, properties: Value) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(LIMIT)
            .build()
            .unwrap();
        let base = base.trim_end_matches('/');
        let opened: Value = http
            .post(format!("{base}/v2/sessions"))
            .json(&json!({ "properties": properties }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let handle = opened["sessionHandle"].as_str().expect("a session is opened");
        Self {
            http,
            session: format!("{base}/v2/sessions/{handle}"),
        }
    }

    /// Closes it.
    pub async fn close(self) {
        self.http.delete(&self.session).send().await.unwrap();
    }

    /// Runs a statement to its end.
    pub async fn run(&self, statement: &str) -> Outcome {
        match self.rows(statement).await {
            Ok(outcome) => outcome,
            Err(errors) => Outcome::Failed(root_cause(&errors)),
        }
    }

    async fn rows(&self, statement: &str) -> Result<Outcome, String> {
        let deadline = Instant::now() + LIMIT;
        let url = format!("{}/statements", self.session);
        let request = self.http.post(url).json(&json!({ "statement": statement }));
        let submitted: Value = serde_json::from_str(&answer(request).await?).unwrap();
        let operation = submitted["operationHandle"].as_str().unwrap().to_owned();
        let operation = format!("{}/operations/{operation}", self.session);
        let mut next = format!("{operation}/result/0?rowFormat=JSON");
        let mut types: Option<Vec<(String, Value)>> = None;
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut is_query = false;
        loop {
            assert!(Instant::now() < deadline, "no end within {LIMIT:?}: {statement}");
            let page: Page = serde_json::from_str(&answer(self.http.get(&next)).await?).unwrap();
            is_query |= page.is_query_result.unwrap_or_default();
            let mut idle = true;
            if let Some(results) = page.results {
                let columns = types.get_or_insert_with(|| {
                    let column = |c: Column| (c.name, c.logical);
                    results.columns.into_iter().map(column).collect()
                });
                for row in results.data {
                    idle = false;
                    let values: Vec<String> = columns
                        .iter()
                        .zip(&row.fields)
                        .map(|((_, logical), value)| from_gateway(logical, value))
                        .collect();
                    apply(&row.kind, values, &mut rows);
                }
            }
            if page.result_type == "EOS" {
                break;
            }
            if let Some(uri) = page.next_result_uri {
                let base = self.session.split("/v2/").next().unwrap();
                next = format!("{base}{uri}");
            }
            if idle {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let _ = self.http.delete(format!("{operation}/close")).send().await;
        let columns: Vec<(String, String)> = types
            .unwrap_or_default()
            .iter()
            .map(|(name, logical)| (name.clone(), type_name(logical)))
            .collect();
        let word = statement.split_whitespace().next().unwrap_or_default().to_uppercase();
        let shows = ["SHOW", "DESCRIBE", "DESC"].contains(&word.as_str());
        Ok(if is_query || shows {
            Outcome::Rows { columns, rows }
        } else {
            Outcome::Done
        })
    }
}

/// Applies a row of a changelog.
fn apply(kind: &str, values: Vec<String>, rows: &mut Vec<Vec<String>>) {
    match kind {
        "INSERT" | "UPDATE_AFTER" => rows.push(values),
        _ => {
            let at = rows.iter().position(|row| *row == values);
            rows.remove(at.unwrap_or_else(|| panic!("{kind} of a row that is not there: {values:?}")));
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<String, String> {
    let response = request.send().await.unwrap();
    let good = response.status().is_success();
    let text = response.text().await.unwrap();
    if good { Ok(text) } else { Err(text) }
}

/// The last cause in the server's trace, one line of it.
fn root_cause(body: &str) -> String {
    let errors: Value = serde_json::from_str(body).unwrap_or_default();
    let all: Vec<&str> = errors["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let text = all.join("\n");
    let cause = text
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix("Caused by: "))
        .unwrap_or_else(|| text.lines().next().unwrap_or("no message"));
    cause.trim_end_matches(['.', ' ']).chars().take(MESSAGE).collect()
}
