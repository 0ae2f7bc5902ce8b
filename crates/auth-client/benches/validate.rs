//! What a validation costs its caller: two threads with a runtime each, beside an auth service that
//! answers at once. `cargo bench -p auth-client --bench validate`

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]
#![expect(clippy::disallowed_methods, reason = "a bench ends with its tasks")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_api_types::{Reason, ValidateRequest, Verdict, packed};
use auth_client::{AuthClient, AuthClientOptions, Question, SystemClock};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

const THREADS: usize = 2;
const CALLERS: u64 = 32;
const DEAD: Verdict<'_> = Verdict {
    authenticated: Some(false),
    session: None,
    reason: Some(Reason::Unknown),
    error: None,
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// An auth service that knows no token, on a thread of its own.
fn service() -> SocketAddr {
    let (address, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream));
            }
        });
    });
    started.recv().unwrap()
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = Vec::new();
    loop {
        let Some((head, body)) = lengths(&buffer) else {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        while buffer.len() < head + body {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body_read = &buffer[head..head + body];
        // The first comes in JSON, and all once the client has seen an answer.
        let request: ValidateRequest<'_> = match body_read {
            [b'{', ..] => serde_json::from_slice(body_read).unwrap(),
            _ => packed::read_request(body_read).unwrap(),
        };
        let questions = request.tokens.map_or(1, |tokens| tokens.len());
        let mut answer = Vec::new();
        packed::write_verdicts(&vec![DEAD; questions], &mut answer);
        let (media_type, length) = (packed::MEDIA_TYPE, answer.len());
        let mut response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        response.append(&mut answer);
        if stream.write_all(&response).await.is_err() {
            return;
        }
        buffer.drain(..head + body);
    }
}

/// The bytes of a request's head and body, once the head is whole.
fn lengths(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).unwrap().to_ascii_lowercase();
    let length = text.split("content-length:").nth(1)?.split("\r\n").next()?;
    Some((head, length.trim().parse().unwrap()))
}

/// Validates `count` times by each caller of each thread, and returns how long that took.
fn run(client: &AuthClient, count: u64) -> Duration {
    let barrier = std::sync::Barrier::new(THREADS + 1);
    std::thread::scope(|threads| {
        let running: Vec<_> = (0..THREADS)
            .map(|_| {
                threads.spawn(|| {
                    let runtime = runtime();
                    barrier.wait();
                    let callers = async {
                        let mut callers = JoinSet::new();
                        for _ in 0..CALLERS {
                            let client = client.clone();
                            callers.spawn_local(async move {
                                for _ in 0..count {
                                    client.validate(Question::new("T")).await.unwrap();
                                }
                            });
                        }
                        callers.join_all().await;
                    };
                    LocalSet::new().block_on(&runtime, callers);
                })
            })
            .collect();
        barrier.wait();
        #[expect(clippy::disallowed_methods, reason = "a bench measures the system's time")]
        let began = Instant::now();
        for thread in running {
            thread.join().unwrap();
        }
        began.elapsed()
    })
}

fn validate(criterion: &mut Criterion) {
    let url = format!("http://{}", service()).parse().unwrap();
    let options = AuthClientOptions { shards: THREADS, ..AuthClientOptions::new(vec![url]) };
    let client = AuthClient::new(options, Arc::new(SystemClock::new())).unwrap();
    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Elements(THREADS as u64 * CALLERS));
    group.bench_function("two threads, 32 callers each", |bench| {
        bench.iter_custom(|count| run(&client, count));
    });
    group.finish();
}

criterion_group!(benches, validate);
criterion_main!(benches);
