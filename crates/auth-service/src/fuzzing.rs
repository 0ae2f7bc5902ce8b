//! What reads parameters and writes streams, for those who feed it with anything.

use std::sync::OnceLock;

use axum::http::Uri;
use session::{Event, SessionFilter, StoredEvent};

use crate::http::api::events;
use crate::http::extract::session_filter::Parameters;
use crate::operations::events::{Batch, EventPart, Types};

/// The server-sent event that a stream's reader gets of an event.
pub fn event_frame(event: Event) -> Option<String> {
    let stored = StoredEvent { position: "7".into(), event, rendered: OnceLock::new() };
    let part = EventPart::new(vec![stored.into()]);
    String::from_utf8(events::frames(&Batch::Events(part.into()))?.to_vec()).ok()
}

/// Whether a list of types of events can be read.
pub fn reads_event_types(text: &str) -> bool {
    Types::parse(text).is_some()
}

/// When session filters are read, in milliseconds since 1970.
const NOW_MS: i64 = 1_800_000_000_000;

/// What the query of this target selects, and the query as it is read.
pub fn query_filter(target: &str) -> Option<(SessionFilter, String)> {
    let uri: Uri = target.parse().ok()?;
    let query = uri.query().unwrap_or_default().to_owned();
    Some((selected(Parameters::of_query(&uri, "").ok()?)?, query))
}

/// What a form selects.
pub fn form_filter(form: &[u8]) -> Option<SessionFilter> {
    selected(Parameters::of_form(form, "").ok()?)
}

/// What is selected, which is the same once it was written as a query and read again.
fn selected(parameters: Parameters) -> Option<SessionFilter> {
    let params = parameters.take_filter().ok()?;
    let filter = params.read(NOW_MS).ok()?;
    let uri: Uri = format!("/?{}", params.query()).parse().ok()?;
    let again = Parameters::of_query(&uri, "").ok()?.take_filter().ok()?.read(NOW_MS).ok()?;
    assert_eq!(again, filter, "of {uri}");
    Some(filter)
}
