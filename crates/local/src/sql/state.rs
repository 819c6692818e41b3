//! `STATE OF 'path' [DIFF 'path'] [OPERATOR 'name']`, where a table may stand. No dialect of sqlparser reads it: before the
//! parser sees it, it becomes one string, as `FROM 'path'` is.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use serde::{Deserialize, Serialize};
use skep_engine::{EngineError, Result};

use super::reader::{is_word, position};

/// What such a string begins with: no path does.
const MARK: &str = "\u{1f}state of ";

/// A saved state's rows as a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateOf {
    /// The state's path.
    pub path: String,
    /// The state that it is compared with, which came after it.
    pub other: Option<String>,
    /// Whose rows are meant.
    pub operator: Option<String>,
}

impl StateOf {
    /// Reads what [`rewrite`] has put into a query; `None` if it is another name.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text.strip_prefix(MARK)?).ok()
    }

    fn encode(&self) -> Result<String> {
        let text = serde_json::to_string(self).map_err(|e| EngineError::failed(e.to_string()))?;
        Ok(format!("{MARK}{text}"))
    }
}

/// Puts one string in the place of each `STATE OF …`.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let (head, after) = (&tokens[at], next(&tokens, at + 1));
        let opens = is_word(&head.token, "STATE") && tokens.get(after).is_some_and(|t| is_word(&t.token, "OF"));
        let Some((path, mut end)) = opens.then(|| string(&tokens, after + 1)).flatten() else {
            out.push(head.clone());
            at += 1;
            continue;
        };
        let mut state = StateOf {
            path,
            other: None,
            operator: None,
        };
        loop {
            let word = next(&tokens, end);
            let is = |name: &str| tokens.get(word).is_some_and(|t| is_word(&t.token, name));
            let slot = match (is("DIFF"), is("OPERATOR"), is("AT")) {
                (true, ..) => &mut state.other,
                (_, true, _) => &mut state.operator,
                (.., true) if string(&tokens, word + 1).is_some() => {
                    let place = position(tokens[word].span);
                    return Err(EngineError::rejected("AT names a state of a job, and this is a path").at(place));
                }
                _ => break,
            };
            // Without a string it is an alias.
            let Some((text, after)) = string(&tokens, word + 1) else {
                break;
            };
            *slot = Some(text);
            end = after;
        }
        out.push(TokenWithSpan::new(
            Token::SingleQuotedString(state.encode()?),
            head.span,
        ));
        at = end;
    }
    Ok(out)
}

/// The place of the next token that says something.
fn next(tokens: &[TokenWithSpan], from: usize) -> usize {
    let says = |t: &TokenWithSpan| !matches!(t.token, Token::Whitespace(_));
    let rest = tokens.get(from..).unwrap_or_default();
    rest.iter()
        .position(says)
        .map_or(tokens.len(), |skipped| from + skipped)
}

/// The string that stands there, and the place behind it.
fn string(tokens: &[TokenWithSpan], from: usize) -> Option<(String, usize)> {
    let at = next(tokens, from);
    match &tokens.get(at)?.token {
        Token::SingleQuotedString(text) => Some((text.clone(), at + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Reader;

    fn found(sql: &str) -> Vec<StateOf> {
        let reader = Reader::new(sql).unwrap();
        let states = reader.tokens().iter().filter_map(|t| match &t.token {
            Token::SingleQuotedString(text) => StateOf::decode(text),
            _ => None,
        });
        states.collect()
    }

    #[test]
    fn it_is_read_wherever_a_table_may_stand() {
        let state = |path: &str, other: Option<&str>, operator: Option<&str>| StateOf {
            path: path.to_owned(),
            other: other.map(str::to_owned),
            operator: operator.map(str::to_owned),
        };
        let sql = "SELECT * FROM STATE OF '/a' AS a JOIN state /* c */ of\n'/it''s' OPERATOR 'aggregate' b ON a.k = b.k, \
                   STATE OF '/a' DIFF '/b' OPERATOR 'o'";
        assert_eq!(
            found(sql),
            [
                state("/a", None, None),
                state("/it's", None, Some("aggregate")),
                state("/a", Some("/b"), Some("o"))
            ]
        );
        assert!(Reader::new(sql).unwrap().query().is_ok());
        // Names that only look like it stay what they are.
        assert!(found("SELECT state, of FROM state WHERE state = 'of' AND operator = 'x'").is_empty());
        assert!(
            Reader::new("SELECT operator.k FROM STATE OF '/a' operator")
                .unwrap()
                .query()
                .is_ok()
        );
        let error = Reader::new("SELECT * FROM STATE OF '/a' AT 'latest'").err().unwrap();
        assert!(error.message.contains("this is a path"), "{error}");
    }
}
