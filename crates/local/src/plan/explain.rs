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
    let optimized = planned.state.optimize(&planned.plan).rejected()?;
    let stream = match dataflow {
        Ok(dataflow) => {
            let vertices = dataflow.vertices();
            let lines: Vec<&str> = vertices.iter().rev().map(|v| v.name.as_str()).collect();
            let mode = if dataflow.is_updating() { "I,UB,UA,D" } else { "I" };
            format!("{}\nchangelogMode=[{mode}]", lines.join("\n"))
        }
        Err(refusal) => {
            let hints: Vec<String> = refusal.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
            format!("can't run: {}{}", refusal.message, hints.concat())
        }
    };
    Ok(format!(
        "== Logical Plan ==\n{}\n\n== Optimized Logical Plan ==\n{}\n\n== Streaming Plan ==\n{stream}",
        planned.plan.display_indent(),
        optimized.display_indent(),
    ))
}
