//! What is done to the file, one thing at a time, and by a time limit: a disk may hold it up for
//! longer than anybody waits. What is overdue is not stopped, which nobody can; the file is not
//! there for anything else until it is over.

use std::pin::Pin;
use std::time::Duration;

use crate::store::durable::file::SessionFile;
use crate::store::durable::repairs::{Repairer, Repairs};
use crate::store::durable::rows::Statements;
use crate::store::durable::timeline::Anchor;

/// How long a commit may take. A disk that others keep busy takes a second at times.
pub(super) const COMMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// What is said of a disk that takes longer.
const NO_ANSWER: &str = "the disk does not answer";

type Job = Pin<Box<dyn Future<Output = (SessionFile, Ended)> + Send>>;

/// What became of something that was done to the file.
pub(super) struct Ended {
    pub(super) outcome: Result<(), String>,
    /// What it was to put right, if that is what it was.
    pub(super) repairs: Option<Repairs>,
}

/// The file, or what is being done to it.
pub(super) struct Jobs {
    /// None while a job has it.
    file: Option<SessionFile>,
    job: Option<Job>,
    repairer: Repairer,
}

impl Jobs {
    pub(super) const fn new(file: SessionFile, repairer: Repairer) -> Self {
        Self { file: Some(file), job: None, repairer }
    }

    /// Whether something is being done to the file that nobody waits for any more.
    pub(super) const fn is_overdue(&self) -> bool {
        self.job.is_some()
    }

    /// Waits for what is overdue; for ever where nothing is.
    ///
    /// # Cancel safety
    ///
    /// It goes on where it was.
    pub(super) async fn overdue(&mut self) -> Ended {
        let Some(job) = &mut self.job else {
            return std::future::pending().await;
        };
        let (file, ended) = job.await;
        (self.file, self.job) = (Some(file), None);
        ended
    }

    /// Commits the statements, and the anchor with them.
    ///
    /// # Errors
    ///
    /// It failed, or is overdue.
    pub(super) async fn commit(
        &mut self,
        statements: Statements,
        anchor: Anchor,
    ) -> Result<(), String> {
        self.bounded(|mut file, _| {
            Box::pin(async move {
                let outcome = file.commit(statements, &anchor).await;
                (file, Ended { outcome, repairs: None })
            })
        })
        .await
        .outcome
    }

    /// Gives a few free pages back to the system.
    ///
    /// # Errors
    ///
    /// It failed, or is overdue.
    pub(super) async fn vacuum(&mut self) -> Result<(), String> {
        self.bounded(|mut file, _| {
            Box::pin(async move {
                let outcome = file.vacuum().await;
                (file, Ended { outcome, repairs: None })
            })
        })
        .await
        .outcome
    }

    /// Writes what memory says of these sessions. Where that is overdue, its end comes with the
    /// repairs.
    pub(super) async fn repair(&mut self, mut repairs: Repairs) -> Ended {
        self.bounded(|mut file, repairer| {
            Box::pin(async move {
                let outcome = repairer.write(&mut file, &mut repairs).await;
                (file, Ended { outcome, repairs: Some(repairs) })
            })
        })
        .await
    }

    /// Begins to open the file anew, and to put right what may be in it. It is overdue from the
    /// start, and may take as long as it takes.
    pub(super) fn recover(&mut self, mut repairs: Repairs) {
        let repairer = self.repairer.clone();
        self.job = self.file.take().map(|mut file| -> Job {
            Box::pin(async move {
                let outcome = repairer.recover(&mut file, &mut repairs).await;
                (file, Ended { outcome, repairs: Some(repairs) })
            })
        });
    }

    /// Closes the file.
    ///
    /// # Errors
    ///
    /// It was not closed, or not in time.
    pub(super) async fn close(self) -> Result<(), String> {
        let file = self.file.ok_or_else(|| NO_ANSWER.to_owned())?;
        let closed = tokio::time::timeout(COMMIT_TIMEOUT, file.close()).await;
        closed.unwrap_or_else(|_| Err(NO_ANSWER.to_owned()))
    }

    async fn bounded(&mut self, begin: impl FnOnce(SessionFile, Repairer) -> Job) -> Ended {
        let overdue = || Ended { outcome: Err(NO_ANSWER.to_owned()), repairs: None };
        let Some(file) = self.file.take() else {
            return overdue();
        };
        let mut job = begin(file, self.repairer.clone());
        let Ok((file, ended)) = tokio::time::timeout(COMMIT_TIMEOUT, &mut job).await else {
            self.job = Some(job);
            return overdue();
        };
        self.file = Some(file);
        ended
    }
}
