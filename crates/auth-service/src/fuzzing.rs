//! What reads parameters and writes streams, for those who feed it with anything.

use std::sync::OnceLock;

use session::{Event, StoredEvent};

use crate::http::api::events;
use crate::operations::events::{Batch, Types};

/// The server-sent event that a stream's reader gets of an event.
pub fn event_frame(event: Event) -> Option<String> {
    let stored = StoredEvent { position: "7".into(), event, rendered: OnceLock::new() };
    let frames = events::frames(&Batch::Events(vec![stored.into()]))?;
    String::from_utf8(frames.to_vec()).ok()
}

/// Whether a list of types of events can be read.
pub fn reads_event_types(text: &str) -> bool {
    Types::parse(text).is_some()
}
