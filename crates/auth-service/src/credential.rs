//! How a request carries its token, and what comes of presenting it. The one place that reads one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use server_runtime::cross_site::FromNamedOrigin;
use session::{Dead, Intent, Kind, Presented, SeenAt, Session, Token, Verdict};

use crate::admin::is_admin;
use crate::app::App;
use crate::client_address::Client;
use crate::error::ApiError;

const TOKEN_HEADER: HeaderName = HeaderName::from_static("token");

/// A token as it came with a request; it lives no longer than the request's head.
#[derive(Clone, Copy)]
pub(crate) struct Carried<'a> {
    text: &'a [u8],
    /// Whether a browser added it by itself.
    pub(crate) by_cookie: bool,
}

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
    /// The client's address, as far as it is known.
    pub(crate) ip: Option<IpAddr>,
}

impl<'a> Carried<'a> {
    /// The token that a request carries: in a header, or else in the session cookie.
    ///
    /// A header given twice, or two with different tokens, is an error; two cookies of the name
    /// with different values count as none, since nobody can tell whose they are.
    pub(crate) fn find(headers: &'a HeaderMap, cookie: &str) -> Result<Option<Self>, ApiError> {
        let direct = once(headers, &TOKEN_HEADER).map_err(ambiguous)?.map(HeaderValue::as_bytes);
        let bearer = once(headers, &header::AUTHORIZATION).map_err(ambiguous)?.and_then(bearer);
        let in_header = match (direct, bearer) {
            (Some(direct), Some(bearer)) if direct != bearer => {
                return Err(ApiError::TwoTokens(
                    "the headers `token` and `Authorization` carry different tokens".to_owned(),
                ));
            }
            (direct, bearer) => direct.or(bearer),
        };
        let header = in_header.map(|text| Carried { text, by_cookie: false });
        Ok(header.or_else(|| from_cookie(headers, cookie)))
    }

    /// All tokens that a request carries, in any header and any cookie of the name: for what ends
    /// sessions, where none of several may be passed over.
    pub(crate) fn all(headers: &'a HeaderMap, cookie: &str) -> Vec<Self> {
        let direct = headers.get_all(&TOKEN_HEADER).iter().map(HeaderValue::as_bytes);
        let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(bearer);
        let in_header = direct.chain(bearer).map(|text| Carried { text, by_cookie: false });
        in_header.chain(Self::all_cookies(headers, cookie)).collect()
    }

    /// All tokens in cookies of the name.
    pub(crate) fn all_cookies(headers: &'a HeaderMap, cookie: &str) -> Vec<Self> {
        cookies(headers, cookie).map(|text| Carried { text, by_cookie: true }).collect()
    }

    /// The token as a store knows it.
    pub(crate) fn read(self, intent: Intent) -> Result<Presented, ApiError> {
        std::str::from_utf8(self.text)
            .ok()
            .and_then(|text| Token::read(text).ok())
            .map(|(id, digest)| Presented { id, digest, intent })
            .ok_or(ApiError::InvalidToken("the token is malformed"))
    }
}

impl Caller {
    /// Presents the token that a request carries.
    pub(crate) async fn present(
        app: &App,
        parts: &Parts,
        intent: Intent,
    ) -> Result<Self, ApiError> {
        let seen = Client::of(parts, &app.client_addresses).seen_at();
        Self::present_from(app, parts, intent, seen).await
    }

    /// The same at a door that knows better where its request came from.
    pub(crate) async fn present_from(
        app: &App,
        parts: &Parts,
        intent: Intent,
        seen: SeenAt,
    ) -> Result<Self, ApiError> {
        let carried =
            Carried::find(&parts.headers, &app.cookie.name)?.ok_or(ApiError::MissingToken)?;
        let presented = carried.read(intent)?;
        match app.sessions.validate_one(presented, seen.clone()).await? {
            Verdict::Alive(session) => {
                let from_named_origin = parts.extensions.get::<FromNamedOrigin>().is_some();
                // INVARIANT: what acts as an admin is changed from our own pages only, whatever
                // other origins are let in.
                if from_named_origin && is_admin(&session) {
                    return Err(ApiError::CrossSite);
                }
                let (by_cookie, ip) = (carried.by_cookie, seen.ip);
                Ok(Self { session, presented, by_cookie, from_named_origin, ip })
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

/// Those of the tokens that are well-formed, to end their sessions.
pub(crate) fn readable(carried: &[Carried<'_>]) -> Vec<Presented> {
    carried.iter().filter_map(|carried| carried.read(Intent::End).ok()).collect()
}

/// The one value of a header, if there is one.
pub(crate) fn once<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(ApiError::Invalid(format!("the header `{name}` is given twice")));
    }
    Ok(value)
}

/// What follows the scheme `name`, in any case, of an `Authorization` header; `None` for another.
pub(crate) fn scheme<'a>(value: &'a HeaderValue, name: &str) -> Option<&'a [u8]> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(name.len())?;
    let ours = scheme.eq_ignore_ascii_case(name.as_bytes());
    match rest {
        [] if ours => Some(rest),
        [b' ', ..] if ours => Some(rest.trim_ascii()),
        _ => None,
    }
}

/// Which of several is meant is not for us to guess.
fn ambiguous(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid(detail) => ApiError::TwoTokens(detail),
        error => error,
    }
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    scheme(value, "Bearer")
}

fn from_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<Carried<'a>> {
    let mut values = cookies(headers, name);
    let text = values.next()?;
    values.all(|other| other == text).then_some(Carried { text, by_cookie: true })
}

/// The values of all cookies of the name.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            (pair[..at].trim_ascii() == name.as_bytes()).then(|| pair[at + 1..].trim_ascii())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headers: &[(&'static str, &'static str)]) -> Result<Option<String>, ApiError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let carried = Carried::find(&map, "sid")?;
        Ok(carried.map(|carried| String::from_utf8(carried.text.to_vec()).unwrap()))
    }

    #[test]
    fn a_token_is_found_in_either_header_and_in_the_cookie() {
        for headers in [
            [("token", "T")],
            [("authorization", "Bearer T")],
            [("authorization", "bearer  T")],
            [("cookie", "a=b; sid=T; c=d")],
        ] {
            assert_eq!(find(&headers).unwrap().as_deref(), Some("T"), "{headers:?}");
        }
    }

    #[test]
    fn a_header_goes_before_the_cookie() {
        assert_eq!(find(&[("cookie", "sid=C"), ("token", "H")]).unwrap().as_deref(), Some("H"));
    }

    #[test]
    fn another_scheme_another_cookie_and_no_header_are_no_token() {
        for headers in [
            [("authorization", "Basic T")],
            [("authorization", "Bearers T")],
            [("cookie", "SID=T; xsid=T; sid")],
            [("accept", "T")],
        ] {
            assert_eq!(find(&headers).unwrap(), None, "{headers:?}");
        }
    }

    #[test]
    fn the_same_token_twice_is_one_and_different_ones_are_refused() {
        let same = [("token", "T"), ("authorization", "Bearer T")];
        assert_eq!(find(&same).unwrap().as_deref(), Some("T"));
        for headers in [
            [("token", "T"), ("authorization", "Bearer U")],
            [("token", "T"), ("token", "T")],
            [("authorization", "Bearer T"), ("authorization", "Basic T")],
        ] {
            assert!(matches!(find(&headers), Err(ApiError::TwoTokens(_))), "{headers:?}");
        }
    }

    #[test]
    fn cookies_that_disagree_are_none_in_either_order() {
        assert_eq!(find(&[("cookie", "sid=A; sid=B")]).unwrap(), None);
        assert_eq!(find(&[("cookie", "sid=B"), ("cookie", "sid=A")]).unwrap(), None);
        assert_eq!(find(&[("cookie", "sid=A; sid=A")]).unwrap().as_deref(), Some("A"));
    }
}
