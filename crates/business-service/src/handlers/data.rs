//! The routes for programs: the caller's own data, as JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use auth_api_types::json::{WriteJson, member};
use auth_api_types::{Kind, Problem, SessionView, Timestamp};
use auth_client::{Authenticated, Refusal, UserId};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use server_runtime::{private_json, private_json_by};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Error;

/// The answer to `GET /data`.
#[derive(Serialize, ToSchema)]
pub(crate) struct DataResponse {
    data: Data,
}

/// The caller's own data.
#[derive(Serialize, ToSchema)]
pub(crate) struct Data {
    /// A greeting.
    #[schema(example = "Hello ann@example.com, your session is alive for another 30 s.")]
    message: String,
    user: Owner,
    /// The role that the session acts in.
    role: Cow<'static, str>,
    session: Inflation,
}

/// Whose data it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Owner {
    /// The user's id; of an external one what its backend calls it.
    id: UserId<'static>,
    /// What the user logs in with.
    #[schema(example = "ann@example.com")]
    username: Cow<'static, str>,
    /// All roles of the user.
    roles: Vec<Cow<'static, str>>,
    /// `true` for a user that the auth service has no account of, and absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    external: bool,
}

/// How the session stands after this use of its token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Inflation {
    /// The session's id, no secret.
    id: Uuid,
    /// What a use does to it.
    kind: Kind,
    /// Whole seconds until it ends if nobody uses it.
    expires_in: u64,
    /// When that is.
    expires_at: Timestamp,
    /// When it ends however busy it is.
    absolute_expires_at: Timestamp,
    /// How often it was used, this time included.
    refresh_count: u64,
}

impl From<SessionView<'static>> for Data {
    fn from(session: SessionView<'static>) -> Self {
        Self {
            message: greeting(&session),
            user: Owner {
                external: session.user.is_external(),
                id: session.user.id,
                username: session.user.username,
                roles: session.user.roles,
            },
            role: session.role,
            session: Inflation {
                id: session.id,
                kind: session.kind,
                expires_in: session.expires_in,
                expires_at: session.expires_at,
                absolute_expires_at: session.absolute_expires_at,
                refresh_count: session.refresh_count,
            },
        }
    }
}

/// By hand, as the answer that it is made from: it is written at each request.
impl WriteJson for DataResponse {
    fn write_json(&self, out: &mut Vec<u8>) {
        let Data { message, user, role, session } = &self.data;
        member(out, b"{\"data\":{\"message\":", message.as_str());
        member(out, b",\"user\":{\"id\":", &user.id);
        member(out, b",\"username\":", &user.username);
        member(out, b",\"roles\":", &user.roles);
        if user.external {
            member(out, b",\"external\":", &true);
        }
        member(out, b"},\"role\":", role);
        member(out, b",\"session\":{\"id\":", &session.id);
        member(out, b",\"kind\":", &session.kind);
        member(out, b",\"expires_in\":", &session.expires_in);
        member(out, b",\"expires_at\":", &session.expires_at);
        member(out, b",\"absolute_expires_at\":", &session.absolute_expires_at);
        member(out, b",\"refresh_count\":", &session.refresh_count);
        out.extend_from_slice(b"}}}");
    }
}

fn greeting(session: &SessionView<'_>) -> String {
    let (before, seconds, after) = match session.kind {
        Kind::Sliding => (", your session is alive for another ", Some(session.expires_in), " s."),
        Kind::Fixed => (", your token ends in ", Some(session.expires_in), " s, used or not."),
        Kind::SingleUse => (", this was the one use of your token.", None, ""),
    };
    // Part by part and in one allocation, since it is written at each request.
    let name = &session.user.username;
    let mut text = String::with_capacity(6 + name.len() + before.len() + 20 + after.len());
    text.push_str("Hello ");
    text.push_str(name);
    text.push_str(before);
    if let Some(seconds) = seconds {
        let _ = write!(text, "{seconds}");
    }
    text.push_str(after);
    text
}

/// The answer to `GET /protected-resource`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProtectedResource {
    /// Always the same.
    #[schema(example = "This is a protected resource")]
    message: &'static str,
    /// The caller.
    #[schema(example = "ann@example.com")]
    user: Cow<'static, str>,
}

/// The caller's own data.
#[utoipa::path(
    get, path = "/data", tag = "data",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The caller's own data", body = DataResponse),
        (status = 400, description = "Two tokens", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that opens nothing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the token is alive", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_data(caller: Result<Authenticated, Refusal>) -> Result<Response, Error> {
    let Authenticated(session) = caller?;
    let answer = DataResponse { data: session.into() };
    Ok(private_json_by(StatusCode::OK, |out| answer.write_json(out)))
}

/// Something that only a live session may see.
#[utoipa::path(
    get, path = "/protected-resource", tag = "data",
    security(("bearer" = []), ("token" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The resource", body = ProtectedResource),
        (status = 400, description = "Two tokens", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that opens nothing", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known whether the token is alive", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_protected_resource(
    caller: Result<Authenticated, Refusal>,
) -> Result<Response, Error> {
    let Authenticated(session) = caller?;
    let message = "This is a protected resource";
    private(&ProtectedResource { message, user: session.user.username })
}

/// For the caller alone: no cache may store it.
fn private<T: Serialize>(answer: &T) -> Result<Response, Error> {
    private_json(StatusCode::OK, answer).ok_or(Error::Internal)
}

#[cfg(test)]
mod tests {
    use auth_api_types::{SessionUser, Transport};

    use super::*;

    #[test]
    fn the_data_are_written_as_serde_writes_them() {
        let own = UserId::Own(Uuid::from_u128(7));
        for (id, kind, greeting) in [
            (own, Kind::Sliding, "your session is alive for another 30 s."),
            (
                UserId::External("a \"b\"/%\u{e9}".into()),
                Kind::Fixed,
                "your token ends in 30 s, used or not.",
            ),
            (UserId::External("42".into()), Kind::SingleUse, "this was the one use of your token."),
        ] {
            let moment = Timestamp::from_unix_ms(1_795_176_007_120);
            let session = SessionView {
                id: Uuid::from_u128(9),
                kind,
                transport: Transport::Bearer,
                user: SessionUser {
                    id,
                    username: "ann\\\n\u{1f}\u{1f600}@example.com".into(),
                    roles: vec!["user".into(), "\"".into()],
                },
                role: "\"".into(),
                scopes: None,
                name: None,
                created_at: moment,
                last_used_at: moment,
                expires_at: moment,
                expires_in: 30,
                absolute_expires_at: moment,
                refresh_count: u64::MAX,
                ip: None,
                user_agent: None,
                current: None,
            };
            let answer = DataResponse { data: session.into() };
            let greeting = format!("Hello ann\\\n\u{1f}\u{1f600}@example.com, {greeting}");
            assert_eq!(answer.data.message, greeting);
            let mut written = Vec::new();
            answer.write_json(&mut written);
            assert_eq!(
                String::from_utf8(written).unwrap(),
                serde_json::to_string(&answer).unwrap()
            );
        }
    }
}
