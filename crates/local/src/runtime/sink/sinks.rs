//! All sinks of one job, written and committed as one.

use skep_engine::{Batch, EngineError, Result};

use super::Sink;
use crate::dataflow::{Batches, Fingerprint, OperatorState};
use crate::runtime::snapshot::SinkState;

/// A job's sinks. One manifest names the parts of all of them: before it is durable none of them has committed anything,
/// and from then on all of them will, if need be in the next restore.
pub(crate) struct Sinks {
    sinks: Vec<Box<dyn Sink>>,
    /// Which sink takes the rows of each of the dataflow's outlets.
    outlets: Vec<usize>,
}

impl Sinks {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            sinks: Vec::new(),
            outlets: Vec::new(),
        }
    }

    /// Gives the next outlet a sink of its own.
    pub(crate) fn add(&mut self, sink: Box<dyn Sink>) {
        self.outlets.push(self.sinks.len());
        self.sinks.push(sink);
    }

    /// Gives the next outlet the sink of an earlier one.
    pub(crate) fn share(&mut self, outlet: usize) {
        self.outlets.push(self.outlets[outlet]);
    }

    /// The sinks in words.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sinks.iter().map(|sink| sink.name()).collect()
    }

    /// Takes the rows of all outlets and gives how many they were.
    pub(crate) fn write(&mut self, output: &[Batches], epoch: u64) -> Result<u64> {
        let mut rows = 0;
        for (batches, sink) in output.iter().zip(&self.outlets) {
            let is_empty = |batch: &&Batch| batch.rows.num_rows() == 0;
            for batch in batches.iter().filter(|batch| !is_empty(batch)) {
                rows += batch.rows.num_rows() as u64;
                self.sinks[*sink].write(batch, epoch)?;
            }
        }
        Ok(rows)
    }

    /// Whether there is room for another step's rows everywhere.
    pub(crate) fn has_room(&self) -> bool {
        self.sinks.iter().all(|sink| sink.has_room())
    }

    /// Whether a checkpoint is needed for what was written to become visible.
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.sinks.iter().any(|sink| sink.has_uncommitted())
    }

    /// Whether the job is worth periodic checkpoints.
    pub(crate) fn wants_checkpoints(&self) -> bool {
        self.sinks.iter().any(|sink| sink.wants_checkpoints())
    }

    /// Makes durable what was written to all of them, and names it.
    ///
    /// # Errors
    /// One of them could not; none of them has committed anything, and all keep what they have for the next attempt.
    pub(crate) fn prepare(&mut self) -> Result<Vec<SinkState>> {
        self.sinks.iter_mut().map(|sink| sink.prepare()).collect()
    }

    /// Makes visible what the last [`Sinks::prepare`] named: its manifest is durable.
    ///
    /// # Errors
    /// The first one's that could not. The others have committed all the same, as their rows count.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        for sink in &mut self.sinks {
            outcome = outcome.and(sink.commit());
        }
        outcome
    }

    /// Leaves to the next restore what the last [`Sinks::prepare`] named.
    pub(crate) fn abandon(&mut self) {
        self.sinks.iter_mut().for_each(|sink| sink.abandon());
    }

    /// What the states of the sinks must match to be taken over.
    pub(crate) fn fingerprints(&self) -> Vec<Fingerprint> {
        self.sinks.iter().filter_map(|sink| sink.fingerprint()).collect()
    }

    /// The states of those that have any.
    pub(crate) fn snapshot(&self) -> Result<Vec<OperatorState>> {
        let states = self.sinks.iter().filter_map(|sink| sink.snapshot().transpose());
        states.collect()
    }

    /// Gives each sink its state.
    ///
    /// # Errors
    /// A state does not fit, or there is no such sink.
    pub(crate) fn restore(&mut self, states: Vec<OperatorState>) -> Result<()> {
        for state in states {
            let owner = |sink: &&mut Box<dyn Sink>| sink.fingerprint().is_some_and(|f| f.operator == state.operator);
            match self.sinks.iter_mut().find(owner) {
                Some(sink) => sink.restore(state)?,
                None => {
                    return Err(EngineError::refused(format!(
                        "the saved state has a sink `{}`, which this statement has not",
                        state.operator
                    )));
                }
            }
        }
        Ok(())
    }

    /// The job has ended: what is not committed is discarded.
    pub(crate) fn close(&mut self, outcome: &Result<()>) {
        self.sinks.iter_mut().for_each(|sink| sink.close(outcome.clone()));
    }
}
