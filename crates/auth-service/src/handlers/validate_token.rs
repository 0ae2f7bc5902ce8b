//! `POST /validateToken`: is this token alive? For one or for many, each with its own answer.

use std::sync::Arc;

use auth_api_types::{
    Client, MAX_TOKENS, Reason, Results, ValidateItem, ValidateRequest, ValidateRequestError,
    Verdict,
};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use session::{Intent, Outcome, Presented, SeenAt, Token};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::app::App;
use crate::body::{self, Media, VALIDATE_LIMIT};
use crate::client_address;
use crate::error::ApiError;
use crate::openapi::InternalProblems;
use crate::{reply, view};

/// Validate one token, or up to 1,024.
///
/// Each is a use, which re-inflates a sliding one and ends a single-use one, unless `touch` is
/// false. A token named twice is used twice.
#[utoipa::path(
    post, path = "/validateToken", tag = "Internal",
    request_body = ValidateRequest,
    security((), ("internal_key" = [])),
    responses(
        (status = 200, description = "The verdict; for `tokens`, one for each in `results`", body = ValidateAnswer),
        InternalProblems
    )
)]
pub(crate) async fn validate_token(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    if Media::of(request.headers()) != Media::Json {
        return Err(ApiError::MediaType { wanted: "application/json" });
    }
    let bytes = body::read(request.into_body(), VALIDATE_LIMIT).await?;
    let question: ValidateRequest<'_> = body::json(&bytes)?;
    let is_batch = question.is_batch();
    let items = question.into_items().map_err(malformed)?;
    let mut verdicts = answer(&app, &items).await;
    if verdicts.iter().all(|verdict| verdict.error.is_some()) {
        return Err(ApiError::Unavailable("the session store does not answer"));
    }
    let answer = if is_batch {
        ValidateAnswer::Many(Results { results: verdicts })
    } else {
        ValidateAnswer::One(verdicts.pop().ok_or(ApiError::Internal)?)
    };
    reply::json(StatusCode::OK, &answer)
}

/// One verdict, or `results` with one for each token.
#[derive(serde::Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "it is written out at once")]
pub(crate) enum ValidateAnswer {
    One(Verdict),
    Many(Results),
}

/// "Any of" and not "one of": both take members that they do not know, the other's included.
impl PartialSchema for ValidateAnswer {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .item(Ref::from_schema_name(Verdict::name()))
            .item(Ref::from_schema_name(Results::name()))
            .description(Some("One verdict, or `results` with one for each token."))
            .into()
    }
}

impl ToSchema for ValidateAnswer {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Verdict::name().into(), Verdict::schema()));
        schemas.push((Results::name().into(), Results::schema()));
        Verdict::schemas(schemas);
        Results::schemas(schemas);
    }
}

/// A verdict for each item, in order; only well-formed tokens reach the store, in one batch.
async fn answer(app: &App, items: &[ValidateItem<'_>]) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::dead(Reason::Malformed); items.len()];
    let mut places = Vec::with_capacity(items.len());
    let mut batch = Vec::with_capacity(items.len());
    let mut seen = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        if let Ok((id, digest)) = Token::read(&item.token) {
            let intent = if item.touch.unwrap_or(true) { Intent::Use } else { Intent::Look };
            places.push(place);
            batch.push(Presented { id, digest, intent });
            seen.push(seen_at(item.client.as_ref()));
        } else {
            app.figures.count_malformed();
        }
    }
    let outcomes = app.sessions.validate(&batch, &seen).await;
    report_failures(&outcomes);
    for (place, outcome) in places.into_iter().zip(&outcomes) {
        app.figures.count_validation(outcome);
        if let (Some(verdict), Some(item)) = (verdicts.get_mut(place), items.get(place)) {
            *verdict = written(outcome);
            trace(item, verdict);
        }
    }
    verdicts
}

fn written(outcome: &Outcome) -> Verdict {
    match outcome {
        Ok(session::Verdict::Alive(session)) => Verdict::alive(view::session(session, None)),
        Ok(session::Verdict::Dead(dead)) => Verdict::dead(view::reason(*dead)),
        Err(_) => Verdict::unavailable(),
    }
}

/// A failing store is one line in the log, not one a token.
fn report_failures(outcomes: &[Outcome]) {
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    if let Some(error) = errors.next() {
        tracing::error!(%error, tokens = errors.count() + 1, "the session store failed");
    }
}

fn trace(item: &ValidateItem<'_>, verdict: &Verdict) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        let request_id = item.request_id.as_deref().unwrap_or_default();
        let session_id = verdict.session.as_ref().map(|session| session.id.as_str());
        let reason = verdict.reason.map(Reason::as_str);
        let alive = verdict.authenticated;
        tracing::debug!(asked_by = %printable(request_id), session_id, reason, alive, "validated");
    }
}

/// What another service calls its request stands in our logs only if it has the form of an id.
fn printable(request_id: &str) -> &str {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if request_id.len() <= 128 && request_id.bytes().all(valid) {
        request_id
    } else {
        "(malformed)"
    }
}

fn seen_at(client: Option<&Client>) -> SeenAt {
    let Some(client) = client else {
        return SeenAt::default();
    };
    SeenAt {
        ip: client.ip.as_deref().and_then(client_address::address),
        user_agent: client.user_agent.as_deref().map(client_address::cut),
    }
}

fn malformed(error: ValidateRequestError) -> ApiError {
    ApiError::Invalid(match error {
        ValidateRequestError::NoToken => "the field `token` is missing".to_owned(),
        ValidateRequestError::Both => "send `token` or `tokens`, not both".to_owned(),
        ValidateRequestError::Count => format!("`tokens` takes 1 to {MAX_TOKENS} of them"),
    })
}
