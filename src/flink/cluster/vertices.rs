//! How busy a job's vertices are, and how far their event time has come.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::Deserialize;
use skep_engine::{JobId, Vertex};

use super::Cluster;
use super::answers::{self, Metric};

/// Vertices that are asked at the same time, and at all.
const AT_ONCE: usize = 8;
const MOST: usize = 200;

/// Milliseconds of each second that the busiest subtask works, or waits for those after it.
const BUSY: &str = "busyTimeMsPerSecond";
const BACK_PRESSURED: &str = "backPressuredTimeMsPerSecond";

/// `GET …/subtasks/metrics?get=…&agg=max`. A metric that is not collected yet is missing or NaN.
#[derive(Deserialize)]
struct Aggregate {
    id: String,
    max: Option<f64>,
}

impl Cluster {
    /// The vertices of a job that runs, with what the metrics say of each. One that can't be asked lacks them.
    pub(super) async fn measure(&self, job: &JobId, vertices: &[answers::Vertex], described: &mut [Vertex]) {
        let paths: Vec<String> = vertices
            .iter()
            .take(MOST)
            .map(|vertex| format!("/v1/jobs/{job}/vertices/{}", vertex.id))
            .collect();
        let asked = stream::iter(paths).map(|path| async move {
            let metrics = format!("{path}/subtasks/metrics?get={BUSY},{BACK_PRESSURED}&agg=max");
            let watermarks = format!("{path}/watermarks");
            tokio::join!(
                self.client.get::<Vec<Aggregate>>(&metrics),
                self.client.get::<Vec<Metric>>(&watermarks)
            )
        });
        let answers: Vec<_> = asked.buffered(AT_ONCE).collect().await;
        for (vertex, (metrics, watermarks)) in described.iter_mut().zip(answers) {
            let metrics = metrics.unwrap_or_default();
            let share = |name: &str| {
                let found = metrics.iter().find(|metric| metric.id == name)?;
                let share = found.max? / 1000.0;
                share.is_finite().then(|| share.clamp(0.0, 1.0))
            };
            vertex.busy = share(BUSY);
            vertex.back_pressured = share(BACK_PRESSURED);
            vertex.watermark = watermarks.ok().and_then(|marks| lowest(&marks));
        }
    }
}

/// The lowest watermark of the subtasks; none as long as one of them has none.
fn lowest(marks: &[Metric]) -> Option<Timestamp> {
    let lowest = marks
        .iter()
        .map(|mark| mark.value.parse::<i64>())
        .collect::<Result<Vec<_>, _>>();
    let lowest = lowest.ok()?.into_iter().min()?;
    // The smallest number stands for none.
    (lowest > i64::MIN)
        .then(|| Timestamp::from_millisecond(lowest).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_watermark_counts() {
        let mark = |value: &str| Metric {
            id: "0.currentInputWatermark".to_owned(),
            value: value.to_owned(),
        };
        let at = |millisecond| Timestamp::from_millisecond(millisecond).ok();
        assert_eq!(lowest(&[mark("2000"), mark("1000")]), at(1000));
        assert_eq!(lowest(&[mark("2000"), mark("-9223372036854775808")]), None);
        assert_eq!(lowest(&[mark("NaN")]), None);
        assert_eq!(lowest(&[]), None);
    }
}
