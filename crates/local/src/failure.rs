//! DataFusion's errors as sentences with a place.

use datafusion::common::{DataFusionError, SchemaError, Span};
use skep_engine::{EngineError, ErrorKind, Position, Result};

use crate::similar::most_similar;

/// What DataFusion has to say. `kind` is what a failure at this stage means: rejected while planning, failed while
/// running.
pub(crate) fn explain(error: &DataFusionError, kind: ErrorKind) -> EngineError {
    let place = error.diagnostic().and_then(|d| d.span).map(position);
    let explained = sentence(error, kind);
    match place {
        Some(place) if explained.position.is_none() => explained.at(place),
        _ => explained,
    }
}

fn sentence(error: &DataFusionError, kind: ErrorKind) -> EngineError {
    match error {
        DataFusionError::External(source) => match source.downcast_ref::<EngineError>() {
            Some(own) => own.clone(),
            None => EngineError::new(kind, source.to_string()),
        },
        DataFusionError::Diagnostic(_, inner) => sentence(inner, kind),
        DataFusionError::Context(context, inner) => {
            let inner = sentence(inner, kind);
            let trace = format!("{context}: {}", inner.message);
            inner.trace(trace)
        }
        DataFusionError::Shared(inner) => sentence(inner, kind),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => explain(first, kind),
            None => EngineError::new(kind, "it failed without a reason"),
        },
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::ArrowError(source, _) => {
            use datafusion::arrow::error::ArrowError;
            match source.as_ref() {
                ArrowError::DivideByZero => EngineError::new(kind, "division by zero"),
                ArrowError::ExternalError(source) => match source.downcast_ref::<DataFusionError>() {
                    Some(inner) => sentence(inner, kind),
                    None => EngineError::new(kind, source.to_string()),
                },
                ArrowError::CastError(text)
                | ArrowError::ComputeError(text)
                | ArrowError::ParseError(text)
                | ArrowError::InvalidArgumentError(text)
                | ArrowError::ArithmeticOverflow(text)
                | ArrowError::CsvError(text) => EngineError::new(kind, lower_first(text)),
                other => EngineError::new(kind, other.to_string()),
            }
        }
        DataFusionError::Plan(text) | DataFusionError::Execution(text) | DataFusionError::Configuration(text) => {
            let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
            planned(first, rest, kind)
        }
        DataFusionError::NotImplemented(text) => {
            EngineError::unsupported(format!("the embedded engine can't do this: {}", lower_first(text)))
        }
        DataFusionError::Internal(text) => {
            let text = text.split('\n').next().unwrap_or_default();
            EngineError::new(kind, format!("the planner contradicts itself: {}", lower_first(text)))
        }
        DataFusionError::ResourcesExhausted(text) => EngineError::new(kind, lower_first(text)),
        other => EngineError::new(kind, lower_first(&other.strip_backtrace())),
    }
}

/// A planner's sentence. Some are worth saying better.
fn planned(text: &str, rest: &str, kind: ErrorKind) -> EngineError {
    if let Some(name) = text.strip_prefix("Invalid function '") {
        let error = EngineError::new(
            kind,
            format!("there is no function {}", name.trim_end_matches(['\'', '.'])),
        );
        return match rest.strip_prefix("Did you mean '") {
            Some(other) => error.hint(format!("did you mean {}?", other.trim_end_matches(['\'', '?']))),
            None => error,
        };
    }
    let error = EngineError::new(kind, lower_first(text));
    if rest.is_empty() {
        error
    } else {
        error.trace(format!("{text}\n{rest}"))
    }
}

fn schema_error(error: &SchemaError) -> EngineError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let place = field.spans().first().map(position);
            let wanted = field.relation.as_ref();
            let table = |column: &datafusion::common::Column| column.relation.as_ref().map(|r| r.table().to_owned());
            let mut tables: Vec<String> = valid_fields.iter().filter_map(table).collect();
            tables.dedup();
            let known_relation = |name: &str| valid_fields.iter().any(|c| table(c).as_deref() == Some(name));
            let mut explained = match wanted {
                Some(relation) if !known_relation(relation.table()) => EngineError::rejected(format!(
                    "there is no table {} in this query to take {} from",
                    relation.table(),
                    field.name
                )),
                Some(relation) => EngineError::rejected(format!("no column {} in {}", field.name, relation.table())),
                None if tables.is_empty() => EngineError::rejected(format!("no column {} here", field.name)),
                None => EngineError::rejected(format!("no column {} in {}", field.name, tables.join(", "))),
            };
            if let Some(name) = most_similar(&field.name, valid_fields.iter().map(|c| c.name.as_str())) {
                explained = explained.hint(format!("did you mean {name}?"));
            } else if !valid_fields.is_empty() {
                let names: Vec<&str> = valid_fields.iter().take(12).map(|c| c.name.as_str()).collect();
                let more = if valid_fields.len() > names.len() { ", …" } else { "" };
                explained = explained.hint(format!("the columns are {}{more}", names.join(", ")));
            }
            match place {
                Some(place) => explained.at(place),
                None => explained,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            let error = EngineError::rejected(format!("the column {} is in more than one table", field.name))
                .hint("put the table's name before it");
            match field.spans().first().map(position) {
                Some(place) => error.at(place),
                None => error,
            }
        }
        other => EngineError::rejected(lower_first(&other.to_string())),
    }
}

fn position(span: Span) -> Position {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let same_line = span.start.line == span.end.line && span.end.column > span.start.column;
    Position {
        line: number(span.start.line).max(1),
        column: number(span.start.column).max(1),
        length: if same_line {
            number(span.end.column - span.start.column)
        } else {
            1
        },
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        // An acronym stays as it is.
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// Turns DataFusion's results into the engine's.
pub(crate) trait Explained<T> {
    /// A failure means that the statement is not valid.
    fn rejected(self) -> Result<T>;
    /// A failure means that it ran and failed.
    fn failed(self) -> Result<T>;
}

impl<T> Explained<T> for datafusion::common::Result<T> {
    fn rejected(self) -> Result<T> {
        self.map_err(|e| explain(&e, ErrorKind::Rejected))
    }

    fn failed(self) -> Result<T> {
        self.map_err(|e| explain(&e, ErrorKind::Failed))
    }
}
