//! The event of each change: exactly one, in the order of its session, and none without a change.

use std::sync::Arc;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixture::mistaken;
use super::{Client, Fixture, Held, end_of, fresh_digest, held, logout, look, someone, use_of};
use crate::{
    By, Cause, ClientDigest, Ending, Event, EventContext, EventKind, EventPage, EventRead,
    EventUser, Insertion, Kind, NewSession, ReadFrom, SeenAt, SessionId, StoredEvent, TouchContext,
    Transport,
};

/// What of an event is compared.
type Short = (EventKind, Option<Cause>);

const ISSUED: Short = (EventKind::SessionIssued, Some(Cause::Login));

fn context(cause: Cause) -> EventContext {
    EventContext::without_client(cause)
}

fn ended(cause: Cause) -> Short {
    (EventKind::SessionEnded, Some(cause))
}

/// All events that are stored, those of a session in their order.
pub(crate) async fn events(fixture: &Fixture) -> Vec<Event> {
    let read = fixture.store.read_events(ReadFrom::Oldest, usize::MAX >> 40).await.unwrap();
    let EventRead::Page(page) = read else { panic!("{read:?}") };
    page.events.iter().map(|stored| stored.event.clone()).collect()
}

async fn whole_events_of(fixture: &Fixture, id: SessionId) -> Vec<Event> {
    let is_of = |event: &Event| event.session.as_ref().is_some_and(|session| session.id == id);
    events(fixture).await.into_iter().filter(is_of).collect()
}

pub(crate) async fn events_of(fixture: &Fixture, id: SessionId) -> Vec<Short> {
    let events = whole_events_of(fixture, id).await;
    events.iter().map(|event| (event.kind, event.cause)).collect()
}

async fn open(fixture: &Fixture, new: NewSession) -> Held {
    let insertion = fixture.store.insert(&new, 0, &context(Cause::Login)).await.unwrap();
    assert!(matches!(insertion, Insertion::Created { .. }), "{insertion:?}");
    held(&new)
}

async fn open_plain(fixture: &Fixture) -> Held {
    open(fixture, fixture.ending(Kind::Sliding, 50)).await
}

pub(crate) async fn a_session_that_is_opened_and_rotated_is_an_event_each(fixture: &Fixture) {
    let old = open_plain(fixture).await;
    let digest = fresh_digest();
    let client = ClientDigest::default();
    let role = context(Cause::Role);
    fixture.store.rotate(&use_of(old), digest, Some(1), client, &role).await.unwrap();
    let again = context(Cause::Rotation);
    let new = Held { digest, ..old };
    fixture.store.rotate(&use_of(new), fresh_digest(), None, client, &again).await.unwrap();
    let expected = [
        ISSUED,
        (EventKind::SessionRotated, Some(Cause::Role)),
        (EventKind::SessionRotated, Some(Cause::Rotation)),
    ];
    assert_eq!(events_of(fixture, old.id).await, expected);
}

pub(crate) async fn an_end_by_a_token_is_one_event_with_its_cause(fixture: &Fixture) {
    for cause in [Cause::Logout, Cause::Revoked, Cause::Replaced] {
        let held = open_plain(fixture).await;
        let end = context(cause);
        let batch = [end_of(held), end_of(held), look(held)];
        let touch = TouchContext { seen_at: &[], end: &end };
        assert_eq!(fixture.store.touch(&batch, touch).await.len(), 3);
        fixture.store.remove(held.id, &logout()).await.unwrap();
        assert_eq!(events_of(fixture, held.id).await, [ISSUED, ended(cause)]);
    }
}

pub(crate) async fn a_removal_is_one_event_with_its_cause(fixture: &Fixture) {
    let causes = [
        Cause::Revoked,
        Cause::RevokedByAdmin,
        Cause::Elsewhere,
        Cause::Undone,
        Cause::PasswordChanged,
        Cause::EmailChanged,
        Cause::RolesChanged,
        Cause::UserDisabled,
        Cause::UserDeleted,
        Cause::DemoOff,
        Cause::Backend,
    ];
    for (number, cause) in causes.into_iter().enumerate() {
        let new = fixture.ending(Kind::Sliding, 50);
        let subject = new.subject.id;
        let held = open(fixture, new).await;
        for _ in 0..2 {
            let context = context(cause);
            match number % 4 {
                0 => drop(fixture.store.remove(held.id, &context).await.unwrap()),
                1 => drop(fixture.store.remove_many(&[held.id], &context).await),
                2 => {
                    let ending = Ending::default();
                    fixture.store.remove_subject(subject, ending, &context).await.unwrap();
                }
                _ => {
                    let endings = [(subject, Ending::default())];
                    fixture.store.remove_subjects(&endings, &context).await.unwrap();
                }
            }
        }
        assert_eq!(events_of(fixture, held.id).await, [ISSUED, ended(cause)]);
    }
}

pub(crate) async fn the_last_use_of_a_single_use_session_is_its_event(fixture: &Fixture) {
    let once = open(fixture, fixture.ending(Kind::SingleUse, 50)).await;
    let plain = open_plain(fixture).await;
    let seen = |number: usize| SeenAt {
        request_id: Some(format!("r-{number}").into()),
        ..SeenAt::default()
    };
    let batch = [use_of(plain), use_of(mistaken(once)), look(once), use_of(once), use_of(once)];
    let seen_at: Vec<SeenAt> = (0..batch.len()).map(seen).collect();
    let touch = TouchContext { seen_at: &seen_at, ..TouchContext::default() };
    fixture.store.touch(&batch, touch).await;
    assert_eq!(events_of(fixture, once.id).await, [ISSUED, ended(Cause::Used)]);
    assert_eq!(events_of(fixture, plain.id).await, [ISSUED]);
    let last = whole_events_of(fixture, once.id).await.pop().unwrap();
    assert_eq!(last.client.request_id.as_deref(), Some("r-3"));
}

pub(crate) async fn what_ends_past_the_cap_says_so_and_not_who_opened_the_new_one(
    fixture: &Fixture,
) {
    let subject = someone();
    let of =
        |units| NewSession { subject: Arc::clone(&subject), ..fixture.ending(Kind::Fixed, units) };
    let first = open(fixture, of(40)).await;
    let second = of(50);
    let by = Some(By { user_id: Uuid::from_u128(1), external: None, session_id: first.id });
    let mint = EventContext { by, ..context(Cause::Mint) };
    fixture.store.insert(&second, 1, &mint).await.unwrap();
    assert_eq!(events_of(fixture, first.id).await, [ISSUED, ended(Cause::Limit)]);
    let minted = [(EventKind::SessionIssued, Some(Cause::Mint))];
    assert_eq!(events_of(fixture, second.id).await, minted);
    for (id, expected) in [(first.id, vec![None, None]), (second.id, vec![mint.by.clone()])] {
        let events = whole_events_of(fixture, id).await;
        assert_eq!(events.iter().map(|event| event.by.clone()).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn a_mint_that_is_undone_was_opened_and_ended(fixture: &Fixture) {
    let maker = open_plain(fixture).await;
    fixture.store.remove(maker.id, &logout()).await.unwrap();
    let new = NewSession { maker: Some(use_of(maker)), ..fixture.ending(Kind::Fixed, 50) };
    let refused = fixture.store.insert(&new, 0, &context(Cause::Mint)).await.unwrap();
    assert!(matches!(refused, Insertion::Refused(_)), "{refused:?}");
    let minted = (EventKind::SessionIssued, Some(Cause::Mint));
    assert_eq!(events_of(fixture, new.id).await, [minted, ended(Cause::Undone)]);
}

pub(crate) async fn a_reuse_is_one_event(fixture: &Fixture) {
    let old = open_plain(fixture).await;
    let rotation = context(Cause::Rotation);
    let (digest, bob) = (fresh_digest(), Client::BOB.digest());
    let client = Client::new(Some("192.0.2.1"), None).digest();
    fixture.store.rotate(&use_of(old), digest, None, client, &rotation).await.unwrap();
    let (reuse, grace) = (context(Cause::Reused), fixture.unit * 40);
    for _ in 0..2 {
        fixture.store.end_reused(&use_of(old), bob, grace, &reuse).await.unwrap();
    }
    let rotated = (EventKind::SessionRotated, Some(Cause::Rotation));
    assert_eq!(events_of(fixture, old.id).await, [ISSUED, rotated, ended(Cause::Reused)]);
}

/// Redis forgets by itself, and tells nobody.
pub(crate) async fn what_expired_is_one_event_when_it_is_found(fixture: &Fixture) {
    let swept = open(fixture, fixture.ending(Kind::Fixed, 1)).await;
    let removed = open(fixture, fixture.ending(Kind::Sliding, 1)).await;
    fixture.pass(2).await;
    assert!(!fixture.store.remove(removed.id, &logout()).await.unwrap());
    for _ in 0..2 {
        fixture.store.sweep().await.unwrap();
    }
    // No request waits for what a sweep did; this one is answered after it was written.
    open_plain(fixture).await;
    for held in [swept, removed] {
        let expected = if fixture.store.backend() == "redis" {
            vec![ISSUED]
        } else {
            vec![ISSUED, ended(Cause::Expired)]
        };
        assert_eq!(events_of(fixture, held.id).await, expected);
    }
}

pub(crate) async fn what_changes_no_session_is_no_event(fixture: &Fixture) {
    let new = fixture.ending(Kind::Sliding, 50);
    let held = open(fixture, new.clone()).await;
    let wrong = mistaken(held);
    let batch = [use_of(held), look(held), use_of(wrong), end_of(wrong), use_of(held)];
    fixture.store.touch(&batch, TouchContext::default()).await;
    let (client, rotation) = (ClientDigest::default(), context(Cause::Rotation));
    fixture.store.rotate(&use_of(wrong), fresh_digest(), None, client, &rotation).await.unwrap();
    let reuse = context(Cause::Reused);
    fixture.store.end_reused(&use_of(held), client, fixture.unit, &reuse).await.unwrap();
    fixture.store.insert(&new, 0, &context(Cause::Login)).await.unwrap();
    let spared = Ending { below_generation: Some(9), keep: Some(held.id) };
    fixture.store.remove_subject(new.subject.id, spared, &logout()).await.unwrap();
    let unmet = Ending { below_generation: Some(1), keep: None };
    fixture.store.remove_subject(new.subject.id, unmet, &logout()).await.unwrap();
    fixture.store.sweep().await.unwrap();
    assert_eq!(events_of(fixture, held.id).await, [ISSUED]);
    assert_eq!(events(fixture).await.len(), 1);
}

pub(crate) async fn an_event_says_what_its_session_is_and_who_did_it(fixture: &Fixture) {
    let new = NewSession {
        transport: Transport::Cookie,
        name: Some("ci".into()),
        ..fixture.ending(Kind::Fixed, 50)
    };
    let held = open(fixture, new.clone()).await;
    let client = SeenAt {
        ip: Some("2001:db8::7".parse().unwrap()),
        user_agent: Some("Lynx/2.9 \u{fc}\"".into()),
        request_id: Some("r-7".into()),
    };
    let by = Some(By { user_id: Uuid::from_u128(7), external: None, session_id: held.id });
    let context = EventContext { cause: Cause::RevokedByAdmin, by, client };
    fixture.store.remove(held.id, &context).await.unwrap();
    let [issued, ended] = &events(fixture).await[..] else { panic!("two events") };
    for event in [issued, ended] {
        let session = event.session.as_ref().unwrap();
        assert_eq!(
            (session.id, session.kind, session.transport),
            (held.id, Kind::Fixed, Transport::Cookie)
        );
        assert_eq!(session.name.as_deref(), Some("ci"));
        assert_eq!(event.user, Some(EventUser::of(&new.subject)));
    }
    assert!(
        issued.at_ms > 1_700_000_000_000 && ended.at_ms >= issued.at_ms,
        "{issued:?} {ended:?}"
    );
    assert_eq!((&issued.by, &ended.by), (&None, &context.by));
    assert_eq!(ended.client.ip, context.client.ip);
    assert_eq!(ended.client.user_agent, context.client.user_agent);
    assert_eq!(ended.client.request_id, context.client.request_id);
    let text = format!("{issued:?}{ended:?}");
    assert!(!text.contains("digest"), "{text}");
}

pub(crate) async fn the_events_of_a_session_come_in_its_order_in_any_race(fixture: &Fixture) {
    for round in 0..10_u8 {
        let held = open_plain(fixture).await;
        let mut racing = JoinSet::new();
        for task in 0..6_u8 {
            let store = Arc::clone(&fixture.store);
            racing.spawn(async move {
                let end = context(Cause::Logout);
                let touch = TouchContext { seen_at: &[], end: &end };
                if task % 2 == round % 2 {
                    let rotation = context(Cause::Rotation);
                    let client = ClientDigest::default();
                    let _ =
                        store.rotate(&use_of(held), fresh_digest(), None, client, &rotation).await;
                } else {
                    store.touch(&[end_of(held)], touch).await;
                    store.remove(held.id, &end).await.unwrap();
                }
            });
        }
        racing.join_all().await;
        let events = events_of(fixture, held.id).await;
        let rotated = (EventKind::SessionRotated, Some(Cause::Rotation));
        let with_rotation = [ISSUED, rotated, ended(Cause::Logout)];
        let without = [ISSUED, ended(Cause::Logout)];
        assert!(events == with_rotation || events == without, "{events:?}");
    }
}

pub(crate) async fn an_event_of_no_session_is_stored_among_the_others(fixture: &Fixture) {
    let held = open_plain(fixture).await;
    let user = Some(EventUser::named("ann@example.com"));
    let client = SeenAt::default();
    let failed =
        Event::of_user(EventKind::LoginFailed, user.clone(), Some(Cause::Login), None, client);
    fixture.store.append_event(failed).await.unwrap();
    fixture.store.remove(held.id, &logout()).await.unwrap();
    let events = events(fixture).await;
    assert_eq!(events.len(), 3);
    assert_eq!(events_of(fixture, held.id).await, [ISSUED, ended(Cause::Logout)]);
    let failed = events.iter().find(|event| event.kind == EventKind::LoginFailed).unwrap();
    assert_eq!((&failed.user, &failed.session), (&user, &None));
    assert!(failed.at_ms > 1_700_000_000_000, "{failed:?}");
}

pub(crate) async fn a_reader_goes_on_where_it_was_and_made_up_positions_are_gone(
    fixture: &Fixture,
) {
    let start = fixture.store.read_events(ReadFrom::Now, 9).await.unwrap();
    let EventRead::Page(start) = start else { panic!("{start:?}") };
    let mut signal = fixture.store.event_signal();
    signal.borrow_and_update();
    let mut opened = Vec::new();
    for _ in 0..7 {
        opened.push(open_plain(fixture).await.id);
    }
    fixture.store.look_for_events().await.unwrap();
    assert!(signal.has_changed().unwrap());
    let (mut next, mut read) = (start.next, Vec::new());
    loop {
        let after = ReadFrom::After(&next);
        let EventRead::Page(page) = fixture.store.read_events(after, 2).await.unwrap() else {
            panic!("nothing is missing")
        };
        let Some(last) = page.events.last() else { break };
        assert!(page.events.len() <= 2);
        assert_eq!(last.position, page.next);
        read.extend(page.events.iter().map(|stored| stored.event.session.clone().unwrap().id));
        next = page.next;
    }
    // Those of different sessions may be of one millisecond.
    read.sort_unstable();
    opened.sort_unstable();
    assert_eq!(read, opened);
    for text in ["", "0", "x.1.", &next.replace('.', "-"), &format!("{next}1"), &format!("x{next}")]
    {
        let gone = fixture.store.read_events(ReadFrom::After(text), 9).await.unwrap();
        let EventRead::Gone { oldest } = gone else { panic!("{text}: {gone:?}") };
        let after = ReadFrom::After(&oldest);
        let again = fixture.store.read_events(after, 999).await.unwrap();
        assert!(matches!(again, EventRead::Page(page) if page.events.len() == 7));
    }
}

/// Stores events of so many users, many at a time.
pub(crate) async fn append_many(fixture: &Fixture, count: u128) {
    let append = |number: u128| async move {
        let id = Some(Uuid::from_u128(number));
        let user = Some(EventUser { id, external: None, username: number.to_string().into() });
        let event = Event::of_user(EventKind::UserChanged, user, None, None, SeenAt::default());
        fixture.store.append_event(event).await.unwrap();
    };
    let numbers: Vec<u128> = (0..count).collect();
    for few in numbers.chunks(500) {
        futures_util::future::join_all(few.iter().copied().map(append)).await;
    }
}

/// Reads on from each position of a recorded stream, and gets the next event from each.
pub(crate) async fn a_reader_that_goes_on_from_any_position_gets_the_next_event(
    fixture: &Fixture,
    count: u128,
) {
    append_many(fixture, count).await;
    let read = fixture.store.read_events(ReadFrom::Oldest, usize::MAX >> 40).await.unwrap();
    let EventRead::Page(all) = read else { panic!("{read:?}") };
    let names = |page: &EventPage| -> Vec<String> {
        let user = |stored: &Arc<StoredEvent>| stored.event.user.clone().unwrap().username;
        page.events.iter().map(|stored| user(stored).to_string()).collect()
    };
    let recorded = names(&all);
    let mut each_once: Vec<u128> = recorded.iter().map(|name| name.parse().unwrap()).collect();
    each_once.sort_unstable();
    assert_eq!(each_once, (0..count).collect::<Vec<_>>());
    for (at, stored) in all.events.iter().enumerate() {
        let after = ReadFrom::After(&stored.position);
        let read = fixture.store.read_events(after, 1).await.unwrap();
        let EventRead::Page(page) = read else { panic!("{at}: {read:?}") };
        assert_eq!(names(&page), recorded[at + 1..].iter().take(1).cloned().collect::<Vec<_>>());
    }
}
