//! Readers of events, many at once: each has what it wants, in order and once.

use session::{
    Event, EventRead, EventRetention, EventUser, MemoryStore, ReadFrom, SeenAt, StoredEvent,
};
use tokio::task::JoinSet;

use super::*;

const WAIT: Duration = Duration::from_secs(20);

struct Fixture {
    store: Arc<dyn SessionStore>,
    follower: Arc<EventFollower>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Fixture {
    fn new(limit: usize) -> Self {
        let clock = Arc::new(clock::SystemClock::new());
        let retention = EventRetention { keep: Duration::from_hours(1), limit };
        let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::retaining(clock, retention));
        let follower = Arc::new(EventFollower::new(Arc::clone(&store)));
        let (cancel, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(Arc::clone(&follower).run(cancel.clone()));
        Self { store, follower, cancel, tasks }
    }

    fn reader(&self, start: Start, types: Types) -> EventReader {
        EventReader::new(Arc::clone(&self.follower), start, types, self.cancel.clone())
    }

    /// Events with these numbers, one of three of which is of another type.
    async fn happen(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let kinds = [EventKind::UserCreated, EventKind::UserDeleted, EventKind::UserDeleted];
            let user = Some(EventUser::named(&number.to_string()));
            let event = Event::of_user(kinds[number % 3], user, None, None, SeenAt::default());
            self.store.append_event(event).await.unwrap();
        }
    }

    /// The position behind so many events.
    async fn position(&self, events: usize) -> Start {
        match self.store.read_events(ReadFrom::Oldest, events).await.unwrap() {
            EventRead::Page(page) => Start::After(page.next.into()),
            EventRead::Gone { oldest } => panic!("{oldest}"),
        }
    }

    async fn end(mut self) {
        self.cancel.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

fn number(stored: &StoredEvent) -> usize {
    stored.event.user.as_ref().unwrap().username.parse().unwrap()
}

/// Reads until the event of this number has come; `usize::MAX` stands for a reset.
async fn read_to(reader: &mut EventReader, last: usize) -> Vec<usize> {
    let mut read = Vec::new();
    while read.last() != Some(&last) {
        match reader.read(1_000, WAIT).await.unwrap() {
            Batch::Events(part) => {
                assert!(!part.events.is_empty(), "nothing came; until then {read:?}");
                read.extend(part.events.iter().map(|stored| number(stored)));
            }
            Batch::Reset(_) => read.push(usize::MAX),
        }
    }
    read
}

#[test]
fn types_are_named_one_by_one_or_by_group_and_nothing_else_is_a_type() {
    let ended = Types::parse("session.ended").unwrap();
    assert!(ended.has(EventKind::SessionEnded) && !ended.has(EventKind::SessionIssued));
    let groups = Types::parse("login.*, user.deleted").unwrap();
    for (kind, is_wanted) in [
        (EventKind::LoginFailed, true),
        (EventKind::LoginThrottled, true),
        (EventKind::UserDeleted, true),
        (EventKind::UserCreated, false),
    ] {
        assert_eq!(groups.has(kind), is_wanted, "{kind:?}");
        assert!(Types::ALL.has(kind));
    }
    for none in ["", "session", "session.", "session.*.*", "sess.*", "*", "session.ended,", "x"] {
        assert_eq!(Types::parse(none), None, "{none}");
    }
}

#[tokio::test]
async fn readers_that_begin_anywhere_have_everything_once_while_it_happens() {
    const BEFORE: usize = 700;
    const ALL: usize = 9_000;
    let fixture = Fixture::new(100_000);
    fixture.happen(0..BEFORE).await;
    let created = Types::parse("user.created").unwrap();
    let mut readers = JoinSet::new();
    for at in 0..60 {
        let (types, step) = if at % 2 == 0 { (Types::ALL, 1) } else { (created, 3) };
        let behind = at * 11;
        let start = match at {
            0 | 1 => Start::Oldest,
            _ => fixture.position(behind).await,
        };
        let mut reader = fixture.reader(start, types);
        let first = if at < 2 { 0 } else { behind.next_multiple_of(step) };
        readers.spawn(async move {
            let last = (ALL - 1) / step * step;
            let read = read_to(&mut reader, last).await;
            assert!(read.iter().copied().eq((first..ALL).step_by(step)), "{at}: {read:?}");
        });
    }
    for from in (BEFORE..ALL).step_by(50) {
        fixture.happen(from..ALL.min(from + 50)).await;
        // A reader that begins now has what comes from now on.
        let mut reader = fixture.reader(Start::Now, Types::ALL);
        let begun = reader.read(1_000, Duration::from_nanos(1)).await.unwrap();
        assert!(matches!(begun, Batch::Events(part) if part.events.is_empty()));
        let first = from + 50;
        readers.spawn(async move {
            if first < ALL {
                assert!(read_to(&mut reader, ALL - 1).await.into_iter().eq(first..ALL));
            }
        });
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    fixture.end().await;
}

#[tokio::test]
async fn readers_of_the_same_types_are_given_the_same_bytes() {
    let fixture = Fixture::new(1_000);
    let mut readers: Vec<_> = (0..3).map(|_| fixture.reader(Start::Now, Types::ALL)).collect();
    for reader in &mut readers {
        reader.read(1_000, Duration::from_millis(20)).await.unwrap();
    }
    fixture.happen(0..5).await;
    let mut encoded = 0;
    for reader in &mut readers {
        let Batch::Events(part) = reader.read(1_000, WAIT).await.unwrap() else { panic!() };
        assert_eq!(part.events.len(), 5);
        part.encoded(|_| {
            encoded += 1;
            Some(bytes::Bytes::new())
        });
    }
    assert_eq!(encoded, 1);
    fixture.end().await;
}

#[tokio::test]
async fn a_reader_that_is_far_behind_misses_nothing_that_is_stored_and_learns_what_is_not() {
    let fixture = Fixture::new(3_000);
    let mut reader = fixture.reader(Start::Now, Types::ALL);
    reader.read(1_000, Duration::from_millis(20)).await.unwrap();
    fixture.happen(0..2_500).await;
    assert!(read_to(&mut reader, 2_499).await.into_iter().eq(0..2_500));
    fixture.happen(2_500..9_000).await;
    let read = read_to(&mut reader, 8_999).await;
    assert_eq!((read[0], read[1]), (usize::MAX, 6_000));
    assert!(read[1..].iter().copied().eq(6_000..9_000));
    fixture.end().await;
}

#[tokio::test]
async fn a_reader_that_missed_nothing_is_not_reset_however_much_of_other_types_is_dropped() {
    let fixture = Fixture::new(1_500);
    let mut reader = fixture.reader(Start::Now, Types::parse("user.changed").unwrap());
    reader.read(1_000, Duration::from_millis(20)).await.unwrap();
    for from in (0..6_000).step_by(500) {
        fixture.happen(from..from + 500).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // More than is shared, and all of it stored.
    for number in 0..1_400 {
        let user = Some(EventUser::named(&number.to_string()));
        let event = Event::of_user(EventKind::UserChanged, user, None, None, SeenAt::default());
        fixture.store.append_event(event).await.unwrap();
    }
    assert!(read_to(&mut reader, 1_399).await.into_iter().eq(0..1_400));
    fixture.end().await;
}

#[tokio::test]
async fn a_reader_that_waited_in_vain_goes_on_behind_what_it_did_not_want() {
    let fixture = Fixture::new(1_000);
    let mut reader = fixture.reader(Start::Now, Types::parse("user.changed").unwrap());
    reader.read(10, Duration::from_millis(20)).await.unwrap();
    let before = reader.next().to_owned();
    fixture.happen(0..10).await;
    let Batch::Events(part) = reader.read(10, Duration::from_millis(50)).await.unwrap() else {
        panic!()
    };
    assert!(part.events.is_empty() && reader.next() != before);
    assert_eq!(Start::After(reader.next().to_owned()), fixture.position(10).await);
    fixture.end().await;
}

#[tokio::test]
async fn readers_that_went_away_leave_nothing_behind() {
    let fixture = Fixture::new(1_000);
    let mut first = fixture.reader(Start::Now, Types::ALL);
    first.read(10, Duration::from_millis(5)).await.unwrap();
    for _ in 0..100 {
        let mut reader = fixture.reader(Start::Now, Types::ALL);
        reader.read(10, Duration::from_millis(1)).await.unwrap();
    }
    assert!(fixture.follower.waiting() <= 3, "{}", fixture.follower.waiting());
    drop(first);
    assert_eq!(fixture.follower.waiting(), 0);
    fixture.end().await;
}
