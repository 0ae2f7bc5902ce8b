//! `POST /validateToken`: is this token alive? For one or for many, each with its own answer.

use std::sync::Arc;

use auth_api_types::json::WriteJson;
use auth_api_types::packed::{self, PackedError};
use auth_api_types::{
    Client, MAX_TOKENS, Reason, Results, ValidateItems, ValidateRequest, ValidateRequestError,
    Verdict,
};
use auth_http::Answer;
use auth_http::client_address::{cut_user_agent, parse_address};
use auth_http::request_id::is_request_id;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use server_runtime::{private_by, private_json_by};
use session::{Intent, Outcome, SeenAt};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, Media, VALIDATE_LIMIT};
use crate::http::openapi::InternalProblems;
use crate::operations::validation::{self, Question};
use crate::view;

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
    let form = Form::of(request.headers()).ok_or(OTHER_MEDIA)?;
    let answers_packed = form == Form::Packed || accepts_packed(request.headers());
    let bytes = body::read(request.into_body(), VALIDATE_LIMIT).await?;
    let question = form.read(&bytes)?;
    let is_batch = question.is_batch();
    let outcomes = outcomes(&app, question).await?;
    if outcomes.iter().all(|outcome| matches!(outcome, Some(Err(_)))) {
        return Err(ApiError::Unavailable("the session store does not answer"));
    }
    let answers = outcomes.iter().map(|outcome| answer(outcome.as_ref()));
    let mut verdicts: Vec<Verdict<'_>> = answers.map(Answer::write).collect();
    if answers_packed {
        let write = |out: &mut Vec<u8>| packed::write_verdicts(&verdicts, out);
        return Ok(private_by(StatusCode::OK, packed::MEDIA_TYPE, write));
    }
    let answer = if is_batch {
        ValidateAnswer::Many(Results { results: verdicts })
    } else {
        ValidateAnswer::One(verdicts.pop().ok_or(ApiError::Internal)?)
    };
    Ok(private_json_by(StatusCode::OK, |out| answer.write_json(out)))
}

/// What a body that is neither JSON nor packed is answered.
const OTHER_MEDIA: ApiError = ApiError::MediaType { wanted: "application/json" };

/// In which form a request is written, and its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The contract's.
    Json,
    /// What our own services speak with each other.
    Packed,
}

/// Whether a request in JSON names the packed form among those that it would have the answer in: so our
/// own services find out that it is known here.
fn accepts_packed(headers: &HeaderMap) -> bool {
    let named = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(',').any(|media_type| media_type.trim() == packed::MEDIA_TYPE)
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        if Media::of(headers) == Media::Json {
            return Some(Self::Json);
        }
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let is_packed = values.next().is_some_and(|value| value == packed::MEDIA_TYPE);
        (is_packed && values.next().is_none()).then_some(Self::Packed)
    }

    fn read(self, bytes: &[u8]) -> Result<ValidateRequest<'_>, ApiError> {
        match self {
            Self::Json => {
                let text = std::str::from_utf8(bytes).ok();
                let written = text.and_then(ValidateRequest::read_written);
                written.map_or_else(|| body::json(bytes), Ok)
            }
            Self::Packed => packed::read_request(bytes).map_err(|error| match error {
                // In JSON, what only a later release has a word for is passed over.
                PackedError::Unknown => OTHER_MEDIA,
                PackedError::Malformed => {
                    ApiError::Invalid("the body is no whole packed request".to_owned())
                }
            }),
        }
    }
}

/// The answers that the verdicts on the same request would be read as, in order; `None` where the
/// store did not answer.
///
/// # Errors
///
/// Those of the endpoint, but for what is about HTTP: there is none.
pub(crate) async fn answers(
    app: &App,
    request: ValidateRequest<'_>,
) -> Result<Vec<Option<Answer<'static>>>, ApiError> {
    let outcomes = outcomes(app, request).await?;
    Ok(outcomes.iter().map(|one| answer(one.as_ref()).map(Answer::into_owned)).collect())
}

/// One verdict, or `results` with one for each token.
#[expect(clippy::large_enum_variant, reason = "it is written out at once")]
pub(crate) enum ValidateAnswer<'a> {
    One(Verdict<'a>),
    Many(Results<'a>),
}

impl WriteJson for ValidateAnswer<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::One(verdict) => verdict.write_json(out),
            Self::Many(results) => results.write_json(out),
        }
    }
}

/// "Any of" and not "one of": both take members that they do not know, the other's included.
impl PartialSchema for ValidateAnswer<'_> {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .item(Ref::from_schema_name(Verdict::name()))
            .item(Ref::from_schema_name(Results::name()))
            .description(Some("One verdict, or `results` with one for each token."))
            .into()
    }
}

impl ToSchema for ValidateAnswer<'_> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Verdict::name().into(), Verdict::schema()));
        schemas.push((Results::name().into(), Results::schema()));
        Verdict::schemas(schemas);
        Results::schemas(schemas);
    }
}

/// What became of each item, in order; none for a malformed one.
async fn outcomes(
    app: &App,
    request: ValidateRequest<'_>,
) -> Result<Vec<Option<Outcome>>, ApiError> {
    let request = request.into_items().map_err(malformed)?;
    let outcomes = ask(app, &request).await?;
    trace(&request, &outcomes);
    Ok(outcomes)
}

async fn ask(app: &App, request: &ValidateItems<'_>) -> Result<Vec<Option<Outcome>>, ApiError> {
    let default_seen = seen_at(request.client())?;
    let questions = request.items().iter().map(|item| {
        let mut seen = match &item.client {
            Some(client) => seen_at(Some(client))?,
            None => default_seen.clone(),
        };
        let request_id = request.request_id(item);
        seen.request_id = request_id.filter(|id| is_request_id(id.as_bytes())).map(Into::into);
        let intent = if request.touches(item) { Intent::Use } else { Intent::Look };
        Ok::<_, ApiError>(Question { token: &item.token, intent, seen })
    });
    validation::validate(&app.domain, questions).await
}

/// `None` where the store did not answer.
fn answer(outcome: Option<&Outcome>) -> Option<Answer<'_>> {
    match outcome {
        None => Some(Answer::Dead(Reason::Malformed)),
        Some(Ok(session::Verdict::Alive(session))) => {
            Some(Answer::Alive(view::session(session, None)))
        }
        Some(Ok(session::Verdict::Dead(dead))) => Some(Answer::Dead(view::reason(*dead))),
        Some(Err(_)) => None,
    }
}

fn trace(request: &ValidateItems<'_>, outcomes: &[Option<Outcome>]) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    for (item, outcome) in request.items().iter().zip(outcomes) {
        let request_id = request.request_id(item).unwrap_or_default();
        let verdict = Answer::write(answer(outcome.as_ref()));
        let session_id = verdict.session.as_ref().map(|session| session.id.to_string());
        let reason = verdict.reason.map(Reason::as_str);
        let alive = verdict.authenticated;
        tracing::debug!(caller_request_id = %printable(request_id), session_id, reason, alive, "validated");
    }
}

/// The id of another service's request is logged only if it has the form of an id.
fn printable(request_id: &str) -> &str {
    if request_id.is_empty() || is_request_id(request_id.as_bytes()) {
        request_id
    } else {
        "(malformed)"
    }
}

/// The description of the client must be readable: passed over, it would be no different from a
/// client that nothing is known of, and a bound session would not be checked.
pub(super) fn seen_at(client: Option<&Client>) -> Result<SeenAt, ApiError> {
    let Some(client) = client else {
        return Ok(SeenAt::default());
    };
    let no_address = || ApiError::Invalid("the field `client.ip` is no IP address".to_owned());
    let ip = client.ip.as_deref().map(|ip| parse_address(ip).ok_or_else(no_address));
    Ok(SeenAt {
        ip: ip.transpose()?,
        user_agent: client.user_agent.as_deref().map(|agent| cut_user_agent(agent).into()),
        request_id: None,
    })
}

fn malformed(error: ValidateRequestError) -> ApiError {
    ApiError::Invalid(match error {
        ValidateRequestError::NoToken => "the field `token` is missing".to_owned(),
        ValidateRequestError::Both => "send `token` or `tokens`, not both".to_owned(),
        ValidateRequestError::Count => format!("`tokens` takes 1 to {MAX_TOKENS} of them"),
    })
}
