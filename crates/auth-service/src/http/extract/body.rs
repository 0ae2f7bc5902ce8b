//! Reading bodies: their media type, their length, their fields; and the errors of a wrong one.
//!
//! What a caller sent is never repeated in an answer: it may be a password in the wrong field.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::error::ApiError;
use crate::operations::{Fault, Field};

/// The most bytes of a body, where the handler sets no other limit.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// The most bytes of a login's body.
pub(crate) const LOGIN_LIMIT: usize = 16 * 1024;
/// The most bytes of a validation's body.
pub(crate) const VALIDATE_LIMIT: usize = 128 * 1024;

/// The most bytes of a body at the route with this path.
fn limit_at(path: Option<&MatchedPath>) -> usize {
    match path.map(MatchedPath::as_str) {
        Some("/login") => LOGIN_LIMIT,
        Some("/validateToken") => VALIDATE_LIMIT,
        _ => BODY_LIMIT,
    }
}

/// Refuses a request that announces a longer body than its route takes, before any of it is read.
pub(crate) fn refuse_too_long(request: &mut Request) -> Option<Response> {
    let announced = request.body().size_hint().lower();
    if announced <= LOGIN_LIMIT as u64 {
        return None;
    }
    let limit = limit_at(request.extensions().get());
    (announced > limit as u64).then(|| ApiError::TooLarge { limit }.into_response())
}

/// Takes the whole body before anything looks at the token, unless it is of a type that the route
/// does not take: whoever is about to refuse that needs none of it.
///
/// INVARIANT: what a request does, it does with a token that lived when the request had arrived
/// whole. One that is held back half-sent would otherwise act with a session that ended meanwhile.
pub(crate) async fn take_first(request: Request, next: Next) -> Result<Response, ApiError> {
    if request.body().is_end_stream() || !is_taken(&request) {
        return Ok(next.run(request).await);
    }
    let limit = limit_at(request.extensions().get());
    let (parts, body) = request.into_parts();
    let body = Body::from(read(body, limit).await?);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Whether a body of this type may be of use at its route. One without a type may turn out to be
/// empty.
fn is_taken(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let form = matches!(path, "/revoke" | "/signup")
        || path.starts_with("/account")
        || path.starts_with("/admin/");
    let either = matches!(path, "/password/forgot" | "/password/reset" | "/email/verify");
    match Media::of(request.headers()) {
        Media::None => true,
        Media::Other => false,
        Media::Json => !form,
        Media::Form => form || either || matches!(path, "/login" | "/logout"),
    }
}

const NO_OBJECT: &str = "the body must be a JSON object";

/// A JSON body of at most [`BODY_LIMIT`] bytes.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body, or none at all, which is `T::default()`.
pub(crate) struct OptionalJson<T>(pub(crate) T);

/// An `application/x-www-form-urlencoded` body of at most [`BODY_LIMIT`] bytes.
pub(crate) struct Form<T>(pub(crate) T);

/// The media type that a request says its body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Form,
    Other,
    None,
}

impl Media {
    /// What `Content-Type` says; two of them, or nonsense, are another type.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else {
            return Self::None;
        };
        if values.next().is_some() {
            return Self::Other;
        }
        if value == "application/json" {
            return Self::Json;
        }
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else {
            Self::Other
        }
    }
}

/// The whole body, if it is not longer than `limit`.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    // Most bodies come in one part, which is not copied.
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let incomplete = |_| ApiError::Invalid("the body did not arrive whole".to_owned());
        let Ok(part) = frame.map_err(incomplete)?.into_data() else { continue };
        if first.len() + all.len() + part.len() > limit {
            return Err(ApiError::TooLarge { limit });
        }
        if first.is_empty() && all.is_empty() {
            first = part;
            continue;
        }
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&part);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// That there is no body: whoever says there which of many things are meant would have all of them
/// taken for meant.
pub(crate) async fn refuse_any(body: Body) -> Result<(), ApiError> {
    if body.is_end_stream() || read(body, BODY_LIMIT).await?.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid("send no body: the query says which are meant".to_owned()))
}

/// Reads a JSON object. A list is none, though serde would take its items for fields, by position.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::Invalid(NO_OBJECT.to_owned()));
    }
    any_json(bytes)
}

/// Reads any JSON. What is wrong is named by the field, never by what stood in it.
pub(crate) fn any_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // Keeping track of the path costs more than the reading, and is of use to nobody while all is
    // well. Text is checked all at once, and not each string of it again.
    // serde repeats in the text of its error what stood in a wrong field.
    wiping_alloc::wiping(|| {
        let read = std::str::from_utf8(bytes).ok().and_then(|text| serde_json::from_str(text).ok());
        read.map_or_else(|| named(bytes), Ok)
    })
}

fn named<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|_| ApiError::Invalid("something follows the JSON of the body".to_owned()))?;
    Ok(value)
}

/// Reads a form; a field that is named twice is an error.
pub(crate) fn form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    wiping_alloc::wiping(|| serde_urlencoded::from_bytes(bytes).or_else(|_| named_in_form(bytes)))
}

fn named_in_form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let fields = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(bytes));
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let named = named_field(&error.inner().to_string());
        named.unwrap_or_else(|| wrong_field(&error.path().to_string())).into()
    })
}

fn explain(path: &str, error: &serde_json::Error) -> ApiError {
    if !error.is_data() {
        return ApiError::Invalid(format!(
            "the body is no valid JSON: see line {}, column {}",
            error.line(),
            error.column()
        ));
    }
    let message = error.to_string();
    if let Some(known) = known_fields(&message) {
        return ApiError::Invalid(format!(
            "the body has a field that is not known: it takes {known}"
        ));
    }
    match (named_field(&message), path) {
        (Some(field), _) => field.into(),
        (None, "." | "?") => ApiError::Invalid(NO_OBJECT.to_owned()),
        (None, path) => wrong_field(path).into(),
    }
}

fn wrong_field(path: &str) -> Field {
    Field { name: printable(path).into(), problem: Fault::WrongType }
}

/// What "unknown field `x`, expected one of `a`, `b`" says of ours, without what the caller sent.
fn known_fields(message: &str) -> Option<&str> {
    let (_, known) = message.strip_prefix("unknown field ")?.rsplit_once(", expected ")?;
    let known = known.strip_prefix("one of ").unwrap_or(known);
    Some(known.split(" at line ").next().unwrap_or(known))
}

/// "missing field `x`" and "duplicate field `x`" name a field of ours, not what the caller sent.
/// Serde tells these two apart by nothing but its text.
fn named_field(message: &str) -> Option<Field> {
    let (rest, problem) = message
        .strip_prefix("missing field ")
        .map(|rest| (rest, Fault::Missing))
        .or_else(|| Some((message.strip_prefix("duplicate field ")?, Fault::Repeated)))?;
    let name = rest.split('`').nth(1)?.to_owned();
    Some(Field { name: name.into(), problem })
}

/// A path of field names, of which some may be the caller's own.
fn printable(path: &str) -> String {
    path.chars().filter(char::is_ascii_graphic).take(80).collect()
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if Media::of(request.headers()) != Media::Json {
            return Err(ApiError::MediaType { wanted: "application/json" });
        }
        json(&read(request.into_body(), BODY_LIMIT).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let wrong = ApiError::MediaType { wanted: "application/json" };
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        let media = Media::of(request.headers());
        if matches!(media, Media::Form | Media::Other) {
            return Err(wrong);
        }
        let bytes = read(request.into_body(), BODY_LIMIT).await?;
        match media {
            _ if bytes.is_empty() => Ok(Self(T::default())),
            Media::Json => json(&bytes).map(Self),
            _ => Err(wrong),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        form(&form_bytes(request).await?).map(Self)
    }
}

/// A form of at most [`BODY_LIMIT`] bytes, unread.
pub(crate) async fn form_bytes(request: Request) -> Result<Bytes, ApiError> {
    if Media::of(request.headers()) != Media::Form {
        return Err(ApiError::MediaType { wanted: "application/x-www-form-urlencoded" });
    }
    read(request.into_body(), BODY_LIMIT).await
}

/// A query string; a parameter of ours that is missing, wrong or named twice is an error.
pub(crate) fn query<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<T, ApiError> {
    form(uri.query().unwrap_or_default().as_bytes()).map_err(|error| match error {
        ApiError::Field(field) => ApiError::Parameter(field),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[expect(dead_code, reason = "only read in, never looked at")]
        password: String,
    }

    fn detail(bytes: &[u8]) -> String {
        let error = json::<Sample>(bytes).unwrap_err();
        assert_eq!(error.status(), 400, "{error:?}");
        error.detail()
    }

    #[test]
    fn what_is_wrong_is_named_and_what_was_sent_is_not_repeated() {
        assert_eq!(detail(b"{}"), "the field `password` is missing");
        assert_eq!(
            detail(br#"{"password":"a","password":"b"}"#),
            "the field `password` is given twice"
        );
        let ill_typed = detail(br#"{"password":20061207}"#);
        assert!(ill_typed.contains("`password`") && !ill_typed.contains("2006"), "{ill_typed}");
        let wrapped = detail(br#""hunter2""#);
        assert!(!wrapped.contains("hunter2"), "{wrapped}");
    }

    #[test]
    fn a_field_that_is_not_known_is_not_repeated_and_those_that_are_stand_beside() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            #[expect(dead_code, reason = "only read in, never looked at")]
            scopes: Option<u8>,
        }
        let known = "the body has a field that is not known: it takes `scopes`";
        for field in ["hunter2", "x`, expected `hunter2`", " at line 1"] {
            let body = format!(r#"{{"{field}":1}}"#);
            let error = json::<Strict>(body.as_bytes()).unwrap_err();
            assert_eq!((error.detail().as_str(), error.status().as_u16()), (known, 400), "{field}");
        }
        assert!(json::<Sample>(br#"{"password":"a","hunter2":1}"#).is_ok());
    }

    #[test]
    fn malformed_nested_or_followed_json_is_refused() {
        let deep = "[".repeat(10_000);
        for bytes in [&b""[..], b"{", b"\xff", b"{\"password\":\"a\"} x", deep.as_bytes()] {
            assert!(json::<Sample>(bytes).is_err());
        }
    }

    #[test]
    fn a_list_is_no_object() {
        for list in [&b"[\"a\"]"[..], b" \r\n\t[\"a\"]", b"["] {
            assert_eq!(detail(list), NO_OBJECT);
        }
        assert!(any_json::<Vec<u8>>(b"[1]").is_ok());
    }

    #[test]
    fn a_wrong_field_of_a_form_or_a_query_is_named() {
        #[derive(Debug, Deserialize)]
        struct Many {
            #[expect(dead_code, reason = "only read in, never looked at")]
            keep: Option<u8>,
        }
        let keep = Field::new("keep", Fault::WrongType);
        let error = form::<Many>(b"a=b&keep=x").unwrap_err();
        assert_eq!(error, ApiError::Field(keep.clone()));
        assert_eq!(error.detail(), "the field `keep` has a wrong type or value");
        let error = query::<Many>(&"/sessions?keep=x".parse().unwrap()).unwrap_err();
        assert_eq!(error, ApiError::Parameter(keep));
        assert_eq!(error.detail(), "the query parameter `keep` has a wrong type or value");
    }

    #[test]
    fn a_form_field_named_twice_is_refused() {
        let error = form::<Sample>(b"password=a&password=b").unwrap_err();
        assert_eq!(error, Field::new("password", Fault::Repeated).into());
        assert!(form::<Sample>(b"password=a%20b&other=1&other=2").is_ok());
    }

    #[test]
    fn a_field_that_may_be_absent_is_read_where_it_is_there() {
        #[derive(Deserialize)]
        struct Both {
            token: String,
            hint: Option<String>,
        }
        let both: Both = form(b"token=a&hint=b").unwrap();
        assert_eq!((both.token.as_str(), both.hint.as_deref()), ("a", Some("b")));
        assert_eq!(form::<Both>(b"token=a").unwrap().hint, None);
    }
}
