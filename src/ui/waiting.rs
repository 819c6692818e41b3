//! The line that stands on the terminal while something takes its time.

use std::future::Future;
use std::time::{Duration, Instant};

use super::{Ui, quantity};

/// What is over sooner is not worth a line.
const MOMENT: Duration = Duration::from_secs(2);

/// How often the line is written anew.
const ROUND: Duration = Duration::from_secs(1);

/// Something that a person waits for.
#[derive(Debug)]
pub struct Waiting {
    ui: Ui,
    since: Instant,
    ways_out: &'static str,
}

impl Ui {
    /// Something that a person waits for since then, and how it can be left.
    pub fn waiting(&self, since: Instant, ways_out: &'static str) -> Waiting {
        Waiting {
            ui: self.clone(),
            since,
            ways_out,
        }
    }
}

impl Waiting {
    /// Waits for the end of the work. What happens meanwhile, for how long, and how to leave it stands on the terminal, and
    /// is gone afterwards.
    pub async fn until<W: Future>(&self, what: impl Fn() -> String, work: W) -> W::Output {
        tokio::pin!(work);
        let mut next = self.since + MOMENT;
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.ui.clear_progress();
                    return done;
                }
                () = tokio::time::sleep_until(next.into()) => {}
            }
            let now = Instant::now();
            let age = quantity::age(now.duration_since(self.since));
            self.ui.progress(&format!("{} · {age} · {}", what(), self.ways_out));
            next = now + ROUND;
        }
    }
}
