//! Refuses connections with a 503: there are too many.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many connections are refused with a response at once, at least and at most; any more are
/// just closed.
const AT_ONCE: (usize, usize) = (32, 256);
/// How long a refusal may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The response to a client that cannot be served. Its length is written by hand, and a test counts it.
pub(crate) const TOO_MANY_CONNECTIONS: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n",
    "x-content-type-options: nosniff\r\ncontent-type: application/problem+json\r\n",
    "content-length: 144\r\n\r\n",
    r#"{"type":"about:blank","title":"Unavailable","status":503,"#,
    r#""detail":"There are too many connections; try again in a moment.","code":"unavailable"}"#,
);

/// Refuses connections, a bounded number at once.
#[derive(Clone)]
pub(crate) struct Refuser {
    permits: Arc<Semaphore>,
}

impl Refuser {
    /// One that may take a part of so many `spare` open files.
    pub(crate) fn new(spare: usize) -> Self {
        let at_once = (spare / 8).clamp(AT_ONCE.0, AT_ONCE.1);
        Self { permits: Arc::new(Semaphore::new(at_once)) }
    }

    /// The task that sends the response; `None` where the connection is just dropped.
    pub(crate) fn refuse(&self, mut tcp: TcpStream) -> Option<impl Future<Output = ()> + use<>> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(async move {
            let _permit = permit;
            let _ = tokio::time::timeout(TIMEOUT, send_refusal(&mut tcp)).await;
        })
    }
}

/// Sends the response once a request begins, since a client may not expect one before, and reads until
/// the client closes its side, since a reset could destroy what it has not read yet.
async fn send_refusal(tcp: &mut TcpStream) -> std::io::Result<()> {
    let mut scratch = [0; 1024];
    let _ = tcp.read(&mut scratch).await?;
    tcp.write_all(TOO_MANY_CONNECTIONS.as_bytes()).await?;
    tcp.shutdown().await?;
    while tcp.read(&mut scratch).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_announces_its_length() {
        let (head, body) = TOO_MANY_CONNECTIONS.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
