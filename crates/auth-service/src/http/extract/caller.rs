//! What comes of presenting the token that a request carries.

use std::sync::Arc;

use auth_api_types::Reason;
use auth_http::credential::Carried;
use auth_http::describe;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use server_runtime::cross_site::FromNamedOrigin;
use session::{Dead, Intent, Kind, Presented, SeenAt, Session, Token, Verdict};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::admin::is_admin;
use crate::http::extract::client::Client;

/// The session that the request's token opens. Extracting it is a use of the token.
pub(crate) struct Caller {
    /// The session, after this use.
    pub(crate) session: Session,
    /// What was presented.
    pub(crate) presented: Presented,
    /// Whether the token came in the cookie.
    pub(crate) by_cookie: bool,
    /// Whether a page of a named origin sent the request, and would change something.
    pub(crate) from_named_origin: bool,
    /// Where the request came from, as far as it is known.
    pub(crate) client: Client,
}

impl Caller {
    /// Presents the token that a request carries.
    pub(crate) async fn present(
        app: &App,
        parts: &Parts,
        intent: Intent,
    ) -> Result<Self, ApiError> {
        let client = Client::of(parts, &app.client_addresses);
        let seen = client.seen_at();
        Self::present_from(app, parts, intent, client, seen).await
    }

    /// The same by a backend, which says nothing of the client it acts for.
    pub(crate) async fn present_by_backend(
        app: &App,
        parts: &Parts,
        intent: Intent,
    ) -> Result<Self, ApiError> {
        Self::present_from(app, parts, intent, Client::unknown(), SeenAt::default()).await
    }

    async fn present_from(
        app: &App,
        parts: &Parts,
        intent: Intent,
        client: Client,
        seen: SeenAt,
    ) -> Result<Self, ApiError> {
        let carried =
            Carried::find(&parts.headers, &app.cookie.name)?.ok_or(ApiError::MissingToken)?;
        let presented = read(carried, intent)?;
        match app.sessions.validate_one(presented, seen.clone()).await? {
            Verdict::Alive(session) => {
                let from_named_origin = parts.extensions.get::<FromNamedOrigin>().is_some();
                // INVARIANT: what acts as an admin is changed from our own pages only, whatever
                // other origins are let in.
                if from_named_origin && is_admin(&session) {
                    return Err(ApiError::CrossSite);
                }
                let by_cookie = carried.by_cookie;
                Ok(Self { session, presented, by_cookie, from_named_origin, client })
            }
            Verdict::Dead(dead) => {
                if intent == Intent::Look {
                    end_misused(app, presented, dead, &seen).await?;
                }
                Err(dead.into())
            }
        }
    }

    /// Whether the caller may still act, after something that took its time.
    ///
    /// INVARIANT: asked right before a write that had to wait for a password to be hashed, so that
    /// nobody acts with a session that was ended while the hash was computed. A single-use one has
    /// ended by this very request; what ends all of its user's sessions shows in the user.
    pub(crate) async fn still_may(&self, app: &App) -> Result<(), ApiError> {
        if self.session.kind == Kind::SingleUse {
            let user = app.users.get(self.session.subject.id).await?;
            let same = user
                .is_some_and(|user| user.generation == self.session.generation && !user.disabled);
            return if same { Ok(()) } else { Err(Dead::Revoked.into()) };
        }
        let look = Presented { intent: Intent::Look, ..self.presented };
        match app.sessions.validate_one(look, SeenAt::default()).await? {
            Verdict::Alive(_) => Ok(()),
            Verdict::Dead(dead) => Err(dead.into()),
        }
    }
}

impl Caller {
    /// The caller of a request that may come without one: a credential that opens nothing is none.
    /// One that nobody can tell from another, or that cannot be looked at, is an error here too.
    pub(crate) async fn if_any(app: &App, parts: &Parts) -> Result<Option<Self>, ApiError> {
        match Self::present(app, parts, Intent::Use).await {
            Ok(caller) => Ok(Some(caller)),
            Err(ApiError::MissingToken | ApiError::InvalidToken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// To act with a token ends its session where the token is misused, also where it is looked at first:
/// a bound one that is seen elsewhere, and one from before a rotation, which a use finds out.
async fn end_misused(
    app: &App,
    presented: Presented,
    dead: Dead,
    seen: &SeenAt,
) -> Result<(), ApiError> {
    match dead {
        Dead::Revoked => {
            app.sessions.end(presented.id).await?;
        }
        Dead::Unknown | Dead::Replaced => {
            let used = Presented { intent: Intent::Use, ..presented };
            app.sessions.validate_one(used, seen.clone()).await?;
        }
        Dead::Expired => {}
    }
    Ok(())
}

impl<S> FromRequestParts<S> for Caller
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::present(&Arc::<App>::from_ref(state), parts, Intent::Use).await
    }
}

/// The token as a store knows it.
pub(crate) fn read(carried: Carried<'_>, intent: Intent) -> Result<Presented, ApiError> {
    std::str::from_utf8(carried.as_bytes())
        .ok()
        .and_then(|text| Token::read(text).ok())
        .map(|(id, digest)| Presented { id, digest, intent })
        .ok_or(ApiError::InvalidToken(describe(Reason::Malformed)))
}

/// Those of the tokens that are well-formed, to end their sessions.
pub(crate) fn readable<'a>(carried: impl IntoIterator<Item = Carried<'a>>) -> Vec<Presented> {
    carried.into_iter().filter_map(|carried| read(carried, Intent::End).ok()).collect()
}
