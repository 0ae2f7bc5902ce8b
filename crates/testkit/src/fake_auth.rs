//! Auth services of a test's own, on raw sockets, so that they can break HTTP's rules: one that
//! does the same to every request, one whose every answer is given by the test.

mod interactive;
mod scripted;

pub use interactive::{Exchange, Service, alive, dead, token};
pub use scripted::{Act, Upstream, no, unreachable, yes};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A session as JSON, with a field that no client knows.
pub const SESSION: &str = r#"{"id":"01935a3e-0000-7000-8000-000000000000","kind":"sliding","transport":"bearer",
"user":{"id":"01935a3e-0000-7000-8000-000000000001","username":"ann@example.com","roles":["admin","user"]},
"role":"admin","name":null,"created_at":"2026-11-20T12:00:00.000Z","last_used_at":"2026-11-20T12:00:07.120Z",
"expires_at":"2026-11-20T12:00:37.120Z","expires_in":30,"absolute_expires_at":"2026-11-21T00:00:00.000Z",
"refresh_count":3,"ip":null,"user_agent":null,"an_unknown_field":[]}"#;

/// The bytes of a response.
pub fn http(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The bytes of a 200 with this JSON.
pub fn json(body: &str) -> String {
    http("200 OK", "application/json", body)
}

/// Head and body of the next request; `None` once the client has gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
