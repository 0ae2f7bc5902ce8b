//! What is posted: an event, that some were skipped, or an example.

use auth_api_types::{EventView, Timestamp};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use session::{StoredEvent, event_number};
use sha2::{Digest as _, Sha256};

use crate::view;

/// How long an id is: `msg_`, and 16 bytes as base64.
const ID_CHARS: usize = 26;

/// A body, and the id by which a receiver knows it again.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
}

/// Events that will not be posted, of which the URL has to learn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Skip {
    /// The id of the message that says so, the same on each try.
    id: String,
    cause: SkipCause,
    /// How many; `None` where nobody can know.
    count: Option<u64>,
    at_ms: i64,
}

/// Why events are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SkipCause {
    /// They were dropped: there were too many, or they were stored for too long.
    Dropped,
    /// They were tried for too long.
    TooOld,
    /// The store lost some, or may have: its history is another one.
    History,
}

impl Skip {
    /// So many were skipped at this moment, up to the position.
    pub(super) fn new(cause: SkipCause, count: Option<u64>, at_ms: i64, position: &str) -> Self {
        let id = id(&["webhook.skipped", position, &at_ms.to_string()]);
        Self { id, cause, count, at_ms }
    }

    /// Whether its id is one that a header can have.
    pub(super) fn is_postable(&self) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        self.id.len() <= ID_CHARS && self.id.bytes().all(is_letter)
    }
}

#[derive(Serialize)]
struct SkipView {
    #[serde(rename = "type")]
    kind: &'static str,
    at: Timestamp,
    cause: SkipCause,
    count: Option<u64>,
}

impl Message {
    /// An event. INVARIANT: its id depends on nothing that a takeover or a new position changes.
    pub(super) fn of(stored: &StoredEvent) -> Result<Self, serde_json::Error> {
        Ok(Self { id: id_of(stored), body: view::rendered(stored)?.to_owned() })
    }

    /// That events were skipped.
    pub(super) fn of_skip(skip: &Skip) -> Result<Self, serde_json::Error> {
        let at = Timestamp::from_unix_ms(skip.at_ms);
        let view = SkipView { kind: "webhook.skipped", at, cause: skip.cause, count: skip.count };
        Ok(Self { id: skip.id.clone(), body: serde_json::to_string(&view)? })
    }

    /// An example, which is no event.
    pub(crate) fn example(now_ms: i64, nonce: &str) -> Result<Self, serde_json::Error> {
        let view = EventView {
            position: "".into(),
            kind: "webhook.test".into(),
            at: Timestamp::from_unix_ms(now_ms),
            cause: None,
            request_id: None,
            session: None,
            user: None,
            by: None,
            client: None,
        };
        Ok(Self { id: id(&["webhook.test", nonce]), body: serde_json::to_string(&view)? })
    }
}

/// What an event is known by, whichever node posts it and whatever its position is called.
pub(super) fn id_of(stored: &StoredEvent) -> String {
    let event = &stored.event;
    let number = event_number(&stored.position).map_or(0, |(_, number)| number);
    let session = event.session.as_ref().map(|session| session.id.uuid().to_string());
    let user = event.user.as_ref().and_then(|user| user.id).map(|id| id.to_string());
    id(&[
        &number.to_string(),
        &event.at_ms.to_string(),
        event.kind.as_str(),
        event.cause.map_or("", |cause| cause.as_str()),
        session.as_deref().unwrap_or_default(),
        user.as_deref().unwrap_or_default(),
        event.client.request_id.as_deref().unwrap_or_default(),
    ])
}

fn id(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n").as_bytes());
    format!("msg_{}", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
}
