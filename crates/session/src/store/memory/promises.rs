//! What an operation waits for before it answers, where sessions are written down.

use std::sync::Arc;

use super::journal::Batch;
use crate::StoreError;

/// The batches that an operation's changes are in. None where nothing is written down.
#[derive(Default)]
pub(crate) struct Promises(Vec<Arc<Batch>>);

/// A step that could not be done yet: what it is about is being written, in this batch.
pub(crate) type OrWait<T> = Result<T, Arc<Batch>>;

impl Promises {
    pub(crate) fn add(&mut self, batch: Arc<Batch>) {
        if !self.0.last().is_some_and(|last| Arc::ptr_eq(last, &batch)) {
            self.0.push(batch);
        }
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
