//! `GET /events`, on the internal listener: what happened, as a page that may be waited for, or as a
//! stream of server-sent events ([HTML §9.2](https://html.spec.whatwg.org/#server-sent-events)).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use auth_api_types::EventList;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use server_runtime::settings::duration;
use session::StoredEvent;
use utoipa::IntoParams;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body;
use crate::http::openapi::EventsProblems;
use crate::operations::events::{Batch, EventReader, Start, Types};
use crate::operations::{Error, Fault, Field};
use crate::view;

/// What a stream's reader has read last.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long a page may be waited for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// After how long without an event a stream sends a comment, so that nobody takes it for dead.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b":\n\n";
/// How many events a page has where nothing else is wanted, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The position of the last event that was read; `0`: from the oldest that is stored; without it,
    /// from now on. `Last-Event-ID` goes before it.
    after: Option<String>,
    /// How long to wait while there is none, as `20s`; a minute at most. By default not at all.
    wait: Option<String>,
    /// The most events of a page: 1 to 1,000, by default 100.
    limit: Option<String>,
    /// The types that are wanted, separated by commas: `session.ended,login.*`.
    types: Option<String>,
    /// Present: a stream, as with `Accept: text/event-stream`.
    stream: Option<String>,
}

/// Read what happened.
///
/// A page of the events after a position, or an endless stream of them. Each event of a session is
/// stored in the same step as what it tells of, and those of one session come in their order. A
/// position that is no longer stored, or of another history, is 410; a stream says `event: reset`
/// instead, with `{"oldest": POSITION}` as its data, and goes on with the oldest that is stored.
#[utoipa::path(
    get, path = "/events", tag = "Internal",
    params(EventsQuery),
    security(("internal_key" = [])),
    responses(
        (status = 200, description = "The events, or a stream of them", content((EventList = "application/json"), (String = "text/event-stream"))),
        EventsProblems,
    )
)]
pub(crate) async fn get_events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    if app.internal_keys.is_none() {
        return Err(ApiError::Forbidden(
            "AUTH_INTERNAL_KEY is not set: events are shown to nobody",
        ));
    }
    let query: EventsQuery = body::query(&uri)?;
    let types = query.types.as_deref().map_or(Some(Types::ALL), Types::parse);
    let types =
        types.ok_or(wrong("types", "must be types of events, or groups such as login.*"))?;
    let limit = query.limit.as_deref().map_or(Ok(DEFAULT_LIMIT), limit)?;
    let wait = query.wait.as_deref().map_or(Ok(Duration::ZERO), wait)?;
    let start = start(&headers, query.after)?;
    let follower = Arc::clone(&app.events);
    let reader = EventReader::new(follower, start, types, app.drain_requested.clone());
    if query.stream.is_some() || wants_stream(&headers) {
        return Ok(stream_of(reader));
    }
    page(reader, limit, wait).await
}

fn wrong(name: &'static str, rule: &'static str) -> ApiError {
    ApiError::Parameter(Field::new(name, Fault::Unreadable(rule)))
}

fn limit(text: &str) -> Result<usize, ApiError> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or(wrong("limit", "must be 1 to 1000"))
}

fn wait(text: &str) -> Result<Duration, ApiError> {
    let wait = duration(text).filter(|wait| *wait <= LONGEST_WAIT);
    wait.ok_or(wrong("wait", "must be a duration such as 20s, of 60s at most"))
}

fn start(headers: &HeaderMap, after: Option<String>) -> Result<Start, ApiError> {
    let after = match headers.get(LAST_EVENT_ID) {
        Some(last) => {
            let text = last.to_str().map_err(|_| {
                ApiError::Invalid("the header `Last-Event-ID` is no position".to_owned())
            })?;
            Some(text.to_owned()).filter(|text| !text.is_empty()).or(after)
        }
        None => after,
    };
    Ok(match after {
        None => Start::Now,
        Some(after) if after == "0" => Start::Oldest,
        Some(after) => Start::After(after),
    })
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|media| media.trim() == "text/event-stream")
    })
}

async fn page(mut reader: EventReader, limit: usize, wait: Duration) -> Result<Response, ApiError> {
    let part = match reader.read(limit, wait).await.map_err(Error::from)? {
        Batch::Events(part) => part,
        Batch::Reset(oldest) => return Err(ApiError::PositionGone { oldest }),
    };
    let mut text = String::with_capacity(64 + 512 * part.events.len());
    text.push_str("{\"events\":[");
    for (index, stored) in part.events.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(view::rendered(stored).map_err(|_| ApiError::Internal)?);
    }
    // A position has nothing in it that JSON would have to escape.
    let _ = write!(text, "],\"next\":\"{}\"}}", reader.next());
    Ok(response(Body::from(text), "application/json"))
}

/// A stream, of which one part at a time is in memory: a reader that reads slowly has the events
/// that are dropped meanwhile replaced by a reset.
fn stream_of(reader: EventReader) -> Response {
    // The first comment has the head of the response sent at once.
    let opened = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(COMMENT)) });
    let parts = stream::unfold(reader, |mut reader| async move {
        if !reader.goes_on() {
            return None;
        }
        let part = match reader.read(MAX_LIMIT, COMMENT_INTERVAL).await {
            Ok(batch) => frames(&batch)?,
            Err(_) if reader.goes_on() => Bytes::from_static(COMMENT),
            Err(error) => {
                tracing::warn!(?error, "a stream of events ends: they cannot be read");
                return None;
            }
        };
        Some((Ok(part), reader))
    });
    response(Body::from_stream(futures_util::StreamExt::chain(opened, parts)), "text/event-stream")
}

pub(crate) fn frames(batch: &Batch) -> Option<Bytes> {
    match batch {
        Batch::Events(part) if part.events.is_empty() => Some(Bytes::from_static(COMMENT)),
        Batch::Events(part) => part.encoded(encoded),
        Batch::Reset(oldest) => {
            Some(format!("event: reset\ndata: {{\"oldest\":\"{oldest}\"}}\n\n").into())
        }
    }
}

fn encoded(events: &[Arc<StoredEvent>]) -> Option<Bytes> {
    let mut text = String::with_capacity(640 * events.len());
    for stored in events {
        let (kind, data) = (stored.event.kind.as_str(), view::rendered(stored).ok()?);
        // Writing to a String does not fail.
        let _ = write!(text, "id: {}\nevent: {kind}\ndata: {data}\n\n", stored.position);
    }
    Some(text.into())
}

fn response(body: Body, media: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}
