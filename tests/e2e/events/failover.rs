//! Another server of Redis takes over that lacks the tail: readers are told, and what it has is posted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::stream::Stream;
use super::{launch, read};
use crate::harness::{AuthService, DelayProxy, Redis, TIMEOUT, eventually};
use crate::webhooks::receiver::{Post, Receiver, log_out};

/// A master, and a replica of which nobody knows yet.
struct Servers {
    master: Redis,
    replica: Redis,
    /// Where the service believes Redis to be.
    front: DelayProxy,
    /// What the replica follows through.
    link: DelayProxy,
}

impl Servers {
    fn start() -> Option<Self> {
        let (master, replica) = (Redis::start(&[])?, Redis::start(&[])?);
        let front = DelayProxy::to(master.port, Duration::ZERO);
        let link = DelayProxy::to(master.port, Duration::ZERO);
        replica.cli(&["REPLICAOF", "127.0.0.1", &link.port.to_string()]);
        eventually("the replica follows", TIMEOUT, || {
            master.cli(&["INFO", "replication"]).contains("state=online").then_some(())
        });
        Some(Self { master, replica, front, link })
    }

    /// A node whose users are in a file there, and which posts to this receiver.
    fn node(&self, receiver: &Receiver, home: &TempDir) -> AuthService {
        let users = format!("sqlite:{}", home.path().join("users.db").display());
        let launch = receiver
            .of(launch())
            .var("AUTH_DATABASE_URL", users)
            .var("AUTH_SESSION_STORE", format!("redis://127.0.0.1:{}", self.front.port));
        AuthService::launch(&launch)
    }

    /// Waits until the replica has everything, and has it get nothing more.
    fn part(&self) {
        assert_eq!(self.master.cli(&["WAIT", "1", "10000"]), "1");
        self.link.cut();
    }

    /// Promotes the replica, which lacks what came since they parted.
    fn fail_over(&mut self) {
        assert_eq!(self.replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
        self.front.lead_to(self.replica.port);
        self.master.kill();
    }
}

/// The sessions that ended, as a reader has it, which comes back where it is cut off.
struct Reader<'a> {
    auth: &'a AuthService,
    stream: Stream,
    position: String,
    ended: Vec<String>,
    resets: usize,
}

impl<'a> Reader<'a> {
    fn open(auth: &'a AuthService) -> Self {
        let stream = Stream::open(auth, "?after=0&types=session.ended", "");
        Self { auth, stream, position: "0".to_owned(), ended: Vec::new(), resets: 0 }
    }

    /// Reads until the last session that ended is this one.
    fn read_to(&mut self, session: &str) {
        while self.ended.last().is_none_or(|last| last != session) {
            match self.stream.try_next() {
                Some((id, kind, event)) if kind == "session.ended" => {
                    self.position = id;
                    self.ended.push(session_of(&event));
                }
                Some((id, kind, event)) => {
                    assert_eq!((&*id, &*kind), ("", "reset"));
                    event["oldest"].as_str().unwrap().clone_into(&mut self.position);
                    self.ended.clear();
                    self.resets += 1;
                }
                None => self.come_back(),
            }
        }
    }

    fn come_back(&mut self) {
        let header = format!("Last-Event-ID: {}\r\n", self.position);
        self.stream = Stream::open(self.auth, "?types=session.ended", &header);
    }
}

fn session_of(event: &Value) -> String {
    event["session"]["id"].as_str().unwrap().to_owned()
}

/// The ids under which the end of each session was posted.
fn posted(posts: &[Post]) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids = BTreeMap::<String, BTreeSet<String>>::new();
    for post in posts.iter().filter(|post| post.json()["type"] == "session.ended") {
        ids.entry(session_of(&post.json())).or_default().insert(post.id().to_owned());
    }
    ids
}

#[test]
fn a_takeover_is_told_and_what_survived_it_is_delivered() {
    let Some(mut servers) = Servers::start() else { return };
    let (receiver, home) = (Receiver::start(), TempDir::with_prefix("reinflate-e2e-").unwrap());
    let auth = servers.node(&receiver, &home);
    let mut reader = Reader::open(&auth);

    let taken = log_out(&auth, 3);
    receiver.taken_at_least(3);
    receiver.answer(500);
    let waiting = log_out(&auth, 3);
    reader.read_to(waiting.last().unwrap());
    assert_eq!(reader.ended, [taken.clone(), waiting.clone()].concat());
    servers.part();
    receiver.answer(200);
    let lost = log_out(&auth, 2);
    reader.read_to(lost.last().unwrap());
    // All has been posted, also what the next server knows nothing of.
    let before = receiver.taken_at_least(8);
    receiver.answer(500);
    servers.fail_over();
    eventually("it is ready", TIMEOUT, || (auth.public.get("/readyz").status == 200).then_some(()));
    let since = eventually("sessions are opened", TIMEOUT, || {
        let (user, password) = crate::harness::DEMO;
        (auth.try_login(user, password).status == 200).then(|| log_out(&auth, 3))
    });

    reader.read_to(since.last().unwrap());
    let survived = [&taken[..], &waiting, &since].concat();
    assert_eq!(
        (reader.resets, &reader.ended),
        (1, &survived),
        "it begins anew with what is stored"
    );
    let page = read(&auth, "?after=0&limit=1000&types=session.ended");
    let stored: Vec<String> = page["events"].as_array().unwrap().iter().map(session_of).collect();
    assert_eq!(stored, survived);

    receiver.answer(200);
    let posts = eventually("all is posted", 3 * TIMEOUT, || {
        let ids = posted(&receiver.taken());
        since.iter().all(|session| ids.contains_key(session)).then(|| receiver.taken())
    });
    let skip = posts[before.len()].json();
    assert_eq!((&skip["type"], &skip["cause"]), (&"webhook.skipped".into(), &"history".into()));
    for (session, ids) in posted(&receiver.posts()) {
        assert_eq!(ids.len(), 1, "{session} was posted under several ids");
    }
    let sessions: BTreeSet<String> = posted(&posts).into_keys().collect();
    assert_eq!(sessions, [survived, lost].concat().into_iter().collect(), "nothing is left out");
    let in_order: Vec<String> =
        posts[before.len() + 1..].iter().map(|post| session_of(&post.json())).collect();
    let new = [waiting, since].concat();
    assert!(
        in_order.ends_with(&new),
        "{in_order:?}, behind what the next server knows of: {new:?}"
    );
    // How far it is, is stored a moment after: the last of what was taken may come again before it.
    let again = &in_order[..in_order.len() - new.len()];
    assert!(taken.ends_with(again), "{again:?} of {taken:?}");
}

#[test]
fn what_was_not_taken_before_a_takeover_and_survived_it_is_posted_after_it() {
    let Some(mut servers) = Servers::start() else { return };
    let (receiver, home) = (Receiver::start(), TempDir::with_prefix("reinflate-e2e-").unwrap());
    let auth = servers.node(&receiver, &home);
    let taken = log_out(&auth, 3);
    receiver.taken_at_least(3);
    receiver.answer(500);
    let waiting = log_out(&auth, 3);
    receiver.tried_at_least(4);
    servers.part();
    let lost = log_out(&auth, 2);
    servers.fail_over();
    eventually("it is ready", TIMEOUT, || (auth.public.get("/readyz").status == 200).then_some(()));
    receiver.answer(200);
    let since = log_out(&auth, 1);
    // What the sender had in memory may come once more, from where the next server knows that it is.
    let posts = eventually("all is posted", 3 * TIMEOUT, || {
        let ids = posted(&receiver.taken());
        ids.contains_key(&since[0]).then(|| receiver.taken())
    });
    let is_skip = |post: &&Post| post.json()["type"] == "webhook.skipped";
    let skips: Vec<Value> = posts.iter().filter(is_skip).map(Post::json).collect();
    assert_eq!((skips.len(), &skips[0]["cause"]), (1, &"history".into()), "{skips:?}");
    let mut first = Vec::new();
    for post in posts.iter().filter(|post| !is_skip(post)) {
        let session = session_of(&post.json());
        if !first.contains(&session) {
            first.push(session);
        }
    }
    // What was lost happened all the same: it is posted where it was waiting in memory.
    first.retain(|session| !lost.contains(session));
    assert_eq!(first, [taken, waiting, since].concat());
    for (session, ids) in posted(&receiver.posts()) {
        assert_eq!(ids.len(), 1, "{session} was posted under several ids");
    }
}
