//! The auth service as the business service's client asks it where both are in this process: by a
//! call.

use std::borrow::Cow;
use std::fmt;

use auth_api_types::ValidateRequest;
use auth_client::{Question, Validating, Validator};
use auth_service::Service;

/// The auth service of this process.
pub(crate) struct InProcess(pub(crate) Service);

impl Validator for InProcess {
    fn validate<'a>(&'a self, question: &'a Question<'a>) -> Validating<'a> {
        let request = ValidateRequest {
            token: Some(Cow::Borrowed(question.token)),
            touch: Some(question.touch),
            client: question.client.clone(),
            request_id: question.request_id.map(Cow::Borrowed),
            tokens: None,
        };
        Box::pin(async move { self.0.validate(request).await.pop().flatten() })
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}
