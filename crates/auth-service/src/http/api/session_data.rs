//! `/session/data`: what backends keep in a session over several requests. Each value has a
//! version, its entity tag, so that of two writers neither overwrites the other unseen.

use std::collections::BTreeMap;
use std::sync::Arc;

use auth_api_types::SessionValues;
use auth_http::credential::once;
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use serde_json::value::RawValue;
use session::{Condition, ValueChange};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::body::{self, BODY_LIMIT, Media};
use crate::http::extract::caller::present_by_backend;
use crate::http::extract::path::Path;
use crate::http::openapi::{ValueProblems, ValueWriteProblems, ValuesProblems};
use crate::http::reply;
use crate::operations::caller::Caller;
use crate::operations::values::{self, Key};

/// The session whose values a backend asks for. What is seen at this endpoint is the backend, so that
/// nothing is known of the client that a session may be bound to.
pub(crate) struct Owner(Caller);

impl<S> FromRequestParts<S> for Owner
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let app = Arc::<App>::from_ref(state);
        present_by_backend(&app, parts).await.map(Self)
    }
}

/// All values of the session.
#[utoipa::path(
    get, path = "/session/data", tag = "Internal",
    params(("X-Internal-Key" = Option<String>, Header, nullable = false, description = "The internal key, where one is set")),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 200, description = "The values by key", body = SessionValues<Value>), ValuesProblems)
)]
pub(crate) async fn get_values(
    State(app): State<Arc<App>>,
    Owner(caller): Owner,
) -> Result<Response, ApiError> {
    let values = values::read_all(&app.domain, &caller).await?;
    let data = values.into_iter().filter_map(|(key, (_, json))| {
        RawValue::from_string(json.into_string()).ok().map(|json| (key, json))
    });
    reply::json(StatusCode::OK, &SessionValues { data: data.collect::<BTreeMap<_, _>>() })
}

/// One value of the session.
#[utoipa::path(
    get, path = "/session/data/{key}", tag = "Internal",
    params(
        ("key" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "1 to 64 of `A-Za-z0-9._-`", example = "cart"),
        ("X-Internal-Key" = Option<String>, Header, nullable = false, description = "The internal key, where one is set")
    ),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The value", body = Value, headers(("ETag" = String, description = "Its version"))),
        ValueProblems
    )
)]
pub(crate) async fn get_value(
    State(app): State<Arc<App>>,
    Owner(caller): Owner,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let (version, json) = values::read(&app.domain, &caller, &Key::parse(&key)?).await?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, [(header::ETAG, reply::etag(version))], json.into_string()).into_response())
}

/// Write one value of the session.
#[utoipa::path(
    put, path = "/session/data/{key}", tag = "Internal",
    params(
        ("key" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "1 to 64 of `A-Za-z0-9._-`", example = "cart"),
        ("X-Internal-Key" = Option<String>, Header, nullable = false, description = "The internal key, where one is set"),
        ("If-Match" = Option<String>, Header, nullable = false, pattern = r#"^(\*|"[0-9]+")$"#, description = "The `ETag` of the value to replace, or `*` for any"),
        ("If-None-Match" = Option<String>, Header, nullable = false, pattern = r"^\*$", description = "`*`: only where there is no value")
    ),
    request_body(content = Value, description = "Any JSON", content_type = "application/json"),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 204, description = "Written", headers(("ETag" = String, description = "Its new version"))),
        ValueWriteProblems
    )
)]
pub(crate) async fn put_value(
    State(app): State<Arc<App>>,
    Owner(caller): Owner,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = Key::parse(&key)?;
    let condition = condition(request.headers())?;
    let RawJson(json) = RawJson::read(request).await?;
    write(&app, &caller, &key, ValueChange::Put(json), condition).await
}

/// Delete one value of the session.
#[utoipa::path(
    delete, path = "/session/data/{key}", tag = "Internal",
    params(
        ("key" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "1 to 64 of `A-Za-z0-9._-`", example = "cart"),
        ("X-Internal-Key" = Option<String>, Header, nullable = false, description = "The internal key, where one is set"),
        ("If-Match" = Option<String>, Header, nullable = false, pattern = r#"^(\*|"[0-9]+")$"#, description = "The `ETag` of the value to delete, or `*` for any")
    ),
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses((status = 204, description = "There is none now"), ValueWriteProblems)
)]
pub(crate) async fn delete_value(
    State(app): State<Arc<App>>,
    Owner(caller): Owner,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = Key::parse(&key)?;
    write(&app, &caller, &key, ValueChange::Delete, condition(&headers)?).await
}

async fn write(
    app: &App,
    caller: &Caller,
    key: &Key<'_>,
    change: ValueChange,
    condition: Condition,
) -> Result<Response, ApiError> {
    let version = values::write(&app.domain, caller, key, change, condition).await?;
    let mut response = reply::no_content();
    if let Some(version) = version {
        response.headers_mut().insert(header::ETAG, reply::etag(version));
    }
    Ok(response)
}

/// The condition of a write ([RFC 9110 §13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)).
fn condition(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let wrong =
        |name: &HeaderName| ApiError::Invalid(format!("the header `{name}` is not understood"));
    let if_match =
        once(headers, &header::IF_MATCH)?.map(|value| value.to_str().unwrap_or_default());
    let if_none =
        once(headers, &header::IF_NONE_MATCH)?.map(|value| value.to_str().unwrap_or_default());
    match (if_match.map(str::trim), if_none.map(str::trim)) {
        (None, None) => Ok(Condition::None),
        (None, Some("*")) => Ok(Condition::Absent),
        (None | Some(_), Some(_)) => Err(wrong(&header::IF_NONE_MATCH)),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tags), None) => {
            versions(tags).map(Condition::Version).ok_or_else(|| wrong(&header::IF_MATCH))
        }
    }
}

/// The versions that entity tags name. A weak tag, or one that we did not make, matches nothing.
fn versions(tags: &str) -> Option<Vec<u64>> {
    let mut versions = Vec::new();
    for tag in tags.split(',').map(str::trim) {
        let opaque = tag.strip_prefix("W/").unwrap_or(tag);
        let inner = opaque.strip_prefix('"')?.strip_suffix('"')?;
        if opaque == tag
            && let Ok(version) = inner.parse()
        {
            versions.push(version);
        }
    }
    Some(versions)
}

/// A JSON text of any shape, stored as it was written.
struct RawJson(Box<str>);

impl RawJson {
    async fn read(request: Request) -> Result<Self, ApiError> {
        if Media::of(request.headers()) != Media::Json {
            return Err(ApiError::MediaType { wanted: "application/json" });
        }
        let bytes = body::read(request.into_body(), BODY_LIMIT).await?;
        // Read for its nesting and its numbers too, so that whoever gets it can read it.
        let _: Value = body::any_json(&bytes)?;
        let raw: &RawValue = body::any_json(&bytes)?;
        Ok(Self(raw.get().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(HeaderName, &'static str)]) -> Result<Condition, ApiError> {
        condition(
            &headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect(),
        )
    }

    #[test]
    fn conditions_are_read_as_http_means_them() {
        assert!(matches!(of(&[]), Ok(Condition::None)));
        assert!(matches!(of(&[(header::IF_MATCH, "*")]), Ok(Condition::Present)));
        assert!(matches!(of(&[(header::IF_NONE_MATCH, "*")]), Ok(Condition::Absent)));
        let versions = |value| match of(&[(header::IF_MATCH, value)]) {
            Ok(Condition::Version(versions)) => Some(versions),
            _ => None,
        };
        assert_eq!(versions(r#""3", "7""#), Some(vec![3, 7]));
        assert_eq!(versions(r#"W/"3""#), Some(vec![]));
        assert_eq!(versions(r#""of another maker""#), Some(vec![]));
        assert_eq!(versions("3"), None);
    }

    #[test]
    fn a_condition_that_is_not_understood_is_refused_and_not_ignored() {
        assert!(of(&[(header::IF_NONE_MATCH, "\"3\"")]).is_err());
        assert!(of(&[(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")]).is_err());
    }
}
