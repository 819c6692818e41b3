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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Notes what it is told, and fails at that word.
    struct Telling {
        name: &'static str,
        fails_at: Option<&'static str>,
        told: Arc<Mutex<Vec<String>>>,
    }

    impl Telling {
        fn tell(&self, word: &str) -> Result<()> {
            self.told.lock().unwrap().push(format!("{} {word}", self.name));
            match self.fails_at == Some(word) {
                true => Err(EngineError::failed(format!("{} can't {word}", self.name))),
                false => Ok(()),
            }
        }
    }

    impl Sink for Telling {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn write(&mut self, batch: &Batch, _epoch: u64) -> Result<()> {
            self.tell(&format!("write {}", batch.rows.num_rows()))
        }

        fn prepare(&mut self) -> Result<SinkState> {
            self.tell("prepare")?;
            Ok(SinkState {
                name: self.name(),
                dir: None,
                parts: Vec::new(),
            })
        }

        fn commit(&mut self) -> Result<()> {
            self.tell("commit")
        }

        fn close(&mut self, _outcome: Result<()>) {}
    }

    fn sinks(fails: [Option<&'static str>; 2]) -> (Sinks, Arc<Mutex<Vec<String>>>) {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let mut sinks = Sinks::new();
        for (name, fails_at) in std::iter::zip(["a", "b"], fails) {
            let told = Arc::clone(&told);
            sinks.add(Box::new(Telling { name, fails_at, told }));
        }
        sinks.share(0);
        (sinks, told)
    }

    fn rows(count: usize) -> Batch {
        use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
        use datafusion::arrow::datatypes::Schema;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::new(Schema::empty());
        Batch::inserts(RecordBatch::try_new_with_options(schema, Vec::new(), &options).unwrap())
    }

    #[test]
    fn each_outlets_rows_go_to_its_sink() {
        let (mut sinks, told) = sinks([None, None]);
        let output = [vec![rows(1), rows(0)], vec![rows(2)], vec![rows(3), rows(4)]];
        assert_eq!(sinks.write(&output, 1).unwrap(), 10);
        assert_eq!(
            *told.lock().unwrap(),
            ["a write 1", "b write 2", "a write 3", "a write 4"]
        );
        assert_eq!(sinks.names(), ["a", "b"]);
    }

    #[test]
    fn once_the_manifest_stands_one_sink_that_fails_keeps_no_other_from_committing() {
        let (mut failing, told) = sinks([Some("commit"), None]);
        assert_eq!(failing.prepare().unwrap().len(), 2);
        assert_eq!(failing.commit().unwrap_err().message, "a can't commit");
        assert_eq!(
            *told.lock().unwrap(),
            ["a prepare", "b prepare", "a commit", "b commit"]
        );
        let (mut failing, _) = sinks([None, Some("prepare")]);
        assert_eq!(failing.prepare().unwrap_err().message, "b can't prepare");
    }
}
