//! Turning a connection away politely: there are too many.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many connections are turned away politely at once, at least and at most; any more are just
/// closed.
const AT_ONCE: (usize, usize) = (32, 256);
/// How long turning one away may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client is told that cannot be served, its length worked out by hand: a test counts it.
pub(super) const TOO_MANY: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n",
    "x-content-type-options: nosniff\r\ncontent-type: application/problem+json\r\n",
    "content-length: 144\r\n\r\n",
    r#"{"type":"about:blank","title":"Unavailable","status":503,"#,
    r#""detail":"There are too many connections; try again in a moment.","code":"unavailable"}"#,
);

/// Who turns connections away.
#[derive(Clone)]
pub(super) struct Refuser {
    places: Arc<Semaphore>,
}

impl Refuser {
    /// One that may take a part of so many `spare` open files.
    pub(super) fn new(spare: usize) -> Self {
        let at_once = (spare / 8).clamp(AT_ONCE.0, AT_ONCE.1);
        Self { places: Arc::new(Semaphore::new(at_once)) }
    }

    /// The answer on its way to the client; `None` where the connection is just dropped.
    pub(super) fn refuse(&self, mut tcp: TcpStream) -> Option<impl Future<Output = ()> + use<>> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(async move {
            let _place = place;
            let _ = tokio::time::timeout(PATIENCE, tell(&mut tcp)).await;
        })
    }
}

/// Waits for a request, since an answer that comes before it would confuse a client, and for the
/// client's end, since it may not have read the answer before.
async fn tell(tcp: &mut TcpStream) -> std::io::Result<()> {
    let mut scratch = [0; 1024];
    let _ = tcp.read(&mut scratch).await?;
    tcp.write_all(TOO_MANY.as_bytes()).await?;
    tcp.shutdown().await?;
    while tcp.read(&mut scratch).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_announces_its_length() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
