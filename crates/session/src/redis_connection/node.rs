//! One server: its connections, and batches sent to it.

use std::sync::Arc;

use redis::{ErrorKind, Pipeline, RedisResult, ServerErrorKind, Value};
use tokio::sync::Semaphore;

use super::address::{Host, RedisAddress};
use super::connection::{Connector, Line};
use super::patience::{ANSWER, IN_FLIGHT, REPLICA};
use super::script::Call;
use super::{Answer, unreachable};
use crate::StoreError;

/// Where something must be before it counts as done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// On the server that was asked.
    Here,
    /// On a replica as well.
    OnReplica,
}

/// What a server said to one call.
pub(super) enum Reply {
    Done(Value),
    Failed(StoreError),
    /// Not carried out: the server does not know the script.
    NoScript,
    /// Not carried out: the key is there.
    Moved(Host),
    /// Not carried out: the key may be there already.
    Ask(Host),
}

/// A server, with a connection that comes back by itself.
pub(super) struct Node {
    host: Host,
    line: Line,
    /// Apart from the other: waiting for a replica keeps a connection from answering anybody.
    patient: Line,
    permits: Semaphore,
}

impl Node {
    /// Nothing is sent yet.
    pub(super) fn new(address: &RedisAddress, host: &Host) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(address, host)?);
        Ok(Self {
            host: host.clone(),
            line: Line::new(&connector),
            patient: Line::new(&connector),
            permits: Semaphore::new(IN_FLIGHT),
        })
    }

    /// Makes all calls in one round trip, in their order; a reply for each.
    pub(super) async fn run(&self, calls: &[&Call], kept: Kept, asking: bool) -> Vec<Reply> {
        let all = |error: &StoreError| {
            let fail = |_| Reply::Failed(error.clone());
            calls.iter().map(fail).collect()
        };
        let Ok(_permit) = self.permits.try_acquire() else {
            return all(&self.too_much());
        };
        let Ok(replies) = tokio::time::timeout(ANSWER, self.ask(calls, kept, asking)).await else {
            return all(&self.too_late());
        };
        replies.unwrap_or_else(|error| all(&error))
    }

    /// The error where too many wait for it.
    pub(super) fn too_much(&self) -> StoreError {
        StoreError(format!("too much waits for {}", self.host))
    }

    /// The error where it keeps somebody waiting.
    pub(super) fn too_late(&self) -> StoreError {
        StoreError(format!("{} does not answer in time", self.host))
    }

    /// Has the connection for what waits come back, if it broke while nobody used it.
    pub(super) async fn wake(&self) -> Result<(), StoreError> {
        let mut ping = Pipeline::new();
        ping.ignore_errors().cmd("PING");
        match tokio::time::timeout(ANSWER, self.patient.exchange(&ping)).await {
            Ok(answered) => answered.map(|_| ()),
            Err(_) => Err(self.too_late()),
        }
    }

    async fn ask(
        &self,
        calls: &[&Call],
        kept: Kept,
        asking: bool,
    ) -> Result<Vec<Reply>, StoreError> {
        let mut replies = self.send(calls, kept, asking, false).await?;
        let unknown: Vec<usize> =
            (0..replies.len()).filter(|at| matches!(replies[*at], Reply::NoScript)).collect();
        if unknown.is_empty() {
            return Ok(replies);
        }
        let again: Vec<&Call> = unknown.iter().map(|at| calls[*at]).collect();
        let after = self.send(&again, kept, asking, true).await?;
        for (at, reply) in unknown.into_iter().zip(after) {
            replies[at] = reply;
        }
        Ok(replies)
    }

    /// One round trip.
    async fn send(
        &self,
        calls: &[&Call],
        kept: Kept,
        asking: bool,
        load: bool,
    ) -> Result<Vec<Reply>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(calls.len() + 1);
        pipeline.ignore_errors();
        let mut wanted = Vec::with_capacity(calls.len());
        let mut sent = if load { load_scripts(&mut pipeline, calls) } else { 0 };
        for call in calls {
            if asking {
                pipeline.add_command(redis::cmd("ASKING"));
                sent += 1;
            }
            pipeline.add_command(call.command.clone());
            wanted.push(sent);
            sent += 1;
        }
        let line = match kept {
            Kept::Here => &self.line,
            Kept::OnReplica => {
                if asking {
                    pipeline.add_command(redis::cmd("ASKING"));
                }
                if let Some(call) = calls.first() {
                    pipeline.add_command(call.fence());
                }
                let patience = u64::try_from(REPLICA.as_millis()).unwrap_or(u64::MAX);
                pipeline.cmd("WAIT").arg(1).arg(patience);
                &self.patient
            }
        };
        let answers = line.exchange(&pipeline).await?;
        if answers.iter().any(is_of_a_replica) {
            line.renew();
        }
        let missed = kept == Kept::OnReplica && !is_on_replica(&answers);
        let mut replies = Vec::with_capacity(calls.len());
        for (at, answer) in answers.into_iter().enumerate() {
            if wanted.binary_search(&at).is_ok() {
                replies.push(self.reply(answer, missed));
            }
        }
        Ok(replies)
    }

    fn reply(&self, answer: RedisResult<Value>, missed: bool) -> Reply {
        let error = match answer {
            Ok(_) if missed => {
                return Reply::Failed(StoreError("no replica has it yet".to_owned()));
            }
            Ok(value) => return Reply::Done(value),
            Err(error) => error,
        };
        let elsewhere = || {
            let (address, _) = error.redirect_node()?;
            match address.strip_prefix(':') {
                // The same host on another port.
                Some(port) => Some(Host(self.host.0.clone(), port.parse().ok()?)),
                None => Host::read(address),
            }
        };
        let failed = || Reply::Failed(StoreError(format!("{}: {error}", self.host)));
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Reply::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => {
                elsewhere().map_or_else(failed, Reply::Moved)
            }
            ErrorKind::Server(ServerErrorKind::Ask) => elsewhere().map_or_else(failed, Reply::Ask),
            _ => failed(),
        }
    }
}

impl Reply {
    /// The reply of a server from which there is no other to go to.
    pub(super) fn settled(self) -> Answer {
        match self {
            Self::Done(value) => Ok(value),
            Self::Failed(error) => Err(error),
            Self::NoScript => Err(StoreError("a script was lost".to_owned())),
            Self::Moved(_) | Self::Ask(_) => Err(unreachable("where the key has gone")),
        }
    }
}

/// Whether the master that was there has become a replica. Its name may lead to another one now.
fn is_of_a_replica(answer: &RedisResult<Value>) -> bool {
    let read_only = ErrorKind::Server(ServerErrorKind::ReadOnly);
    answer.as_ref().is_err_and(|error| error.kind() == read_only)
}

/// Puts each script of the calls before them; how many those are.
fn load_scripts(pipeline: &mut Pipeline, calls: &[&Call]) -> usize {
    let mut loaded: Vec<&super::Script> = Vec::new();
    for script in calls.iter().filter_map(|call| call.script) {
        if !loaded.iter().any(|known| std::ptr::eq(*known, script)) {
            pipeline.add_command(script.load());
            loaded.push(script);
        }
    }
    loaded.len()
}

/// Whether the answers, which end with those to a fence and to `WAIT`, say that a replica has it.
fn is_on_replica(answers: &[RedisResult<Value>]) -> bool {
    matches!(answers, [.., Ok(_), Ok(Value::Int(replicas))] if *replicas > 0)
}
