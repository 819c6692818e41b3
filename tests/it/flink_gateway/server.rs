//! A gateway that can be connected to, and does not answer what it is told not to.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::world::http::{self, Message};

#[derive(Default)]
struct State {
    /// So many connections are served by a thread that is blocked.
    blocked: usize,
    /// What is not answered.
    silent: Option<String>,
    requests: Vec<String>,
}

/// The server. It ends with the test.
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
    asked: Arc<Notify>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("flink://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
            asked: Arc::default(),
        };
        let (state, asked) = (Arc::clone(&server.state), Arc::clone(&server.asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state), Arc::clone(&asked)));
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next so many connections are taken, and nothing is answered on them.
    pub fn hang_connections(&self, connections: usize) {
        self.state().blocked = connections;
    }

    /// Requests that begin so are not answered.
    pub fn hang(&self, request: &str) {
        self.state().silent = Some(request.to_owned());
    }

    /// How many requests have begun so.
    pub fn requests(&self, beginning: &str) -> usize {
        let requests = &self.state().requests;
        requests.iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// Returns when a request that begins so has been made.
    pub async fn asked(&self, beginning: &str) {
        loop {
            let next = self.asked.notified();
            if self.requests(beginning) > 0 {
                return;
            }
            next.await;
        }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, asked: Arc<Notify>) {
    let blocked = {
        let mut state = state.lock().unwrap();
        let blocked = state.blocked > 0;
        state.blocked = state.blocked.saturating_sub(1);
        blocked
    };
    while let Some(request) = Message::read_request(&mut stream).await {
        let line = request.line().to_owned();
        let silent = {
            let mut state = state.lock().unwrap();
            state.requests.push(line.clone());
            state
                .silent
                .as_ref()
                .is_some_and(|silent| line.starts_with(silent.as_str()))
        };
        asked.notify_waiters();
        if blocked || silent {
            std::future::pending::<()>().await;
        }
        let (status, answer) = answer(&line);
        if http::send(&mut stream, status, answer.to_string().as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

fn answer(line: &str) -> (u16, Value) {
    match line {
        "GET /api_versions" => (200, json!({ "versions": ["V1", "V2", "V3", "V4"] })),
        "GET /v4/info" => (200, json!({ "productName": "Apache Flink", "version": "2.3.0" })),
        "POST /v4/sessions" => (200, json!({ "sessionHandle": "1" })),
        // No REST address: jobs are asked for by SQL.
        "GET /v4/sessions/1" => (200, json!({ "properties": {} })),
        "DELETE /v4/sessions/1" => (200, json!({ "status": "CLOSED" })),
        "POST /v4/sessions/1/heartbeat" => (200, json!({})),
        _ => (404, json!({ "errors": ["Not found."] })),
    }
}
