//! Follows what other processes did to users: a node that keeps sessions ends those of a user whom
//! a command, or another node, disabled, deleted or gave another password.
//!
//! Where sessions outlive the process, nobody is let in before this has caught up once; and never
//! beside sessions that belong to another users' database.

mod position;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use session::{Cause, Cursor, Ending, EventContext, Owner, Page, SessionId, Sessions, StoreError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use users::{Directory, EndingCause, MAX_STORED_ENDINGS, SessionEnding, UsersError};
use uuid::Uuid;

use self::position::Position;

/// How many users' sessions are ended at a time.
const USERS_AT_ONCE: usize = 500;

/// The follower, and how far it has come.
pub(crate) struct Endings {
    users: Directory,
    sessions: Sessions,
    /// The users' database that the sessions must belong to.
    database: Uuid,
    /// The last ending that was carried out; none where that is not known.
    last: Option<Position>,
    /// Whether the owners of the sessions are uncertain, so that each is compared with its user.
    compares: bool,
    /// Whether the sessions belonged to no database, so that another one's node may have opened some.
    had_no_owner: bool,
}

/// Why the endings could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lagging {
    /// The database did not answer.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sessions belong to another database.
    #[error(transparent)]
    Foreign(#[from] ForeignSessions),
}

/// The sessions in the store belong to another users' database than ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "the sessions in AUTH_SESSION_STORE belong to the user database {theirs}, and AUTH_DATABASE_URL \
     is {ours}: set the one that belongs to the other, or end all of these sessions with \
     `auth-service sessions adopt`"
)]
pub struct ForeignSessions {
    theirs: Uuid,
    ours: Uuid,
}

/// What is to be carried out.
struct News {
    /// The newest first.
    endings: Vec<SessionEnding>,
    /// Whether there were others that were deleted before they were read.
    incomplete: bool,
}

/// A user's sessions of a generation that is over.
#[derive(Default)]
struct Outdated {
    ending: Ending,
    sessions: Vec<SessionId>,
}

impl Endings {
    /// Goes on where the store says that the last one was, or begins with the oldest ending that the
    /// database still knows: sessions may be older than this process, and carrying an ending out
    /// twice ends nothing more. Sessions that end with the process are none yet: their first ending
    /// is the next.
    ///
    /// # Errors
    ///
    /// The sessions belong to another database, or one of the two does not answer.
    pub(crate) async fn new(users: Directory, sessions: Sessions) -> Result<Self, Lagging> {
        let database = users.identity().await?;
        let mut endings =
            Self { users, sessions, database, last: None, compares: false, had_no_owner: false };
        if endings.outlives_process() {
            endings.belong_to_us().await?;
            let bookmark = endings.sessions.store().bookmark().await?;
            endings.compares |= bookmark.is_none();
            let history = endings.sessions.store().history().await;
            let last = bookmark.as_deref().and_then(Position::read);
            endings.last = last.filter(|last| last.history == history);
        } else {
            endings.last =
                endings.users.newest_ending().await?.map(|newest| Position::of(newest, None));
        }
        Ok(endings)
    }

    /// Carries out what came after that ending, and leaves it to others to go on from there.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) async fn carry_out_after(
        last: Option<SessionEnding>,
        users: Directory,
        sessions: Sessions,
    ) -> Result<(), Lagging> {
        let database = users.identity().await?;
        let sessions = sessions.owned_by(database);
        if let Owner::Other(theirs) = sessions.owner().await? {
            return Err(ForeignSessions { theirs, ours: database }.into());
        }
        let endings =
            Self { users, sessions, database, last: None, compares: false, had_no_owner: false };
        let after = last.map_or(0, |last| last.seq + 1);
        let news = endings.read(after).await?;
        Ok(endings.carry_out(&newest_by_user(&news)).await?)
    }

    /// Carries out what is new every `interval`, until cancelled. A database or a store that does
    /// not answer is tried again at the next tick.
    pub(crate) async fn follow(mut self, interval: Duration, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            match cancel.run_until_cancelled(self.catch_up()).await {
                Some(Err(error @ Lagging::Foreign(_))) => {
                    tracing::error!(%error, "no session is accepted: the store belongs to another database of users");
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "changes to users cannot be followed; trying again");
                }
                Some(Ok(())) => {}
                None => break,
            }
        }
    }

    /// Carries out what is new, and lets people in from then on.
    pub(crate) async fn catch_up(&mut self) -> Result<(), Lagging> {
        if self.outlives_process() {
            self.belong_to_us().await?;
        }
        // Named before anything is carried out: what a server loses that takes over later was
        // carried out under this name, or under none.
        let history = self.sessions.store().history().await;
        let news = self.news(history.as_deref()).await?;
        let newest = news.endings.first().copied();
        self.carry_out(&newest_by_user(&news.endings)).await?;
        if news.incomplete || self.compares {
            self.compare().await?;
            self.compares = false;
            self.had_no_owner = false;
        }
        self.sessions.gate().open();
        match newest {
            Some(newest) => self.write_down(Position::of(newest, history)).await,
            None if news.incomplete => self.last = None,
            None if self.last.is_none() => self.write_down(Position::beginning(history)).await,
            None => {}
        }
        Ok(())
    }

    fn outlives_process(&self) -> bool {
        self.sessions.store().outlives_process()
    }

    /// That the sessions belong to our database; those that belong to none do from now on. Where
    /// they were not ours, nobody is let in until each has been compared with its user: another
    /// database's node may have opened them meanwhile.
    async fn belong_to_us(&mut self) -> Result<(), Lagging> {
        let owner = self.sessions.owner().await?;
        if owner == Owner::Us {
            return Ok(());
        }
        self.sessions.gate().close();
        self.compares = true;
        self.had_no_owner = true;
        let theirs = match owner {
            Owner::Other(theirs) => theirs,
            _ => self.sessions.store().adopt(self.database).await?,
        };
        if theirs == self.database {
            return Ok(());
        }
        Err(ForeignSessions { theirs, ours: self.database }.into())
    }

    /// What came after the last ending that was carried out; all that there is, where the store or
    /// the database has had another history since.
    async fn news(&self, history: Option<&str>) -> Result<News, UsersError> {
        let last = self.last.as_ref();
        let usable =
            |last: &&Position| !last.is_beginning() && last.is_of(history, self.outlives_process());
        if let Some(last) = last.filter(usable) {
            let mut endings = self.read(last.seq).await?;
            if endings.pop_if(|oldest| last.is(oldest)).is_some() {
                return Ok(News { endings, incomplete: false });
            }
            // It was deleted, or another one has its number: more may be missing.
            return Ok(News { endings: self.read(0).await?, incomplete: true });
        }
        let endings = self.read(0).await?;
        let incomplete = endings.first().is_some_and(|newest| newest.seq > MAX_STORED_ENDINGS);
        Ok(News { endings, incomplete })
    }

    /// The endings from that one on, the newest first.
    async fn read(&self, since: i64) -> Result<Vec<SessionEnding>, UsersError> {
        let (mut endings, mut before) = (Vec::new(), i64::MAX);
        loop {
            let page = self.users.endings(since, before).await?;
            let Some(last) = page.last() else {
                return Ok(endings);
            };
            before = last.seq;
            endings.extend(page);
        }
    }

    async fn carry_out(&self, endings: &[(Uuid, Ending, Cause)]) -> Result<(), StoreError> {
        for endings in endings.chunks(USERS_AT_ONCE) {
            for (cause, endings) in by_cause(endings) {
                let context = EventContext::without_client(cause);
                self.sessions.end_many(&endings, &context).await?;
            }
        }
        Ok(())
    }

    /// Compares all sessions there are with their users: ends those of a generation that is over, of
    /// one that the database does not know, and of users that there are no more.
    async fn compare(&self) -> Result<(), Lagging> {
        tracing::info!("comparing all sessions with their users: earlier changes are not known");
        let mut outdated: HashMap<Uuid, Outdated> = HashMap::new();
        let mut next = Some(Cursor::START);
        while let Some(cursor) = next {
            let page = self.sessions.store().scan(cursor).await?;
            next = page.next;
            self.compare_page(&page, &mut outdated).await?;
        }
        if outdated.is_empty() {
            return Ok(());
        }
        // Read once more: one of them may have been kept by a change that came meanwhile.
        let newest = newest_by_user(&self.read(0).await?);
        let newest: HashMap<Uuid, (Ending, Cause)> =
            newest.into_iter().map(|(user, ending, cause)| (user, (ending, cause))).collect();
        let (mut endings, mut ids) = (Vec::new(), Vec::new());
        for (user, Outdated { ending, sessions }) in outdated {
            let still_there = ending.below_generation.is_some();
            let newest = newest.get(&user).copied().filter(|_| still_there);
            let (ending, cause) = newest.unwrap_or((ending, Cause::UserDeleted));
            ids.extend(sessions.into_iter().filter(|id| Some(*id) != ending.keep));
            endings.push((user, ending, cause));
        }
        self.carry_out(&endings).await?;
        // A session may be missing in what its user's sessions are found by.
        self.remove(&ids).await
    }

    async fn compare_page(
        &self,
        page: &Page,
        outdated: &mut HashMap<Uuid, Outdated>,
    ) -> Result<(), Lagging> {
        let of_accounts = page.sessions.iter().filter(|session| !session.subject.is_external());
        let users: HashSet<Uuid> = of_accounts.clone().map(|session| session.subject.id).collect();
        let generations = self.users.generations(&users.into_iter().collect::<Vec<_>>()).await?;
        let mut unknown = Vec::new();
        if self.had_no_owner {
            // Nobody can be asked whether this is one of our backends' users.
            let external = page.sessions.iter().filter(|session| session.subject.is_external());
            unknown.extend(external.map(|session| session.id));
        }
        for session in of_accounts {
            let user = session.subject.id;
            let below_generation = match generations.get(&user).copied() {
                None => None,
                Some(now) if session.generation < now => Some(now),
                // The session was looked at first, and generations only rise.
                Some(now) if session.generation > now => {
                    unknown.push(session.id);
                    continue;
                }
                Some(_) => continue,
            };
            let of_user = outdated.entry(user).or_default();
            of_user.ending = Ending { below_generation, keep: None };
            of_user.sessions.push(session.id);
        }
        self.remove(&unknown).await
    }

    async fn remove(&self, ids: &[SessionId]) -> Result<(), Lagging> {
        let context = EventContext::without_client(Cause::Undone);
        for removed in self.sessions.store().remove_many(ids, &context).await {
            removed?;
        }
        Ok(())
    }

    /// Says in the store how far this has come. That it cannot only means that a later start has
    /// more to carry out.
    async fn write_down(&mut self, position: Position) {
        if let Some(text) = position.written()
            && let Err(error) = self.sessions.store().set_bookmark(&text).await
        {
            tracing::debug!(%error, "how far changes to users were followed is not stored");
        }
        self.last = Some(position);
    }
}

/// One ending a user: the newest, which ends all that an earlier one did.
fn newest_by_user(endings: &[SessionEnding]) -> Vec<(Uuid, Ending, Cause)> {
    let mut seen = HashSet::new();
    let newest = endings.iter().filter(|ending| seen.insert(ending.user_id));
    newest
        .map(|ending| {
            let below_generation = Some(ending.generation);
            let keep = ending.spared_session.map(Into::into);
            (ending.user_id, Ending { below_generation, keep }, cause_of(ending))
        })
        .collect()
}

/// Why the sessions end. An ending that an older version wrote does not say so.
fn cause_of(ending: &SessionEnding) -> Cause {
    match ending.cause {
        Some(EndingCause::PasswordChanged) => Cause::PasswordChanged,
        Some(EndingCause::EmailChanged) => Cause::EmailChanged,
        Some(EndingCause::RolesChanged) => Cause::RolesChanged,
        Some(EndingCause::UserDisabled) => Cause::UserDisabled,
        Some(EndingCause::UserDeleted) => Cause::UserDeleted,
        Some(EndingCause::DemoOff) => Cause::DemoOff,
        None => Cause::RevokedByAdmin,
    }
}

/// The endings of each cause.
fn by_cause(endings: &[(Uuid, Ending, Cause)]) -> HashMap<Cause, Vec<(Uuid, Ending)>> {
    let mut by_cause: HashMap<Cause, Vec<(Uuid, Ending)>> = HashMap::new();
    for (user, ending, cause) in endings {
        by_cause.entry(*cause).or_default().push((*user, *ending));
    }
    by_cause
}

#[cfg(test)]
mod tests;
