//! What answers questions: an auth service in the same process, in place of one that is asked over
//! HTTP.

use std::fmt;
use std::pin::Pin;

use crate::{Answer, Question};

/// An answer on its way; `None` where there is neither a clear yes nor a clear no.
pub type Validating<'a> = Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// An auth service in this process.
///
/// The client holds it to the same budget and limits as one behind a URL. It is there as long as the
/// process is: that it has no answer about one token says nothing of its next one, so that no circuit
/// breaker opens for that. One opens where nobody is answered within the budget.
pub trait Validator: fmt::Debug + Send + Sync {
    /// Validates the token of `question` once; a use of it, unless the question says otherwise.
    ///
    /// # Cancel safety
    ///
    /// The client drops what it no longer waits for. That may or may not have been a use of the
    /// token, and must affect no other.
    fn validate<'a>(&'a self, question: &'a Question<'a>) -> Validating<'a>;
}
