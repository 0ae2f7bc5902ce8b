//! Turning a connection away politely: there are too many.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many connections are turned away politely at once; any more are just closed.
const AT_ONCE: usize = 256;
/// How long turning one away may take.
const PATIENCE: Duration = Duration::from_secs(1);

const BODY: &str = r#"{"type":"about:blank","title":"Unavailable","status":503,"detail":"There are too many connections; try again in a moment.","code":"unavailable"}"#;

/// Who turns connections away.
#[derive(Clone)]
pub(super) struct Refuser {
    places: Arc<Semaphore>,
    answer: Arc<[u8]>,
}

impl Refuser {
    pub(super) fn new() -> Self {
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
             x-content-type-options: nosniff\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), answer: answer.into_bytes().into() }
    }

    /// The answer on its way to the client; `None` where the connection is just dropped.
    pub(super) fn refuse(&self, mut tcp: TcpStream) -> Option<impl Future<Output = ()> + use<>> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let answer = self.answer.clone();
        Some(async move {
            let _place = place;
            let _ = tokio::time::timeout(PATIENCE, tell(&mut tcp, &answer)).await;
        })
    }
}

/// Waits for a request, since an answer that comes before it would confuse a client, and for the
/// client's end, since it may not have read the answer before.
async fn tell(tcp: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut scratch = [0; 1024];
    let _ = tcp.read(&mut scratch).await?;
    tcp.write_all(answer).await?;
    tcp.shutdown().await?;
    while tcp.read(&mut scratch).await? > 0 {}
    Ok(())
}
