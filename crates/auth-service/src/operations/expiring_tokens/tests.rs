//! Tokens that end soon, on a clock that the tests move.

use clock::ManualClock;
use session::{
    Binding, Ending, EventContext, EventRetention, ExternalId, Grant, Intent, Login, MemoryStore,
    Mint, Origin, Presented, Subject, Token, Transport,
};
use users::User;

use super::super::fixture::{DAY, directory, lifetimes};
use super::super::login::subject;
use super::*;

const MONTHS: Duration = Duration::from_hours(90 * 24);

struct Fixture {
    clock: ManualClock,
    users: Directory,
    sessions: Sessions,
    ann: User,
}

impl Fixture {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (users, ann) = directory(Arc::clone(&shared)).await;
        let retention = EventRetention { keep: 9 * MONTHS, ..EventRetention::default() };
        let store = Arc::new(MemoryStore::retaining(Arc::clone(&shared), retention));
        let sessions = Sessions::new(store, shared, lifetimes(MONTHS), Binding::default());
        Self { clock, users, sessions, ann }
    }

    /// A node.
    fn node(&self) -> ExpiringTokens {
        let clock = Arc::new(self.clock.clone());
        ExpiringTokens::new(self.users.clone(), self.sessions.clone(), true, clock)
    }

    async fn mint(&self, kind: Kind, ttl: Duration) -> Session {
        let login = Login {
            subject: Arc::new(subject(&self.ann)),
            role: 0,
            generation: self.ann.generation,
            transport: Transport::Bearer,
            origin: Origin::default(),
            request_id: None,
        };
        let maker = self.sessions.issue(login).await.unwrap();
        let (id, digest) = Token::read(maker.token.expose()).unwrap();
        let by = Presented { id, digest, intent: Intent::Use };
        let mint = Mint {
            kind,
            ttl: Some(ttl),
            name: Some("ci".into()),
            scopes: None,
            origin: Origin::default(),
            request_id: None,
        };
        self.sessions.mint(&maker.session, by, mint).await.unwrap().session
    }

    async fn grant(&self, ttl: Duration) -> Session {
        let external = ExternalId::parse("crm/17").unwrap();
        let subject = Arc::new(Subject {
            id: external.subject_id(),
            external: Some(external),
            username: "zoe".into(),
            display_name: "Zoë".into(),
            roles: ["user"].map(Box::from).into(),
        });
        let grant = Grant {
            subject,
            role: 0,
            kind: Kind::Fixed,
            transport: Transport::Bearer,
            ttl: Some(ttl),
            max_lifetime: None,
            origin: Origin::default(),
            request_id: None,
        };
        self.sessions.issue_granted(grant).await.unwrap().session
    }

    /// The notices that the stream has.
    async fn told(&self) -> Vec<(SessionId, &'static str)> {
        let read = self.sessions.store().read_events(ReadFrom::Oldest, usize::MAX).await.unwrap();
        let EventRead::Page(page) = read else { panic!("{read:?}") };
        let events = page.events.iter().map(|stored| &stored.event);
        let told = events.filter(|event| event.kind == EventKind::TokenExpiring);
        told.map(|event| (event.session.as_ref().unwrap().id, event.cause.unwrap().as_str()))
            .collect()
    }

    async fn mails(&self) -> u64 {
        self.users.mail_backlog().await.unwrap().count
    }
}

#[tokio::test]
async fn each_mark_is_told_once_and_mailed_to_the_owner() {
    let fixture = Fixture::new().await;
    let token = fixture.mint(Kind::Fixed, MONTHS).await;
    let mut node = fixture.node();
    let mut days = async |count: u32| {
        for _ in 0..2 * count {
            fixture.clock.advance(Duration::from_hours(12));
            node.look().await.unwrap();
        }
        fixture.told().await
    };
    assert_eq!(days(75).await, []);
    let at_14_days = (token.id, "14d");
    assert_eq!(days(1).await, [at_14_days]);
    assert_eq!(days(12).await, [at_14_days]);
    assert_eq!(days(1).await, [at_14_days, (token.id, "1d")]);
    assert_eq!(days(3).await, [at_14_days, (token.id, "1d")]);
    assert_eq!(fixture.mails().await, 2);
}

#[tokio::test]
async fn what_lives_a_month_or_is_not_fixed_ends_without_notice() {
    let fixture = Fixture::new().await;
    fixture.mint(Kind::Fixed, LONG_LIVED).await;
    fixture.mint(Kind::SingleUse, MONTHS).await;
    let longer = fixture.mint(Kind::Fixed, LONG_LIVED + Duration::from_millis(1)).await;
    let ended = fixture.mint(Kind::Fixed, MONTHS).await;
    fixture.clock.advance(29 * DAY + Duration::from_secs(1));
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await, [(longer.id, "1d")], "14 days before, nobody looked");
    let context = EventContext::without_client(Cause::Revoked);
    fixture.sessions.end_all(ended.subject.id, Ending::default(), &context).await.unwrap();
    fixture.clock.advance(60 * DAY);
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await.len(), 1, "what has ended does not end soon");
}

#[tokio::test]
async fn an_external_users_token_is_told_and_mailed_to_nobody() {
    let fixture = Fixture::new().await;
    let token = fixture.grant(MONTHS).await;
    fixture.clock.advance(89 * DAY);
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await, [(token.id, "1d")]);
    assert_eq!(fixture.mails().await, 0);
}

#[tokio::test]
async fn of_several_nodes_one_gives_a_notice() {
    let fixture = Fixture::new().await;
    let token = fixture.mint(Kind::Fixed, MONTHS).await;
    fixture.clock.advance(80 * DAY);
    let mut nodes = [(); 4].map(|()| fixture.node());
    // Past the turns of the hour, as where one node holds them up: the notice itself is taken once.
    let walks = nodes.iter_mut().map(ExpiringTokens::walk);
    for walked in futures_util::future::join_all(walks).await {
        walked.unwrap();
    }
    assert_eq!(fixture.told().await, [(token.id, "14d")]);
    assert_eq!(fixture.mails().await, 1);
}

#[tokio::test]
async fn a_notice_whose_node_died_is_finished_and_not_given_twice() {
    let fixture = Fixture::new().await;
    let token = fixture.mint(Kind::Fixed, MONTHS).await;
    fixture.clock.advance(80 * DAY);
    let notice = |session: &Session| TokenNotice {
        session_id: session.id.uuid(),
        mark: "14d",
        name: None,
        ends_at_ms: session.absolute_expires_at_ms,
        mail_to: None,
    };
    // One died before it stored the event, another one after it.
    fixture.users.take_notice(notice(&token)).await.unwrap();
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await, [], "it may be being given");
    fixture.clock.advance(Duration::from_hours(1));
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await, [(token.id, "14d")]);
    let event = Event::of_ending_token(&token, Cause::In1Day);
    fixture.clock.advance(9 * DAY);
    fixture.users.take_notice(TokenNotice { mark: "1d", ..notice(&token) }).await.unwrap();
    fixture.sessions.store().append_event(event).await.unwrap();
    fixture.clock.advance(Duration::from_hours(1));
    fixture.node().look().await.unwrap();
    assert_eq!(fixture.told().await, [(token.id, "14d"), (token.id, "1d")]);
}
