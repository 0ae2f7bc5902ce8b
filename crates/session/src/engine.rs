//! Issues, mints, validates and rotates sessions: the only module that does, for all endpoints and
//! all stores.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use uuid::Uuid;

pub use self::listing::{ListCursor, ListPage};
use self::misuse::is_of_replaced;
use crate::lease::Lease;
use crate::{
    Binding, Cause, ClientDigest, Dead, Ending, EventContext, Gate, Holder, Insertion, Intent,
    Issued, Kind, Lifetimes, Login, Mint, NewSession, Outcome, Presented, Rotation, SecretDigest,
    SeenAt, Session, SessionError, SessionId, SessionStore, StoreError, Token, TouchContext,
    Transport, Verdict,
};

/// How often [`Sessions::end_all`] looks again while it still finds sessions: a user who logs in all
/// the time cannot make it go on for ever.
const ENDING_PASSES: usize = 8;

/// How long after a rotation the token from before it may still come from the same client: requests
/// that were under way, and the loser of two rotations at once.
const ROTATION_GRACE: Duration = Duration::from_secs(10);

/// The sessions that a batch has ended so far, or has tried to end.
type Ended = HashMap<SessionId, Result<(), StoreError>>;

/// Fills a buffer with cryptographic randomness, or fails.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) -> Result<(), SessionError> + Send + Sync>;

/// The session engine: a cheap handle that all endpoints share.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    random: RandomSource,
    lifetimes: Lifetimes,
    binding: Binding,
    gate: Gate,
    /// Where other processes keep sessions in the same store.
    lease: Option<Arc<Lease>>,
}

impl Sessions {
    /// An engine on `store`, with the system's randomness.
    pub fn new(
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        lifetimes: Lifetimes,
        binding: Binding,
    ) -> Self {
        let random = Arc::new(system_randomness);
        Self { store, clock, random, lifetimes, binding, gate: Gate::default(), lease: None }
    }

    /// The same engine with another source of randomness.
    #[must_use]
    pub fn with_randomness(self, random: RandomSource) -> Self {
        Self { random, ..self }
    }

    /// The gate before all validations; shared by all handles.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How long sessions live here.
    pub const fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// Opens a session for someone who has just logged in.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] and [`SessionError::Randomness`]; nothing was issued then.
    pub async fn issue(&self, login: Login) -> Result<Issued, SessionError> {
        let (ttl, max_lifetime) = match login.transport {
            Transport::Bearer => self.lifetimes.token,
            Transport::Cookie => self.lifetimes.cookie,
        };
        let client = SeenAt::of(&login.origin, login.request_id.clone());
        let context = EventContext::of_client(Cause::Login, client);
        self.insert(&context, |id, digest| NewSession {
            id,
            digest,
            kind: Kind::Sliding,
            transport: login.transport,
            subject: Arc::clone(&login.subject),
            role: login.role,
            generation: login.generation,
            scopes: None,
            name: None,
            ttl,
            max_lifetime,
            login_age: Duration::ZERO,
            origin: login.origin.clone(),
            maker: None,
        })
        .await
    }

    /// Mints a token: a session of its own with its maker's role and login, which outlives the
    /// maker's logout.
    ///
    /// INVARIANT: whatever ends all of a user's sessions ends the ones minted meanwhile. It either
    /// saw the new session, or ended the maker before the store looked at that. A maker that lived
    /// until then, and ended for the user's limit, was ended by no other: [`Self::end_all`] looks
    /// once more after its first pass, and finds the new session there.
    ///
    /// # Errors
    ///
    /// Beside those of [`issue`](Self::issue): `WrongKind` and `Stale` where the maker may not
    /// mint, `Ttl` with the maximum, `Dead` where the maker ended meanwhile.
    pub async fn mint(
        &self,
        maker: &Session,
        credential: Presented,
        mint: Mint,
    ) -> Result<Issued, SessionError> {
        let holder = Holder {
            subject: Arc::clone(&maker.subject),
            role: maker.role,
            generation: maker.generation,
        };
        self.mint_for(&holder, maker, credential, mint).await
    }

    /// Answers for each presented token, in order; see [`SessionStore::touch`]. One that is bound
    /// to where it came from, and is seen elsewhere, is revoked: a use ends it, also for those
    /// that come after it in the batch, and a look only says so. A use of a token from before a
    /// rotation that is taken for theft ends the session likewise, and is unknown in any case.
    pub async fn validate(&self, batch: &[Presented], seen_at: &[SeenAt]) -> Vec<Outcome> {
        if batch.is_empty() {
            return Vec::new();
        }
        let mut outcomes = match self.touch(batch, seen_at).await {
            Ok(outcomes) => outcomes,
            Err(error) => return batch.iter().map(|_| Err(error.clone())).collect(),
        };
        let is_bound = self.binding.ip || self.binding.user_agent;
        if is_bound || outcomes.iter().any(is_of_replaced) {
            // Boxed, since every validation would be moved about with room for all of this.
            Box::pin(self.judge_misuse(&mut outcomes, batch, seen_at)).await;
        }
        outcomes
    }

    async fn touch(
        &self,
        batch: &[Presented],
        seen_at: &[SeenAt],
    ) -> Result<Vec<Outcome>, StoreError> {
        self.admit().await?;
        let context = TouchContext { seen_at, ..TouchContext::default() };
        let outcomes = self.store.touch(batch, context).await;
        // Whose sessions the answer is about is known only if it came before the look ran out.
        self.admit().await?;
        Ok(outcomes)
    }

    /// Answers for one presented token.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer.
    pub async fn validate_one(&self, presented: Presented, seen: SeenAt) -> Outcome {
        self.validate(&[presented], &[seen]).await.pop().unwrap_or_else(|| Err(no_answer()))
    }

    /// Gives a live sliding session a new token; the old one opens nothing from then on. The caller
    /// has checked that `role` is one that the session may take up. A token from before a rotation
    /// is judged as a use of it is.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] and [`SessionError::Randomness`].
    pub async fn rotate(
        &self,
        presented: Presented,
        role: Option<usize>,
        seen: &SeenAt,
    ) -> Result<Rotation, SessionError> {
        self.admit().await?;
        let (token, digest) = self.new_token(presented.id)?;
        let client = ClientDigest::of(seen);
        let cause = if role.is_some() { Cause::Role } else { Cause::Rotation };
        let context = EventContext::of_client(cause, seen.clone());
        let mut verdict = self.store.rotate(&presented, digest, role, client, &context).await?;
        if verdict == Verdict::Dead(Dead::Replaced) {
            verdict = self.judge_reuse(presented, seen, &mut Ended::new()).await?;
        }
        Ok(match verdict {
            Verdict::Alive(session) => Rotation::Rotated(token, session),
            Verdict::Dead(dead) => Rotation::Dead(dead),
        })
    }

    /// Ends each session that one of these tokens opens, or opened before its latest rotation; the
    /// session as it stood, or `None` where there was none. All are tried, whatever fails.
    ///
    /// INVARIANT: a rotation at the same time does not save the session: the token is matched and
    /// the session removed in one step of the store, which knows the token from before.
    pub async fn log_out(
        &self,
        batch: &[Presented],
        context: &EventContext,
    ) -> Vec<Result<Option<Session>, StoreError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let end = |presented: &Presented| Presented { intent: Intent::End, ..*presented };
        let batch: Vec<Presented> = batch.iter().map(end).collect();
        let mut ended: Vec<_> = self
            .store
            .touch(&batch, TouchContext { seen_at: &[], end: context })
            .await
            .into_iter()
            .map(|outcome| match outcome? {
                Verdict::Alive(session) => Ok(Some(session)),
                Verdict::Dead(_) => Ok(None),
            })
            .collect();
        ended.resize(batch.len(), Err(no_answer()));
        ended
    }

    /// Ends one session by its id. `true` if it was live.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer: the session may live.
    pub async fn end(&self, id: SessionId, context: &EventContext) -> Result<bool, StoreError> {
        self.store.remove(id, context).await
    }

    /// Ends a user's sessions; returns those that were live. A session that is inserted while
    /// this looks ends too, or was inserted after it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer: some may live.
    pub async fn end_all(
        &self,
        subject: Uuid,
        ending: Ending,
        context: &EventContext,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut ended = self.store.remove_subject(subject, ending, context).await?;
        for _ in 0..ENDING_PASSES {
            let more = self.store.remove_subject(subject, ending, context).await?;
            if more.is_empty() {
                break;
            }
            ended.extend(more);
        }
        Ok(ended)
    }

    /// A user's live sessions, newest use first. Only looks.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer.
    pub async fn list(&self, subject: Uuid) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.store.list(subject).await?;
        sessions.sort_by_key(|session| {
            (std::cmp::Reverse(session.last_used_at_ms), std::cmp::Reverse(session.id))
        });
        Ok(sessions)
    }

    /// The store, for what only passes through: values, counts, the probe.
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Has the store take in the session that `draft` makes of an id and a secret's digest.
    async fn insert(
        &self,
        context: &EventContext,
        draft: impl Fn(SessionId, SecretDigest) -> NewSession + Send + Sync,
    ) -> Result<Issued, SessionError> {
        self.admit().await?;
        // An id is 74 random bits and a date: a second try is already a broken source.
        for _ in 0..4 {
            let mut random = [0; 10];
            (self.random)(&mut random)?;
            let id = SessionId::new(self.clock.unix_ms(), &random);
            let (token, digest) = self.new_token(id)?;
            let (new, cap) = (draft(id, digest), self.lifetimes.max_per_subject);
            match self.store.insert(&new, cap, context).await? {
                Insertion::Created { session, ended } => {
                    self.undo_unless_ours(session.id, context).await?;
                    return Ok(Issued { token, session, ended });
                }
                Insertion::Refused(dead) => return Err(SessionError::Dead(dead)),
                Insertion::Taken => tracing::warn!("a session id was drawn twice; drawing again"),
            }
        }
        Err(SessionError::Randomness("the source repeats itself".to_owned()))
    }

    fn new_token(&self, id: SessionId) -> Result<(Token, SecretDigest), SessionError> {
        let mut random = zeroize::Zeroizing::new([0; 128]);
        (self.random)(random.as_mut_slice())?;
        Ok(Token::new(id, &random))
    }
}

fn system_randomness(buffer: &mut [u8]) -> Result<(), SessionError> {
    getrandom::fill(buffer).map_err(|error| SessionError::Randomness(error.to_string()))
}

/// A store that replies about fewer items than requested has failed.
fn no_answer() -> StoreError {
    StoreError("fewer answers than questions".to_owned())
}

mod grants;
mod listing;
mod many;
#[cfg(test)]
mod mints;
mod misuse;
mod ownership;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod tests;
