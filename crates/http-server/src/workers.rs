//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on the thread that accepted it. No request moves between cores and no thread
//! steals work: a service that sends a request to another one on every request is woken so often that
//! both would cost more than they gain.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use crate::StartError;

/// The runtime that a process begins on: its own thread is the first worker, and runs everything
/// that does not belong to a connection.
///
/// # Errors
///
/// The system gives the runtime no timer or no way to wait for sockets.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs a task on a thread of its own: however long it takes without a pause, no connection waits for
/// it. What is given ends with it, also where it panics.
///
/// # Errors
///
/// The system gives no thread, or its runtime nothing to wait with.
pub fn on_own_thread<F>(name: &str, task: F) -> io::Result<impl Future<Output = ()> + Send + use<F>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime()?;
    let (ends, ended) = tokio::sync::oneshot::channel::<()>();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ends = ends;
        runtime.block_on(task);
    })?;
    Ok(async move {
        // It is only ever dropped.
        let _dropped = ended.await;
    })
}

/// The workers beside the first one.
#[derive(Debug)]
pub(crate) struct Workers {
    others: Vec<Handle>,
    turn: AtomicUsize,
}

impl Workers {
    /// Starts all but the first of `count` workers. They end with `stopped`, and what still runs on
    /// them ends with them.
    pub(crate) fn start(count: usize, stopped: &CancellationToken) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::Worker(error.to_string());
        let start = |number| worker(number, stopped.clone()).map_err(failed);
        let others = (1..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { others, turn: AtomicUsize::new(0) })
    }

    /// The worker that serves the next connection; `None` for the first one.
    pub(crate) fn next(&self) -> Option<&Handle> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        self.others.get(turn.checked_sub(1)?)
    }
}

fn worker(number: usize, stopped: CancellationToken) -> io::Result<Handle> {
    let runtime = runtime()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || runtime.block_on(stopped.cancelled()))?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_on_its_own_thread_holds_up_nobody_and_its_end_is_told() {
        runtime().unwrap().block_on(async {
            let (held, release) = std::sync::mpsc::channel::<()>();
            let blocking = async move {
                assert_eq!(thread::current().name(), Some("aside"));
                let _ = release.recv();
            };
            let end = on_own_thread("aside", blocking).unwrap();
            let mut end = std::pin::pin!(end);
            tokio::select! {
                () = &mut end => panic!("it has not ended"),
                () = tokio::task::yield_now() => {}
            }
            drop(held);
            end.await;
            on_own_thread("aside", async { panic!("on purpose") }).unwrap().await;
        });
    }

    #[test]
    fn connections_go_round_the_workers_and_the_first_is_here() {
        let stopped = CancellationToken::new();
        let workers = Workers::start(3, &stopped).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        for _ in 0..6 {
            match workers.next() {
                None => sender.send("here".to_owned()).unwrap(),
                Some(worker) => {
                    let sender = sender.clone();
                    worker.spawn(async move {
                        let name = thread::current().name().unwrap_or_default().to_owned();
                        sender.send(name).unwrap();
                    });
                }
            }
        }
        let mut names: Vec<String> = receiver.iter().take(6).collect();
        names.sort();
        assert_eq!(names, ["here", "here", "worker-1", "worker-1", "worker-2", "worker-2"]);
        stopped.cancel();
    }
}
