//! `!every`.

use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use skep_engine::{JobId, Watched};
use tokio::sync::watch;

use super::args::{Args, parse_duration};
use super::handler::{Command, Flow};
use super::savepoint::{DIR, FORMAT, LABEL, request};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target::{self, Target};
use crate::error::Error;
use crate::job::record::Action;
use crate::job::schedule::Schedule;
use crate::ledger::Ledger;
use crate::savepoint::parse_label;
use crate::session::Session;
use crate::ui::{Align, Listing, Ui, quantity};

/// `!every TIME !savepoint REF`.
#[derive(Debug)]
pub struct Every;

static SPEC: Spec = Spec {
    name: "every",
    aliases: &[],
    category: Category::Savepoints,
    summary: "takes savepoints of a job again and again, until it ends",
    help: "The first one after TIME. What comes of each is told above the prompt. One that takes longer than TIME is not\n\
           overtaken by the next. A label moves on to the newest. It ends with the job, with --stop, or with the shell;\n\
           on the command line it stays in the foreground until the job ends. Alone, !every lists what is planned.",
    positionals: &[
        Positional {
            name: "TIME",
            kind: Kind::Duration,
            arity: Arity::Optional,
        },
        Positional {
            name: "!savepoint REF",
            kind: Kind::Word,
            arity: Arity::Any,
        },
    ],
    flags: &[
        DIR,
        FORMAT,
        LABEL,
        Flag {
            name: "stop",
            short: None,
            value: Some(("NUMBER", Kind::Word)),
            help: "no more of the one of that number",
        },
    ],
    example: "!every 6h !savepoint %1 --label regular",
    one_shot: true,
};

#[async_trait]
impl Command for Every {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        match (args.value("stop"), args.words()) {
            (Some(number), []) => stop(session, number)?,
            (None, []) => list(session)?,
            (None, [time, command, word]) if command.trim_start_matches('!') == "savepoint" => {
                let every = parse_duration(time)?;
                if every.is_zero() {
                    return Err(Error::usage("!every: TIME is longer than nothing"));
                }
                begin(session, every, word, &args).await?;
            }
            _ => {
                let error = Error::usage("!every takes TIME and !savepoint REF, or --stop NUMBER");
                return Err(error.hint(format!("usage: {}", SPEC.usage())));
            }
        }
        Ok(Flow::Continue)
    }
}

fn stop(session: &Session, number: &str) -> Result<(), Error> {
    let found = number.parse().ok().and_then(|number| session.schedule.remove(number));
    let (plan, task) = found.ok_or_else(|| {
        Error::failed(format!("nothing is planned under the number {number}")).hint("!every lists what is planned")
    })?;
    if let Some(task) = task {
        task.abort();
    }
    session.ui.say(&format!("no more {}", plan.command));
    if session.settings.json {
        session.ui.json(&plan)?;
    }
    Ok(())
}

fn list(session: &Session) -> Result<(), Error> {
    let plans = session.schedule.plans();
    if session.settings.json {
        for plan in &plans {
            session.ui.json(plan)?;
        }
        return Ok(());
    }
    if plans.is_empty() {
        session.ui.say("nothing is planned");
        return Ok(());
    }
    let now = Timestamp::now();
    let mut listing = Listing::new([
        ("", Align::Right),
        ("every", Align::Right),
        ("command", Align::Left),
        ("next", Align::Left),
        ("done", Align::Right),
        ("failed", Align::Right),
        ("last", Align::Left),
    ]);
    for plan in plans {
        listing.row([
            plan.number.to_string(),
            quantity::interval(Duration::from_millis(plan.every_ms)),
            plan.command,
            quantity::moment(plan.next, now, &TimeZone::system()),
            plan.done.to_string(),
            plan.failed.to_string(),
            plan.last.unwrap_or_default(),
        ]);
    }
    session.ui.list(&listing)?;
    Ok(())
}

async fn begin(session: &mut Session, every: Duration, word: &str, args: &Args) -> Result<(), Error> {
    let label = args.value("label").map(parse_label).transpose()?.map(str::to_owned);
    let target = target::resolve(session, word).await?;
    if !target.connection.capabilities.savepoint {
        return Err(Error::unsupported(&target.connection.label, "savepoints"));
    }
    let (job_id, control) = (target.job_id()?, target.control()?);
    let status = control.status(&job_id).await?;
    if status.lost || status.state.is_terminal() {
        return Err(Error::failed(format!("{} does not run", target.job.title())));
    }
    let mut command = format!("!savepoint {}", target.job.reference());
    if let Some(label) = &label {
        command.push_str(&format!(" --label {label}"));
    }
    let number = session.schedule.add(every, command.clone());
    let keeper = Keeper {
        number,
        every,
        args: args.clone(),
        label,
        job_id,
        watched: control.watch(job_id),
        target,
        schedule: session.schedule.clone(),
        jobs: session.jobs.clone(),
        ledger: session.ledger.clone(),
        ui: session.ui.clone(),
        prints: session.settings.one_shot,
        json: session.settings.json,
    };
    let every = quantity::interval(every);
    let one_shot = session.settings.one_shot;
    let ends = if one_shot {
        "Ctrl-C ends it".to_owned()
    } else {
        format!("!every --stop {number} ends it")
    };
    session.ui.say(&format!("every {every}: {command} · {ends}"));
    if session.settings.json && !one_shot {
        for plan in session.schedule.plans().iter().filter(|plan| plan.number == number) {
            session.ui.json(plan)?;
        }
    }
    let mut task = tokio::spawn(keeper.keep());
    session.schedule.runs_in(number, task.abort_handle());
    if one_shot {
        tokio::select! {
            ended = &mut task => ended.map_err(Error::internal)?,
            signal = session.interrupts.next() => return Err(signal.error()),
        }
    }
    Ok(())
}

/// Takes one job's savepoints.
struct Keeper {
    number: u32,
    every: Duration,
    args: Args,
    label: Option<String>,
    job_id: JobId,
    watched: watch::Receiver<Watched>,
    target: Target,
    schedule: Schedule,
    jobs: crate::job::Table,
    ledger: Ledger,
    ui: Ui,
    /// Paths are results: there is no prompt.
    prints: bool,
    json: bool,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let step = SignedDuration::try_from(self.every).unwrap_or(SignedDuration::MAX);
            let next = Timestamp::now().checked_add(step).unwrap_or(Timestamp::MAX);
            self.schedule.update(self.number, |plan| plan.next = next);
            let ended = has_ended(&mut self.watched);
            tokio::select! {
                () = ended => break,
                () = tokio::time::sleep(self.every) => {}
            }
            self.save().await;
        }
        self.schedule.remove(self.number);
        let title = self.target.job.title();
        self.ui.note(&format!(
            "{title} has ended, and with it its savepoints every {}",
            quantity::interval(self.every)
        ));
    }

    async fn runs(&self) -> bool {
        let Ok(control) = self.target.control() else {
            return false;
        };
        match control.status(&self.job_id).await {
            Ok(status) => !status.lost && !status.state.is_terminal(),
            Err(error) => error.kind != skep_engine::ErrorKind::NotFound,
        }
    }

    async fn save(&self) {
        let title = self.target.job.title();
        let Ok(control) = self.target.control() else { return };
        let acting = self.jobs.acting(self.target.job.handle, Action::Savepointing);
        let saved = control.savepoint(&self.job_id, request(&self.args, None)).await;
        drop(acting);
        let told = match saved {
            Ok(mut savepoint) => {
                savepoint.label.clone_from(&self.label);
                self.ledger.saved(&self.target.connection.url, savepoint.clone());
                if let Some(handle) = self.target.job.handle {
                    self.jobs
                        .update(handle, |entry| entry.job.savepoint = Some(savepoint.path.clone()));
                }
                self.schedule.update(self.number, |plan| plan.done += 1);
                // Nobody reads them any more: the next write of anything else says so.
                let _ = match (self.prints, self.json) {
                    (true, true) => self.ui.json(&savepoint),
                    (true, false) => self.ui.print(&savepoint.path),
                    _ => Ok(()),
                };
                format!("savepoint {}", savepoint.path)
            }
            // It has ended meanwhile, which is told by whoever ended it.
            Err(_) if !self.runs().await => return,
            Err(error) => {
                self.schedule.update(self.number, |plan| plan.failed += 1);
                format!("savepoint failed: {error}")
            }
        };
        self.ui.note(&format!("{title} · {told}"));
        self.schedule.update(self.number, |plan| plan.last = Some(told));
    }
}

/// Returns once the job has ended, or nobody knows it any more.
async fn has_ended(watched: &mut watch::Receiver<Watched>) {
    let ended = |now: &Watched| {
        let status = now.status.as_ref();
        status.is_some_and(|status| status.lost || status.state.is_terminal())
            || now
                .problem
                .as_ref()
                .is_some_and(|problem| problem.kind == skep_engine::ErrorKind::NotFound)
    };
    // Whoever watches has left when the job had ended.
    let _ = watched.wait_for(ended).await;
}
