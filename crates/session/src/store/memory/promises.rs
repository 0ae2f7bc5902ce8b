//! What an operation waits for before it answers, where sessions are written down.

use std::sync::Arc;

use super::journal::Batch;
use crate::{Cause, EventContext, StoreError};

/// The batches that an operation's changes are in. None where nothing is written down.
#[derive(Default)]
pub(crate) struct Promises(Vec<Arc<Batch>>);

/// An operation that issues, rotates or ends sessions: what for, and what it waits for.
pub(crate) struct Operation<'a> {
    pub(crate) context: &'a EventContext,
    pub(crate) promises: Promises,
}

/// A step that could not be done yet: what it is about is being written, in this batch.
pub(crate) type OrWait<T> = Result<T, Arc<Batch>>;

impl<'a> Operation<'a> {
    /// One that has changed nothing yet.
    pub(crate) fn new(context: &'a EventContext) -> Self {
        Self { context, promises: Promises::default() }
    }

    /// Does a part of it for another cause.
    pub(super) fn with_cause<T>(
        &mut self,
        cause: Cause,
        part: impl FnOnce(&mut Operation<'_>) -> T,
    ) -> T {
        let context = self.context.side_effect(cause);
        self.promises.within(&context, part)
    }
}

impl Promises {
    /// Does an operation, and adds what it promises.
    pub(crate) fn within<T>(
        &mut self,
        context: &EventContext,
        part: impl FnOnce(&mut Operation<'_>) -> T,
    ) -> T {
        let mut operation = Operation::new(context);
        let done = part(&mut operation);
        operation.promises.0.into_iter().for_each(|batch| self.add(batch));
        done
    }

    pub(crate) fn add(&mut self, batch: Arc<Batch>) {
        if !self.0.last().is_some_and(|last| Arc::ptr_eq(last, &batch)) {
            self.0.push(batch);
        }
    }

    /// Whether nothing is to be written.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until all of it is written.
    ///
    /// # Errors
    ///
    /// Some of it was not.
    pub(crate) async fn written(self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for batch in self.0 {
            outcome = outcome.and(batch.written().await);
        }
        outcome
    }
}
