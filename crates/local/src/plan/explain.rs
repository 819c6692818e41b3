//! EXPLAIN: the plans as text.

use datafusion::physical_plan::displayable;
use skep_engine::{EngineError, Result};

use super::planner::Planned;
use crate::dataflow::Dataflow;
use crate::failure::Explained;

/// The logical plan, the optimized one and the physical one.
pub(crate) async fn batch(planned: &Planned) -> Result<String> {
    let optimized = planned.state.optimize(&planned.plan).rejected()?;
    let physical = planned.state.create_physical_plan(&planned.plan).await.rejected()?;
    Ok(format!(
        "== Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{}\n\n== Physical Plan (batch) ==\n{}",
        planned.plan.display_indent(),
        optimized.display_indent(),
        displayable(physical.as_ref()).indent(false).to_string().trim_end()
    ))
}

/// The logical plan, the optimized one, and what the stream is made of or why it can't run.
pub(crate) fn streaming(planned: &Planned, dataflow: Result<Box<dyn Dataflow>, EngineError>) -> Result<String> {
    Ok(format!("{}\n\n{}", logical(planned)?, physical(dataflow)))
}

/// The same of a statement set: the plans of each INSERT, by its name, and what their one job is made of.
pub(crate) fn set(parts: &[(String, Planned)], dataflow: Result<Box<dyn Dataflow>, EngineError>) -> Result<String> {
    let mut text = String::new();
    for (name, planned) in parts {
        text.push_str(&format!("== {name} ==\n{}\n\n", logical(planned)?));
    }
    text.push_str(&physical(dataflow));
    Ok(text)
}

fn logical(planned: &Planned) -> Result<String> {
    let optimized = planned.state.optimize(&planned.plan).rejected()?;
    Ok(format!(
        "== Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{}",
        planned.plan.display_indent(),
        optimized.display_indent(),
    ))
}

/// What a stream is made of, and the changes that each outlet gives.
fn physical(dataflow: Result<Box<dyn Dataflow>, EngineError>) -> String {
    let stream = match dataflow {
        Ok(dataflow) => {
            let vertices = dataflow.vertices();
            let lines: Vec<&str> = vertices.iter().rev().map(|v| v.name.as_str()).collect();
            let modes = dataflow.outlets().into_iter().map(|outlet| match outlet.updating {
                true => "I,UB,UA,D",
                false => "I",
            });
            let modes: Vec<_> = modes.map(|mode| format!("changelogMode=[{mode}]")).collect();
            format!("{}\n{}", lines.join("\n"), modes.join("\n"))
        }
        Err(refusal) => {
            let hints: Vec<String> = refusal.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
            format!("can't run: {}{}", refusal.message, hints.concat())
        }
    };
    format!("== Streaming Plan ==\n{stream}")
}
