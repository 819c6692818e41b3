//! A statement is submitted once, whatever breaks on its way, and what came of it is known in the end.

use skep::ledger::{JobRecord, Outcome};

use crate::cluster::{Cluster, Service};
use crate::proxy::{Break, Proxy, Seen};
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::http::Fault;
use crate::world::{Live, Program};

cases! {
    jobs 3: an_insert_whose_shell_is_killed,
    jobs 3: a_statement_set_whose_shell_is_killed,
    jobs 4: a_query_whose_shell_is_killed,
    jobs 2: an_insert_whose_shell_dies_while_it_writes_the_ledger,
    jobs 7: an_insert_whose_connection_is_cut,
    jobs 7: a_statement_set_whose_connection_is_cut,
    jobs 7: a_query_whose_connection_is_cut,
}

const POST: &str = "POST /*/statements";
const PAGE: &str = "GET /*/result/0*";

/// A statement that leaves a job without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Insert,
    Set,
    Query,
}

impl What {
    const ALL: [Self; 3] = [Self::Insert, Self::Set, Self::Query];

    fn text(self) -> &'static str {
        match self {
            Self::Insert => "INSERT INTO nowhere SELECT id FROM gen;\n",
            Self::Set => {
                "BEGIN STATEMENT SET; INSERT INTO nowhere SELECT id FROM gen; \
                 INSERT INTO elsewhere SELECT id FROM gen; END;\n"
            }
            Self::Query => "SELECT id FROM gen;\n",
        }
    }

    /// How the gateway is sent it.
    fn beginning(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Set => "EXECUTE STATEMENT SET",
            Self::Query => "SELECT",
        }
    }
}

/// Somebody who submits one statement by way of a proxy, under a name that no other job has.
struct Trial<'a> {
    cluster: &'a Cluster,
    what: What,
    name: String,
    proxy: Proxy,
    shell: Shell,
}

impl<'a> Trial<'a> {
    fn new(cluster: &'a Cluster, what: What, name: &str) -> Self {
        let proxy = Proxy::before(&cluster.gateway());
        let shell = Shell::at(&format!("flink://{}", proxy.address()));
        let name = format!("{what:?}, {name}");
        Self {
            cluster,
            what,
            name,
            proxy,
            shell,
        }
    }

    /// A shell that has all that the statement needs.
    fn prepare(&self) -> Live {
        self.prepare_in(self.shell.skep())
    }

    fn prepare_in(&self, skep: Program) -> Live {
        let sink =
            |name: &str| format!("CREATE TEMPORARY TABLE {name} (id BIGINT) WITH ('connector' = 'blackhole');\n");
        let told = [
            format!("SET 'pipeline.name' = '{}';\n", self.name),
            "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n"
                .to_owned(),
            sink("nowhere"),
            sink("elsewhere"),
        ];
        let mut live = skep.with("--force").start();
        live.send(told.concat());
        self.proxy.wait_seen("DELETE /*/close", told.len());
        live
    }

    /// The statement's way is broken there, and it is sent on it.
    fn submit(&self, request: &str, what: Break) -> Live {
        let mut live = self.prepare();
        self.proxy.break_next(request, what);
        live.send(self.what.text());
        live
    }

    /// The requests that submit the statement.
    fn posts(&self) -> Vec<Seen> {
        let mut posts = self.proxy.seen(POST);
        posts.retain(|post| {
            let text = post.body["statement"].as_str().unwrap_or_default();
            text.starts_with(self.what.beginning())
        });
        posts
    }

    /// The one intent in the ledger, if it is still there. It was submitted once and has one job at most, under its id.
    #[track_caller]
    fn audit(&self) -> Option<JobRecord> {
        let posts = self.posts();
        assert_eq!(posts.len(), 1, "{}: {posts:?}", self.name);
        self.audit_of(&posts)
    }

    /// The same of a statement that may never have been sent.
    #[track_caller]
    fn audit_of(&self, posts: &[Seen]) -> Option<JobRecord> {
        let jobs = self.cluster.witness().named(&self.name);
        let chosen = posts
            .first()
            .and_then(|post| post.body["executionConfig"]["$internal.pipeline.job-id"].as_str());
        assert!(jobs.len() <= 1, "{}: {jobs:?}", self.name);
        assert!(jobs.iter().all(|job| Some(&*job.id) == chosen), "{chosen:?} {jobs:?}");
        let mut intents = self.shell.ledger();
        assert!(intents.len() <= 1, "{}: {intents:?}", self.name);
        let intent = intents.pop();
        if let (Some(intent), Some(chosen)) = (&intent, chosen) {
            assert_eq!(intent.job_id().to_string(), chosen);
        }
        intent
    }

    /// After the next start the intent is settled, and the word is true. Returns it. A shell that has nothing else to do does
    /// not wait long for it: where the cluster is slow it is one of the next that settles it.
    #[track_caller]
    fn settled(&self) -> Outcome {
        let was = self.audit().unwrap().outcome;
        let (output, intent) = wait_for("the intent to be settled", || {
            let output = self.shell.script("!jobs -a\n").expect_code(0);
            match self.audit().unwrap() {
                intent if intent.outcome == Outcome::Open => Err(output),
                intent => Ok((output, intent)),
            }
        });
        let jobs = self.cluster.witness().named(&self.name);
        match &intent.outcome {
            Outcome::Open => unreachable!("it was waited for"),
            Outcome::Accepted => assert_eq!(jobs.len(), 1, "{}: {output}", self.name),
            Outcome::Refused(_) | Outcome::NeverArrived => assert_eq!(jobs, [], "{}: {output}", self.name),
            Outcome::Unknown(_) => assert_eq!(jobs, [], "{}: {output}", self.name),
        }
        let said = output.stderr.contains(&intent.job_id().to_string());
        assert!(said || was != Outcome::Open, "{}: {output}", self.name);
        intent.outcome
    }

    /// A query, whose rows nobody can read any more, is ended by whoever comes next; what writes somewhere goes on.
    #[track_caller]
    fn expect_after_that(&self, job: &str) {
        let witness = self.cluster.witness();
        if self.what == What::Query {
            let next = self.shell.skep().start();
            witness.wait_state(job, "CANCELED");
            drop(next.wait().expect_code(0));
        } else {
            assert!(!["CANCELED", "FAILED"].contains(&&*witness.state(job)));
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let Ok(jobs) = self.cluster.witness().jobs() else {
            return;
        };
        for job in jobs.iter().filter(|job| job.name == self.name) {
            self.cluster.witness().cancel(&job.id);
        }
    }
}

fn an_insert_whose_shell_is_killed(cluster: &Cluster) {
    the_shell_is_killed(cluster, What::Insert);
}

fn a_statement_set_whose_shell_is_killed(cluster: &Cluster) {
    the_shell_is_killed(cluster, What::Set);
}

fn a_query_whose_shell_is_killed(cluster: &Cluster) {
    the_shell_is_killed(cluster, What::Query);
}

fn the_shell_is_killed(cluster: &Cluster, what: What) {
    let silence = || Fault::Silence;

    let trial = Trial::new(cluster, what, "shell killed before it is sent");
    let live = trial.submit(POST, Break::Before(silence()));
    wait_for("the statement", || trial.posts().pop().ok_or(()));
    live.kill();
    assert!(matches!(trial.settled(), Outcome::Unknown(_)));
    // It has been said; from now on the list says it.
    let again = trial.shell.script("!jobs -a\n").expect_code(0);
    assert!(!again.stderr.contains("heard nothing of"), "{again}");

    for (step, request, broken) in [
        ("sent, no reply", POST, Break::After(silence())),
        ("page not asked for", PAGE, Break::Before(silence())),
        ("page not answered", PAGE, Break::After(silence())),
    ] {
        let trial = Trial::new(cluster, what, &format!("shell killed: {step}"));
        let live = trial.submit(request, broken);
        let job = cluster.witness().wait_named(&trial.name);
        live.kill();
        assert_eq!(trial.settled(), Outcome::Accepted);
        trial.expect_after_that(&job);
    }

    if what == What::Query {
        let trial = Trial::new(cluster, what, "shell killed while it fetches");
        let mut live = trial.prepare();
        live.send(what.text());
        live.wait_for_out("two rows", |out| out.lines().count() > 3);
        live.kill();
        let job = cluster.witness().wait_named(&trial.name);
        assert_eq!(trial.settled(), Outcome::Accepted);
        trial.expect_after_that(&job);
    }
}

/// At each moment at which it writes of the statement; `intent` is written before the statement is sent, `accepted` after
/// the reply has come.
fn an_insert_whose_shell_dies_while_it_writes_the_ledger(cluster: &Cluster) {
    for (point, sent, kept) in [
        ("ledger.intent.before", false, false),
        ("ledger.intent.after", false, true),
        ("ledger.accepted.before", true, true),
        ("ledger.accepted.after", true, true),
    ] {
        let trial = Trial::new(cluster, What::Insert, point);
        let mut live = trial.prepare_in(trial.shell.skep().env("SKEP_FAILPOINT", point));
        live.send(trial.what.text());
        let died = live.wait_open();
        assert_eq!(died.code, 134, "{point}: {died}");
        let posts = trial.posts();
        assert_eq!(posts.len(), usize::from(sent), "{point}: {posts:?}");
        if sent {
            cluster.witness().wait_named(&trial.name);
        }
        assert_eq!(trial.audit_of(&posts).is_some(), kept, "{point}");
        let output = trial.shell.script("!jobs -a\n").expect_code(0);
        let Some(intent) = trial.audit_of(&trial.posts()) else {
            assert!(!kept, "{point}: {output}");
            continue;
        };
        match (sent, &intent.outcome) {
            (true, Outcome::Accepted) => assert_eq!(cluster.witness().named(&trial.name).len(), 1, "{output}"),
            (false, Outcome::Unknown(_) | Outcome::NeverArrived) => {
                assert_eq!(cluster.witness().named(&trial.name), [], "{output}");
                let output = output.expect_stderr(&intent.job_id().to_string());
                assert_eq!(trial.posts().len(), 0, "{output}");
            }
            _ => panic!("{point}: {intent:?} {output}"),
        }
    }
}

fn an_insert_whose_connection_is_cut(cluster: &Cluster) {
    the_connection_is_cut(cluster, What::Insert);
}

fn a_statement_set_whose_connection_is_cut(cluster: &Cluster) {
    the_connection_is_cut(cluster, What::Set);
}

fn a_query_whose_connection_is_cut(cluster: &Cluster) {
    the_connection_is_cut(cluster, What::Query);
}

fn the_connection_is_cut(cluster: &Cluster, what: What) {
    let trial = Trial::new(cluster, what, "cut before it arrives");
    let output = trial.submit(POST, Break::Before(Fault::Cut)).wait().expect_code(1);
    let output = output.expect_stderr("did not arrive, and nothing was started");
    assert!(matches!(trial.settled(), Outcome::Refused(_)), "{output}");

    for (step, broken) in [
        ("before its reply", Break::After(Fault::Cut)),
        ("within the head of its reply", Break::Short(9)),
        ("within the body of its reply", Break::Short(160)),
        (
            "the reply of another",
            Break::After(Fault::Status(502, "<html>Bad Gateway</html>")),
        ),
        (
            "its reply is half",
            Break::After(Fault::Body(b"{\"operationHandle\": \"".to_vec())),
        ),
    ] {
        let trial = Trial::new(cluster, what, step);
        let output = trial.submit(POST, broken).wait();
        let job = cluster.witness().wait_named(&trial.name);
        if what == What::Query {
            // Nobody can have its rows any more.
            let output = output.expect_code(1);
            output.expect_stderr("its rows can't be had, so that it was cancelled");
            assert_eq!(cluster.witness().state(&job), "CANCELED");
            trial.audit();
        } else {
            output.expect_code(0).expect_stderr("found on the cluster by its id");
            assert_eq!(trial.settled(), Outcome::Accepted);
        }
    }

    // The same page can be asked for again.
    for (step, broken) in [
        ("before the page", Break::Before(Fault::Cut)),
        ("within the page", Break::Short(200)),
    ] {
        let trial = Trial::new(cluster, what, step);
        let live = trial.submit(PAGE, broken);
        let job = cluster.witness().wait_named(&trial.name);
        if what == What::Query {
            live.wait_for_out("two rows", |out| out.lines().count() > 3);
            live.signal(rustix::process::Signal::INT);
            let _ = live.wait_open().expect_code(130).expect_stderr("CANCELED");
            assert_eq!(cluster.witness().state(&job), "CANCELED");
            trial.audit();
        } else {
            let _ = live.wait().expect_code(0);
            assert_eq!(trial.settled(), Outcome::Accepted);
        }
    }
}

/// What was on its way is found again, or is unknown; and the shell goes on in a session that is what the old one was.
pub(super) fn the_gateway_is_killed(cluster: &Cluster) {
    for (step, request, broken) in [
        ("not sent", POST, Break::Before(Fault::Silence)),
        ("no reply", POST, Break::After(Fault::Silence)),
        ("no page", PAGE, Break::Before(Fault::Silence)),
    ] {
        let trials = What::ALL.map(|what| Trial::new(cluster, what, &format!("gateway killed: {step}")));
        let lives: Vec<Live> = trials
            .iter()
            .map(|trial| trial.submit(request, broken.clone()))
            .collect();
        for trial in &trials {
            wait_for("the statement", || {
                let posts = trial.posts();
                let answered = posts.iter().any(|post| post.status.is_some());
                (posts.len() == 1 && (answered || step == "not sent"))
                    .then_some(())
                    .ok_or(posts)
            });
            if request == PAGE {
                cluster.witness().wait_named(&trial.name);
            }
        }
        cluster.kill(Service::Gateway);
        trials.iter().for_each(|trial| trial.proxy.cut());
        cluster.start_again(Service::Gateway);
        for (trial, mut live) in trials.iter().zip(lives) {
            live.send("SHOW TABLES;\n");
            let out = live.wait_out("nowhere");
            assert!(out.contains("elsewhere") && out.contains("gen"), "{out}");
            let output = live
                .wait()
                .expect_stderr("it was opened again and told the 4 statements");
            let Some(intent) = trial.audit() else {
                panic!("{}: {output}", trial.name);
            };
            let jobs = cluster.witness().named(&trial.name);
            match (request, &intent.outcome) {
                (_, Outcome::Accepted) if trial.what != What::Query => assert_eq!(jobs.len(), 1, "{output}"),
                (PAGE, _) if trial.what == What::Query => {
                    let output = output.expect_stderr("its rows can't be had, so that it was cancelled");
                    assert!(jobs.iter().all(|job| job.state == "CANCELED"), "{output} {jobs:?}");
                }
                (POST, Outcome::Unknown(_)) => {
                    let output = output.expect_stderr(&format!("whether job {} was started", intent.job_id()));
                    assert!(step == "no reply" || jobs.is_empty(), "{output} {jobs:?}");
                }
                (POST, Outcome::Refused(_)) if step == "no reply" && trial.what == What::Query => {
                    assert!(jobs.iter().all(|job| job.state == "CANCELED"), "{output} {jobs:?}");
                }
                _ => panic!("{}: {intent:?} {jobs:?} {output}", trial.name),
            }
        }
    }
}
