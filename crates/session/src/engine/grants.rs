//! Sessions that no login opens: tokens that a session mints, and what a backend asks for.

use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use crate::{
    By, Cause, EventContext, Grant, Holder, Issued, Kind, Mint, NewSession, Presented, SeenAt,
    Session, SessionError, Transport,
};

impl Sessions {
    /// Mints a token for somebody else than its maker. What [`mint`](Self::mint) says of the maker
    /// holds here too; that the holder has not ended meanwhile is for the caller to see.
    ///
    /// # Errors
    ///
    /// As [`mint`](Self::mint).
    pub async fn mint_for(
        &self,
        holder: &Holder,
        maker: &Session,
        credential: Presented,
        mint: Mint,
    ) -> Result<Issued, SessionError> {
        if maker.kind != Kind::Sliding {
            return Err(SessionError::WrongKind);
        }
        if maker.scopes.is_some() {
            return Err(SessionError::Narrowed);
        }
        if maker.login_age > self.lifetimes.fresh_for {
            return Err(SessionError::Stale { max_age: self.lifetimes.fresh_for });
        }
        let client = SeenAt::of(&mint.origin, mint.request_id.clone());
        let by = Some(By::session(maker));
        let context = EventContext { cause: Cause::Mint, by, client };
        let (default, longest) = self.ttl_of(mint.kind, Transport::Bearer);
        let ttl = within(mint.ttl.unwrap_or(default), longest).map_err(SessionError::Ttl)?;
        let max_lifetime = if mint.kind == Kind::Sliding { self.lifetimes.token.1 } else { ttl };
        self.insert(&context, |id, digest| NewSession {
            id,
            digest,
            kind: mint.kind,
            transport: Transport::Bearer,
            subject: Arc::clone(&holder.subject),
            role: holder.role,
            generation: holder.generation,
            scopes: mint.scopes.clone(),
            name: mint.name.clone(),
            ttl,
            max_lifetime,
            login_age: maker.login_age,
            origin: mint.origin.clone(),
            maker: Some(credential),
        })
        .await
    }

    /// Opens a session for somebody whom a backend has authenticated. It has no generation: only the
    /// backend, and whatever ends everybody's sessions, ends it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] and [`SessionError::Randomness`]; `Ttl` and `MaxLifetime` with the
    /// maximum; `WrongKind` for a cookie that is not sliding.
    pub async fn issue_granted(&self, grant: Grant) -> Result<Issued, SessionError> {
        if grant.transport == Transport::Cookie && grant.kind != Kind::Sliding {
            return Err(SessionError::WrongKind);
        }
        let (default, longest) = self.ttl_of(grant.kind, grant.transport);
        let ttl = within(grant.ttl.unwrap_or(default), longest).map_err(SessionError::Ttl)?;
        let longest = match (grant.kind, grant.transport) {
            (Kind::Sliding, Transport::Bearer) => self.lifetimes.token.1,
            (Kind::Sliding, Transport::Cookie) => self.lifetimes.cookie.1,
            (Kind::Fixed | Kind::SingleUse, _) => longest,
        };
        let limit = grant.max_lifetime.unwrap_or(longest);
        let limit = within(limit, longest).map_err(SessionError::MaxLifetime)?;
        let max_lifetime = if grant.kind == Kind::Sliding { limit } else { limit.min(ttl) };
        let client = SeenAt::of(&grant.origin, grant.request_id.clone());
        let context = EventContext::of_client(Cause::Backend, client);
        self.insert(&context, |id, digest| NewSession {
            id,
            digest,
            kind: grant.kind,
            transport: grant.transport,
            subject: Arc::clone(&grant.subject),
            role: grant.role,
            generation: 0,
            scopes: None,
            name: None,
            ttl,
            max_lifetime,
            login_age: Duration::ZERO,
            origin: grant.origin.clone(),
            maker: None,
        })
        .await
    }

    /// The default and the longest time of a session that no login opens.
    fn ttl_of(&self, kind: Kind, transport: Transport) -> (Duration, Duration) {
        let (default, longest) = match (kind, transport) {
            (Kind::Sliding, Transport::Bearer) => (self.lifetimes.token.0, self.lifetimes.token.0),
            (Kind::Sliding, Transport::Cookie) => {
                (self.lifetimes.cookie.0, self.lifetimes.cookie.0)
            }
            (Kind::Fixed, _) => (Duration::from_hours(1), self.lifetimes.fixed_max),
            (Kind::SingleUse, _) => (Duration::from_mins(15), self.lifetimes.single_use_max),
        };
        (default.min(longest), longest)
    }
}

/// The time, or else the longest that it may be.
fn within(time: Duration, longest: Duration) -> Result<Duration, Duration> {
    if time.is_zero() || time > longest { Err(longest) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{S, alive, engine, lifetimes, login, presented};
    use super::*;
    use crate::{Binding, ExternalId, Origin, Scopes, SeenAt, Subject, Verdict};

    fn subject(id: &str) -> Arc<Subject> {
        let external = ExternalId::parse(id).unwrap();
        Arc::new(Subject {
            id: external.subject_id(),
            external: Some(external),
            username: "ann@example.com".into(),
            display_name: "Ann".into(),
            roles: ["admin", "user"].map(Box::from).into(),
        })
    }

    fn grant(kind: Kind, transport: Transport) -> Grant {
        let origin = Origin::default();
        let subject = subject("17");
        Grant {
            subject,
            role: 0,
            kind,
            transport,
            ttl: None,
            max_lifetime: None,
            origin,
            request_id: None,
        }
    }

    #[tokio::test]
    async fn a_granted_session_lives_as_long_as_one_of_its_kind_and_never_longer() {
        let (sessions, _) = engine(Binding::default());
        let limits = lifetimes();
        for (kind, transport, ttl, life) in [
            (Kind::Sliding, Transport::Bearer, limits.token.0, limits.token.1),
            (Kind::Sliding, Transport::Cookie, limits.cookie.0, limits.cookie.1),
            (Kind::Fixed, Transport::Bearer, 3600 * S, 3600 * S),
            (Kind::SingleUse, Transport::Bearer, 900 * S, 900 * S),
        ] {
            let grant = grant(kind, transport);
            let session = sessions.issue_granted(grant.clone()).await.unwrap().session;
            let lives = session.absolute_expires_at_ms - session.created_at_ms;
            assert_eq!(session.expires_in, ttl, "{kind:?}");
            assert_eq!(u128::try_from(lives).unwrap(), life.as_millis(), "{kind:?}");
            for ttl in [Duration::ZERO, Duration::MAX] {
                let refused = Grant { ttl: Some(ttl), ..grant.clone() };
                let refused = sessions.issue_granted(refused).await;
                assert!(matches!(refused, Err(SessionError::Ttl(_))), "{refused:?}");
                let refused = Grant { max_lifetime: Some(ttl), ..grant.clone() };
                let refused = sessions.issue_granted(refused).await;
                assert!(matches!(refused, Err(SessionError::MaxLifetime(_))), "{refused:?}");
            }
            let short = Grant { max_lifetime: Some(5 * S), ..grant };
            assert_eq!(sessions.issue_granted(short).await.unwrap().session.expires_in, 5 * S);
        }
    }

    #[tokio::test]
    async fn a_cookie_is_sliding() {
        let (sessions, _) = engine(Binding::default());
        let refused = sessions.issue_granted(grant(Kind::Fixed, Transport::Cookie)).await;
        assert!(matches!(refused, Err(SessionError::WrongKind)), "{refused:?}");
    }

    #[tokio::test]
    async fn an_external_subject_has_a_limit_and_a_list_of_its_own() {
        let (sessions, _) = engine(Binding::default());
        let own = sessions.issue(login("192.0.2.1")).await.unwrap();
        let mut granted = Vec::new();
        for _ in 0..=lifetimes().max_per_subject {
            let grant = grant(Kind::Sliding, Transport::Bearer);
            granted.push(sessions.issue_granted(grant).await.unwrap());
        }
        let last = granted.last().unwrap();
        assert_eq!(last.ended.len(), 1);
        let listed = sessions.list(last.session.subject.id).await.unwrap();
        assert_eq!(listed.len(), lifetimes().max_per_subject);
        assert!(listed.iter().all(|session| session.subject.is_external()));
        assert_eq!(sessions.list(own.session.subject.id).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_narrowed_stays_so_over_a_rotation_and_mints_nothing() {
        let (sessions, _) = engine(Binding::default());
        let maker = sessions.issue(login("192.0.2.1")).await.unwrap();
        let scopes = Scopes::parse(&["reports:read"]);
        let mint = Mint {
            kind: Kind::Sliding,
            ttl: None,
            name: None,
            scopes: scopes.clone(),
            origin: Origin::default(),
            request_id: None,
        };
        let credential = presented(&maker.token);
        let minted = sessions.mint(&maker.session, credential, mint.clone()).await.unwrap();
        assert_eq!(minted.session.scopes, scopes);
        let seen = SeenAt::default();
        let rotated = sessions.rotate(presented(&minted.token), None, &seen).await.unwrap();
        let crate::Rotation::Rotated(token, session) = rotated else { panic!("it lives") };
        assert_eq!(session.scopes, scopes);
        assert_eq!(alive(&sessions, &token).await.unwrap().scopes, scopes);
        let refused = sessions.mint(&session, presented(&token), mint).await;
        assert!(matches!(refused, Err(SessionError::Narrowed)), "{refused:?}");
        let verdict = sessions.validate_one(presented(&maker.token), seen).await;
        let Ok(Verdict::Alive(maker)) = verdict else { panic!("it lives") };
        assert_eq!(maker.scopes, None);
    }
}
