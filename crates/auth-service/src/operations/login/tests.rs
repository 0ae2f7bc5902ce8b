//! A login whose user is changed between its password and its session.

use std::sync::atomic::{AtomicBool, Ordering};

use clock::{Clock, ManualClock};
use server_runtime::{Metrics, Rate};
use session::{Binding, Ending, MemoryAttempts, MemoryStore, SessionError, Sessions};
use tokio_util::task::TaskTracker;
use users::{Directory, UserChanges};

use super::super::fixture::{DAY, PASSWORD, directory, lifetimes};
use super::super::throttle::Throttle;
use super::*;
use crate::config::AttemptRates;
use crate::metrics::AuthMetrics;

/// Ann, who is about to log in.
struct Fixture {
    domain: Domain,
    ann: User,
}

impl Fixture {
    async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let (users, ann) = directory(Arc::clone(&clock)).await;
        let off = Rate::OFF;
        let rates = AttemptRates { pair: off, account: off, address: off, mints: off, logins: off };
        let attempts = Arc::new(MemoryAttempts::new(Arc::clone(&clock), 100));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let domain = Domain {
            sessions: Sessions::new(store, clock, lifetimes(DAY), Binding::default()),
            session_file: None,
            users,
            throttle: Throttle::new(attempts, rates),
            figures: AuthMetrics::register(&Metrics::new("test")),
            unnamed_proxy: None,
            open_signup: false,
            mail: None,
            tasks: TaskTracker::new(),
        };
        Self { domain, ann }
    }

    /// Has this happen to Ann, and all of her sessions end, right before the next session is
    /// inserted.
    fn meanwhile<F>(&mut self, change: fn(Directory, User) -> F)
    where
        F: Future<Output = i64> + Send + 'static,
    {
        let (done, sessions) = (AtomicBool::new(false), self.domain.sessions.clone());
        let (users, ann) = (self.domain.users.clone(), self.ann.clone());
        let random = move |buffer: &mut [u8]| {
            if !done.swap(true, Ordering::SeqCst) {
                let (change, id) = (change(users.clone(), ann.clone()), ann.id);
                let change_and_end = async {
                    let ending = Ending { below_generation: Some(change.await), keep: None };
                    let context =
                        EventContext::of_client(Cause::UserDisabled, Client::unknown().seen_at());
                    let ended = sessions.end_all(id, ending, &context).await.unwrap();
                    assert_eq!(ended, [], "the session of the login is not there yet");
                };
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(change_and_end);
                });
            }
            getrandom::fill(buffer).map_err(|error| SessionError::Randomness(error.to_string()))
        };
        self.domain.sessions = self.domain.sessions.clone().with_randomness(Arc::new(random));
    }

    async fn log_in(&self) -> Result<Issued, Error> {
        let credentials = Credentials {
            username: self.ann.email.clone(),
            password: Password::from(PASSWORD),
            role: None,
            transport: Transport::Bearer,
            replaces: Vec::new(),
        };
        log_in(&self.domain, credentials, &Client::unknown()).await
    }

    async fn assert_undone(&self) {
        assert!(matches!(self.log_in().await, Err(Error::InvalidCredentials)));
        assert_eq!(self.domain.sessions.list(self.ann.id).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_login_whose_user_is_changed_before_its_session_is_inserted() {
    Fixture::new().await.log_in().await.unwrap();
    let mut fixture = Fixture::new().await;
    fixture.meanwhile(|users, ann| async move {
        let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
        users.update(ann.id, disabled).await.unwrap().user.generation
    });
    fixture.assert_undone().await;
    let mut fixture = Fixture::new().await;
    fixture.meanwhile(|users, ann| async move {
        let new = Password::from("eight purple trams ring");
        users.change_password(ann.id, &new).await.unwrap().generation
    });
    fixture.assert_undone().await;
    let mut fixture = Fixture::new().await;
    fixture.meanwhile(|users, ann| async move {
        users.delete(ann.id).await.unwrap();
        i64::MAX
    });
    fixture.assert_undone().await;
}
