//! `!logs`.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::session::Session;
use crate::ui::quantity;

/// `!logs REF`.
#[derive(Debug)]
pub struct Logs;

static SPEC: Spec = Spec {
    name: "logs",
    aliases: &[],
    category: Category::Jobs,
    summary: "shows what a job has logged",
    help: "The newest lines that are still kept, oldest first; also what a print table was given.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!logs %%",
    one_shot: true,
};

#[async_trait]
impl Command for Logs {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let target = target::resolve(session, args.word(0).unwrap_or("%%")).await?;
        let lines = match (target.job.job_id, &target.connection.jobs, &target.entry) {
            (Some(job_id), Some(jobs), _) => {
                let asked = async { Ok(jobs.log(&job_id).await?) };
                session.unless_interrupted(asked).await?
            }
            (_, _, Some(entry)) => {
                let (lines, dropped) = entry.log.lines();
                if dropped > 0 {
                    session.ui.say(&format!(
                        "{} older lines are not kept any more",
                        quantity::count(dropped)
                    ));
                }
                lines
            }
            _ => return Err(Error::failed(format!("no log of {} is kept", target.job.title()))),
        };
        if lines.is_empty() {
            session.ui.say(&format!("{} has logged nothing", target.job.title()));
        }
        let (now, zone) = (Timestamp::now(), TimeZone::system());
        for line in lines {
            if session.settings.json {
                session.ui.json(&json!({ "at": line.at, "text": line.text }))?;
            } else {
                session.ui.print(&format!(
                    "{} {}",
                    quantity::exact_moment(line.at, now, &zone),
                    line.text
                ))?;
            }
        }
        Ok(Flow::Continue)
    }
}
