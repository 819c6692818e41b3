//! What a statement uses that outlives its session: written down as it is when a job is submitted, compared when the job is
//! restored, and never made, altered or dropped.

use std::collections::BTreeMap;

use super::check::Statement;
use crate::syntax::definitions::Definitions;
use crate::syntax::secrets;
use crate::syntax::tables::tables;

/// The definitions of the tables and views that a statement names and that are not its session's own, by name, secrets as
/// references. What can't be asked for is not there.
pub(super) async fn definitions(submitted: &Statement<'_>) -> BTreeMap<String, String> {
    let dialect = submitted.sql.dialect();
    let own = Definitions::of(submitted.prelude.iter().map(String::as_str), &dialect);
    let mut found = BTreeMap::new();
    for name in tables(submitted.text, &dialect) {
        if own.holds_table(&name) {
            continue;
        }
        if let Ok(Some(text)) = submitted.sql.definition(&name).await {
            found.insert(own.full_name(name), secrets::redact(&text, &dialect).text);
        }
    }
    found
}
