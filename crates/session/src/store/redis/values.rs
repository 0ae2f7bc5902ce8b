//! How the write of a value is put to its script.

use crate::redis_connection::ScriptRequest;
use crate::{Condition, VALUES_LIMIT, ValueChange};

/// The request, with what is to be written and when.
pub(super) fn write(
    request: ScriptRequest,
    change: &ValueChange,
    condition: Condition,
) -> ScriptRequest {
    let request = match change {
        ValueChange::Put(text) => request.arg("put").arg(&**text),
        ValueChange::Delete => request.arg("delete").arg(""),
    };
    let (condition, versions) = match condition {
        Condition::None => ("none", Vec::new()),
        Condition::Present => ("present", Vec::new()),
        Condition::Absent => ("absent", Vec::new()),
        Condition::Version(versions) => ("version", versions),
    };
    let request = request.arg(condition).arg(VALUES_LIMIT);
    versions.into_iter().fold(request, ScriptRequest::arg)
}
