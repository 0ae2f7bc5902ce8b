//! A socket that others keep open: what was set on it, and who waits in it, outlives who served it.

use std::net::TcpListener;

use super::drain::{patient, spawn_run};
use super::*;

fn serve(socket: &TcpListener) -> Lifecycle {
    let life = Lifecycle::new(Duration::ZERO);
    let listener = Listener::from_socket("test", socket.try_clone().unwrap()).unwrap();
    let gate = Gate::new();
    listener.with_limits(patient()).serve(router(gate), &life);
    life
}

#[tokio::test]
async fn who_connects_between_two_servers_is_served_by_the_next_one() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    for _ in 0..3 {
        let life = serve(&socket);
        assert_eq!(Client::connect(addr).await.unwrap().get("/ok").await.body, "ok");
        let running = spawn_run(&life);
        life.drain();
        running.await.unwrap();

        let mut waiting = Client::connect(addr).await.unwrap();
        waiting.send("GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let next = serve(&socket);
        assert_eq!(waiting.answer().await.unwrap().body, "ok");
        let running = spawn_run(&next);
        next.drain();
        running.await.unwrap();
    }
}

#[tokio::test]
async fn a_connected_socket_is_no_listener() {
    use std::os::fd::OwnedFd;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let refused = Listener::from_socket("test", TcpListener::from(OwnedFd::from(connected)));
    let line = refused.unwrap_err().to_string();
    assert!(
        line.starts_with("cannot listen on the socket that was handed over (test): "),
        "{line}"
    );
}
