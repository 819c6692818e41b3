//! The driver of `flink://` before a gateway that does not answer, which a real one does when its threads are taken.
#![allow(clippy::unwrap_used, reason = "a test that can not go on panics")]

mod server;

use rustix::process::Signal;
use skep::flink::FlinkGateway;
use skep_engine::{Engine, Target};

use crate::world::{Live, World};
use server::Server;

/// skep before that gateway, which has been asked for what it will not answer.
async fn skep(server: &Server, world: &World, args: &str, asked: &str) -> Live {
    let program = world.skep().with("-u").arg(&server.url).with(args);
    let live = tokio::task::spawn_blocking(move || program.start()).await.unwrap();
    server.asked(asked).await;
    live
}

#[tokio::test]
async fn a_thread_that_another_session_blocks_keeps_nobody_from_connecting() {
    let server = Server::start().await;
    server.hang_connections(1);
    let connection = FlinkGateway::new()
        .connect(&Target::new(&server.url, "/nonexistent"))
        .await;
    let greeting = connection.unwrap().greeting;
    assert!(greeting.starts_with("Apache Flink 2.3.0 SQL Gateway"), "{greeting}");
}

#[tokio::test]
async fn ctrl_c_ends_what_waits_for_a_gateway() {
    let tries = [
        ("jobs", "GET /api_versions"),
        ("-e !tables", "POST /v4/sessions/1/statements"),
        ("jobs", "POST /v4/sessions/1/statements"),
    ];
    for (args, asked) in tries {
        let (server, world) = (Server::start().await, World::new());
        server.hang(asked);
        let live = skep(&server, &world, args, asked).await;
        live.signal(Signal::INT);
        let output = tokio::task::spawn_blocking(move || live.wait()).await.unwrap();
        drop(output.expect_code(130));
    }
}

#[tokio::test]
async fn ctrl_c_leaves_a_statement_that_the_gateway_does_not_answer() {
    let (server, world) = (Server::start().await, World::new());
    server.hang("POST /v4/sessions/1/statements");
    // It names no table of which a definition would be asked for first.
    world.write("script.sql", "EXECUTE PLAN '/plans/p.json'; SELECT 1;");
    let live = skep(&server, &world, "-f script.sql", "POST /v4/sessions/1/statements").await;
    // Once is enough: it waits for a while, and then no longer.
    live.signal(Signal::INT);
    let output = tokio::task::spawn_blocking(move || live.wait()).await.unwrap();
    output
        .expect_code(130)
        .expect_stderr("will be cancelled as soon as the engine answers")
        .expect_stderr("the engine has not answered: whether job ");
    assert_eq!(server.requests("POST /v4/sessions/1/statements"), 1);
}
