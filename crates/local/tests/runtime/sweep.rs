//! What dead jobs leave is taken away when another job starts; what belongs to others is not.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use skep_engine::{JobControl, JobId};

use crate::flow::{Numbers, Query};
use crate::world::{World, blackhole, new_id, spec};

impl World {
    /// Lays down what a job leaves that dies while it writes its seventh part, its record, a checkpoint and a savepoint, and
    /// while an older checkpoint is deleted.
    fn leave(&self, job: &JobId) -> Vec<PathBuf> {
        let dir = self.host.dir().join("jobs").join(job.to_string());
        let digits = &job.to_string()[..6];
        let savepoint = self
            .host
            .dir()
            .join(format!("savepoints/.tmp-savepoint-{digits}-0123456789ab"));
        let directories = [dir.join(".tmp-chk-7"), dir.join(".deleted-chk-6"), savepoint];
        for directory in &directories {
            fs::create_dir_all(directory).unwrap();
            fs::write(directory.join("operator-000.arrow"), "half").unwrap();
        }
        let record = dir.join(".job.json.new");
        fs::write(&record, "{").unwrap();
        let part = self.out.join(format!(".part-{}-{job}-7.inprogress", job.short()));
        fs::create_dir_all(&self.out).unwrap();
        fs::write(&part, "1,2\n").unwrap();
        directories.into_iter().chain([record, part]).collect()
    }
}

fn there(paths: &[PathBuf]) -> Vec<bool> {
    paths.iter().map(|path| path.exists()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dead_leave_goes_and_what_others_have_stays() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(5));
    let living = world
        .start(spec(blackhole()), Numbers::new(Query::Each).gated(&gate))
        .await
        .job_id;
    let dead = world
        .start(spec(blackhole()), Numbers::new(Query::Each).to(10))
        .await
        .job_id;
    world.until_ended(&dead).await;
    let unknown = new_id();

    let of_dead = world.leave(&dead);
    let of_living = world.leave(&living);
    let of_unknown = world.leave(&unknown);
    let foreign = [
        world.out.join(".part-mine"),
        world.out.join(".hidden.csv"),
        world.out.join("a.csv"),
    ];
    for path in &foreign {
        fs::write(path, "").unwrap();
    }

    let other = world.other_process();
    let started = other
        .start(spec(world.csv()), Box::new(Numbers::new(Query::Each).to(10)))
        .await
        .unwrap();
    assert_eq!(there(&of_dead), [false; 5], "{of_dead:?}");
    assert_eq!(there(&of_living), [true; 5], "{of_living:?}");
    assert_eq!(there(&of_unknown), [true; 5], "{of_unknown:?}");
    assert_eq!(there(&foreign), [true; 3]);
    let log = other.log(&started.job_id).await.unwrap();
    let removed = log.iter().filter(|line| line.text.starts_with("removed ")).count();
    assert_eq!(removed, 5, "{log:?}");
    world.host.cancel(&living).await.unwrap();
    world.until_ended(&living).await;
}
