//! Several threads that serve: a connection belongs to one of them, and the end is the same for
//! all.

use std::collections::{BTreeMap, BTreeSet};

use super::drain::{load_until_the_end, patient, run, spawn_run};
use super::*;

const COUNT: usize = 3;
const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(50);

/// A server with this life, and with several threads to serve.
async fn start(limits: Limits, life: Lifecycle) -> Server {
    Server::start_with(limits, life.with_workers(COUNT).unwrap()).await
}

/// Ends at once, and waits for whatever is in flight.
fn patient_life() -> Lifecycle {
    Lifecycle::with_deadline(Duration::ZERO, LONG)
}

/// Two connections for each thread.
async fn connections(server: &Server) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..2 * COUNT {
        clients.push(server.connect().await);
    }
    clients
}

/// Connections with a request in flight on each.
async fn at_the_gate(server: &Server, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(server.at_the_gate().await);
    }
    clients
}

#[tokio::test]
async fn connections_go_to_the_threads_in_turn_and_stay_there() {
    let server = start(Limits::default(), patient_life()).await;
    let mut by_thread = BTreeMap::<String, usize>::new();
    for client in &mut connections(&server).await {
        let thread = client.get("/thread").await.body;
        for _ in 0..3 {
            assert_eq!(client.get("/thread").await.body, thread);
        }
        assert_eq!(client.get("/peer").await.body, client.local_addr().to_string());
        *by_thread.entry(thread).or_default() += 1;
    }
    let here = std::thread::current().name().unwrap().to_owned();
    let names: BTreeSet<&str> = by_thread.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from([&*here, "worker-1", "worker-2"]));
    assert!(by_thread.values().all(|connections| *connections == 2), "{by_thread:?}");
}

#[tokio::test]
async fn what_is_in_flight_on_any_thread_is_finished() {
    let server = start(Limits::default(), patient_life()).await;
    let mut clients = at_the_gate(&server, 2 * COUNT).await;
    let running = spawn_run(&server.life);
    server.life.drain();
    server.life.listener_group().closing_token().cancelled().await;
    server.gate.open.add_permits(clients.len());
    for client in &mut clients {
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.body, "waited");
        assert!(answer.closes());
        client.is_closed_cleanly().await;
    }
    drop(clients);
    running.await.unwrap();
}

#[tokio::test]
async fn idle_connections_of_no_thread_hold_up_the_end() {
    let server = start(patient(), patient_life()).await;
    let mut idle = connections(&server).await;
    for client in &mut idle {
        assert_eq!(client.get("/ok").await.body, "ok");
    }
    let running = spawn_run(&server.life);
    server.life.drain();
    for client in &mut idle {
        client.is_closed_cleanly().await;
    }
    drop(idle);
    running.await.unwrap();
}

#[tokio::test]
async fn on_every_thread_a_connection_made_just_before_the_end_may_still_send_its_request() {
    let server = start(patient(), patient_life()).await;
    let mut clients = connections(&server).await;
    let running = spawn_run(&server.life);
    server.life.drain();
    server.life.listener_group().closing_token().cancelled().await;
    for client in &mut clients {
        let answer = client.get("/ok").await;
        assert_eq!(answer.body, "ok");
        assert!(answer.closes());
        client.is_closed_cleanly().await;
    }
    drop(clients);
    running.await.unwrap();
}

#[tokio::test]
async fn on_every_thread_a_connection_that_sends_none_is_ended_a_little_later() {
    let limits = Limits { first_request_grace: SHORT, ..patient() };
    let server = start(limits, patient_life()).await;
    let mut clients = connections(&server).await;
    let running = spawn_run(&server.life);
    server.life.drain();
    for client in &mut clients {
        client.is_closed_cleanly().await;
    }
    drop(clients);
    running.await.unwrap();
}

#[tokio::test]
async fn on_every_thread_a_head_on_its_way_at_the_end_is_waited_for() {
    let server = start(Limits::default(), patient_life()).await;
    let mut clients = connections(&server).await;
    for client in &mut clients {
        assert_eq!(client.get("/ok").await.body, "ok");
        client.send("GET /ok HTTP/1.1\r\n").await;
    }
    let running = spawn_run(&server.life);
    server.life.drain();
    server.life.listener_group().closing_token().cancelled().await;
    for client in &mut clients {
        client.send("host: x\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().body, "ok");
    }
    drop(clients);
    running.await.unwrap();
}

#[tokio::test]
async fn what_a_client_still_sends_after_its_answer_is_taken_at_the_end_too() {
    let server = start(Limits::default(), patient_life()).await;
    let mut clients = connections(&server).await;
    let head = "POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n";
    let running = spawn_run(&server.life);
    server.life.drain();
    for client in &mut clients {
        client.send(head).await;
        client.send(&"x".repeat(200_000)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 403);
        client.is_closed_cleanly().await;
    }
    drop(clients);
    running.await.unwrap();
}

#[tokio::test]
async fn no_request_fails_in_a_drain_under_load() {
    for round in 0..3 {
        let life = Lifecycle::new(Duration::from_millis(200)).with_workers(COUNT).unwrap();
        assert_eq!(load_until_the_end(life, 16).await, 0, "round {round}");
    }
}

#[tokio::test]
async fn no_request_fails_in_a_drain_with_hardly_a_connection() {
    for round in 0..20 {
        let life = Lifecycle::new(Duration::from_millis(5)).with_workers(COUNT).unwrap();
        assert_eq!(load_until_the_end(life, 1).await, 0, "round {round}");
    }
}

#[tokio::test]
async fn at_the_end_of_its_time_the_drain_cuts_off_what_other_threads_have() {
    let server = start(patient(), Lifecycle::with_deadline(Duration::ZERO, SHORT)).await;
    let mut clients = at_the_gate(&server, COUNT).await;
    server.life.drain();
    run(&server.life).await;
    // The first of them is served here, and here goes on.
    for client in &mut clients[1..] {
        client.is_closed().await;
    }
}

#[tokio::test]
async fn a_second_listener_on_the_address_is_refused_while_several_threads_serve_it() {
    let server = start(Limits::default(), patient_life()).await;
    server.is_fine().await;
    let error = Listener::bind("public", server.addr).await.unwrap_err().to_string();
    let expected = format!("cannot listen on {} (public): the address is in use", server.addr);
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_at_most() {
    let server = start(Limits::default(), patient_life()).await;
    for _ in 0..2 * COUNT {
        server.connect().await.try_get("/panic").await;
    }
    for client in &mut connections(&server).await {
        assert_eq!(client.get("/ok").await.body, "ok");
    }
}

#[tokio::test]
async fn a_critical_task_that_panics_ends_the_process_and_what_its_threads_serve_is_finished() {
    let server = start(Limits::default(), Lifecycle::with_deadline(LONG, LONG)).await;
    let mut clients = at_the_gate(&server, COUNT).await;
    server.life.spawn_critical("sweeper", async { panic!("on purpose") });
    let running = spawn_run(&server.life);
    server.life.listener_group().closing_token().cancelled().await;
    server.gate.open.add_permits(clients.len());
    for client in &mut clients {
        assert_eq!(client.answer().await.unwrap().body, "waited");
    }
    drop(clients);
    running.await.unwrap();
    assert!(server.life.failed());
}
