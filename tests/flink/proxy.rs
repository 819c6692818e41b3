//! Between skep and a server: notes each request, and breaks the answers that it is told to break.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::witness::{RUNTIME, wait_for};
use crate::world::http::{Fault, Message};

/// What happens to a request instead of being passed on and answered.
#[derive(Debug, Clone)]
pub enum Break {
    /// The server never hears of it.
    Before(Fault),
    /// The server carries it out, and the client is answered like this.
    After(Fault),
    /// The same, once the server's answer is that a statement has been executed; until then its answers arrive.
    Executed(Fault),
    /// The server carries it out, and this many bytes of its answer arrive, from the status line on; then the connection
    /// is cut.
    Short(usize),
    /// It is passed on later than it came.
    Late(Duration),
}

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `METHOD path`.
    pub line: String,
    /// Its body, null if that is no JSON.
    pub body: Value,
    /// The status of the server's own answer, if there was one.
    pub status: Option<u16>,
}

/// The next or the `n`th request from now on that fits.
struct Rule {
    pattern: String,
    /// How the statement begins that it submits, if it must.
    statement: Option<String>,
    /// It holds only once a statement has been submitted that begins so.
    after: Option<String>,
    /// How many that fit are let through before.
    skip: usize,
    /// It is used up by one request.
    once: bool,
    what: Break,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

/// The proxy. It ends with the value.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    cuts: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// One before the server at `host:port`, which need not be there yet.
    pub fn before(server: &str) -> Self {
        let server = server.to_owned();
        let state = Arc::new(Mutex::new(State::default()));
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let (cuts, cut) = watch::channel(());
        let accepting = RUNTIME.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state, cut) = (server.clone(), Arc::clone(&shared), cut.clone());
                tokio::spawn(async move { pass(client, &server, &state, cut).await });
            }
        });
        Self {
            address,
            state,
            cuts,
            accepting,
        }
    }

    /// Its own `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks the next request that fits: `METHOD path`, where `*` stands for anything. Several are used up in order.
    pub fn break_next(&self, pattern: &str, what: Break) {
        self.break_nth(pattern, 1, what);
    }

    /// Breaks the `n`th request from now on that fits, counted from 1.
    pub fn break_nth(&self, pattern: &str, n: usize, what: Break) {
        self.add(Rule {
            skip: n - 1,
            ..Rule::new(pattern, what)
        });
    }

    /// Breaks every request that fits, until [`Self::mend`].
    pub fn break_all(&self, pattern: &str, what: Break) {
        self.add(Rule {
            once: false,
            ..Rule::new(pattern, what)
        });
    }

    /// Breaks the `n`th request from now on that fits, counted from 1, and all that follow, until [`Self::mend`].
    pub fn break_from(&self, pattern: &str, n: usize, what: Break) {
        self.add(Rule {
            skip: n - 1,
            once: false,
            ..Rule::new(pattern, what)
        });
    }

    /// Breaks the next request that fits and submits a statement which begins so.
    pub fn break_statement(&self, pattern: &str, beginning: &str, what: Break) {
        self.add(Rule {
            statement: Some(beginning.to_owned()),
            ..Rule::new(pattern, what)
        });
    }

    /// Breaks the next request that fits and comes after the submission of a statement which begins so.
    pub fn break_after(&self, beginning: &str, pattern: &str, what: Break) {
        self.add(Rule {
            after: Some(beginning.to_owned()),
            ..Rule::new(pattern, what)
        });
    }

    fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Cuts the connections whose client is being let wait, as by [`Fault::Silence`].
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// From now on nothing is broken.
    pub fn mend(&self) {
        self.state().rules.clear();
    }

    /// The requests so far that fit, oldest first: those that were broken too.
    pub fn seen(&self, pattern: &str) -> Vec<Seen> {
        let state = self.state();
        let seen = state.seen.iter().filter(|seen| fits(pattern, &seen.line));
        seen.cloned().collect()
    }

    /// Waits until so many requests that fit have been made.
    #[track_caller]
    pub fn wait_seen(&self, pattern: &str, times: usize) {
        wait_for(&format!("{times} × {pattern}"), || {
            let seen = self.seen(pattern).len();
            if seen >= times { Ok(()) } else { Err(seen) }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Rule {
    /// For the next request that fits.
    fn new(pattern: &str, what: Break) -> Self {
        Self {
            pattern: pattern.to_owned(),
            statement: None,
            after: None,
            skip: 0,
            once: true,
            what,
        }
    }
}

impl State {
    /// Rules that an answer has used up.
    fn forget_executed(&mut self) {
        self.rules.retain(|rule| !matches!(rule.what, Break::Executed(_)));
    }

    /// What is to be broken about a request.
    fn rule(&mut self, line: &str, body: &Value) -> Option<Break> {
        let statement = body["statement"].as_str().unwrap_or_default();
        let begins = |beginning: &String| !statement.is_empty() && statement.starts_with(beginning.as_str());
        for rule in &mut self.rules {
            rule.after = rule.after.take().filter(|beginning| !begins(beginning));
        }
        for at in 0..self.rules.len() {
            let rule = &mut self.rules[at];
            let is_meant = rule.after.is_none() && rule.statement.as_ref().is_none_or(begins);
            if !is_meant || !fits(&rule.pattern, line) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            // What waits for an answer is used up by that.
            return Some(if rule.once && !matches!(rule.what, Break::Executed(_)) {
                self.rules.remove(at).what
            } else {
                rule.what.clone()
            });
        }
        None
    }
}

/// Whether all of the line is as the pattern says.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.into_iter().any(|at| fits(rest, &left[at..]))
        }),
    }
}

/// Passes requests of one connection on, until it ends or is to be cut.
async fn pass(mut client: TcpStream, server: &str, state: &Mutex<State>, mut cut: watch::Receiver<()>) {
    let mut upstream = None;
    while let Some(request) = Message::read_request(&mut client).await {
        cut.mark_unchanged();
        let line = request.line().to_owned();
        let (number, what) = {
            let mut state = state.lock().unwrap();
            let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
            let what = state.rule(&line, &body);
            state.seen.push(Seen {
                line: line.clone(),
                body,
                status: None,
            });
            (state.seen.len() - 1, what)
        };
        match &what {
            Some(Break::Before(fault)) => {
                if play(fault, &mut client, &mut cut).await.is_err() {
                    return;
                }
                continue;
            }
            Some(Break::Late(by)) => tokio::time::sleep(*by).await,
            _ => {}
        }
        let Some(answer) = ask(&mut upstream, server, &request).await else {
            return;
        };
        state.lock().unwrap().seen[number].status = Some(answer.status());
        let sent = match what {
            Some(Break::After(fault)) => play(&fault, &mut client, &mut cut).await,
            Some(Break::Executed(fault)) if is_executed(&answer) => {
                state.lock().unwrap().forget_executed();
                play(&fault, &mut client, &mut cut).await
            }
            Some(Break::Short(length)) => {
                let _ = client.write_all(&answer.bytes[..length.min(answer.bytes.len())]).await;
                let _ = client.shutdown().await;
                return;
            }
            _ => client.write_all(&answer.bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Whether a page says that its statement has been executed.
fn is_executed(answer: &Message) -> bool {
    let page: Value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    page["resultType"].as_str().is_some_and(|word| word != "NOT_READY")
}

/// Lets the client have that, until it is cut.
async fn play(fault: &Fault, client: &mut TcpStream, cut: &mut watch::Receiver<()>) -> std::io::Result<()> {
    tokio::select! {
        played = fault.clone().play(client) => played,
        _ = cut.changed() => Err(std::io::ErrorKind::ConnectionAborted.into()),
    }
}

/// The server's answer; none if it can't be reached, or breaks off.
async fn ask(upstream: &mut Option<TcpStream>, server: &str, request: &Message) -> Option<Message> {
    let mut stream = match upstream.take() {
        Some(stream) => stream,
        None => TcpStream::connect(server).await.ok()?,
    };
    stream.write_all(&request.bytes).await.ok()?;
    let answer = Message::read_answer(&mut stream).await?;
    let closes = answer
        .header("connection")
        .is_some_and(|word| word.eq_ignore_ascii_case("close"));
    *upstream = (!closes && answer.header("content-length").is_some()).then_some(stream);
    Some(answer)
}
