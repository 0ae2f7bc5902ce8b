//! A service on one of the stores, and what its stream has said since a moment.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{AuthService, LONG_PASSWORD, Launch, Redis, Request, TIMEOUT, eventually};
use crate::mail::mailbox::Mailbox;

pub(crate) const KEY: &str = "an-internal-key-of-a-test";

/// Where sessions and events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    File,
    Redis,
}

impl Store {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::File, Self::Redis];
}

pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) auth: AuthService,
    pub(crate) mailbox: Mailbox,
    /// A token of the demo user, who is an admin.
    pub(crate) admin: String,
    launch: Launch,
    directory: TempDir,
    start: RefCell<String>,
    users: Cell<u32>,
}

impl Site {
    pub(crate) fn start(store: Store, redis: Option<&Redis>) -> Self {
        let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
        let path = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
        let sessions = match (store, redis) {
            (Store::Memory, _) => "memory".to_owned(),
            (Store::File, _) => path("sessions.db"),
            (Store::Redis, redis) => redis.expect("a Redis").url(),
        };
        let mailbox = Mailbox::new();
        let launch = mailbox
            .launch()
            .var("AUTH_SESSION_STORE", sessions)
            .var("AUTH_DATABASE_URL", path("users.db"))
            .var("AUTH_INTERNAL_KEY", KEY)
            .var("AUTH_TOKEN_TTL", "10m")
            .var("AUTH_SESSION_TTL", "1h")
            .var("AUTH_SIGNUP", "open")
            .var("AUTH_BIND_SESSIONS", "user-agent")
            .var("AUTH_MAX_SESSIONS_PER_USER", "8")
            .var("AUTH_LOGIN_ATTEMPTS", "3/1h")
            .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0")
            .var("RUST_LOG", "info");
        let auth = AuthService::launch(&launch);
        let admin = auth.token();
        let (start, users) = (RefCell::default(), Cell::new(0));
        Self { store, auth, mailbox, admin, launch, directory, start, users }
    }

    /// From here on, events are those of the step.
    pub(crate) fn begin(&self) {
        *self.start.borrow_mut() = text(&self.read("")["next"]);
    }

    pub(crate) fn events_since(&self) -> Vec<Value> {
        self.events_after(&self.start.borrow())
    }

    pub(crate) fn all_events(&self) -> Vec<Value> {
        self.events_after("0")
    }

    fn events_after(&self, position: &str) -> Vec<Value> {
        let page = self.read(&format!("?after={position}&limit=1000"));
        page["events"].as_array().unwrap().clone()
    }

    fn read(&self, query: &str) -> Value {
        self.internal(Request::get(&format!("/events{query}"))).0
    }

    /// The answer to a backend with the key, and its status.
    pub(crate) fn internal(&self, request: Request) -> (Value, u16) {
        let answer = self.auth.internal.send(request.bearer(KEY));
        assert!(answer.status < 300, "{answer:?}");
        (answer.json(), answer.status)
    }

    /// A new user with the role `user`: the id and the name.
    pub(crate) fn user(&self) -> (String, String) {
        self.users.set(self.users.get() + 1);
        let name = format!("user{}@example.com", self.users.get());
        (self.auth.create(&self.admin, &name), name)
    }

    /// A new user who is logged in: the id, the name and a token.
    pub(crate) fn logged_in(&self) -> (String, String, String) {
        let (id, name) = self.user();
        let token = self.auth.login(&name, LONG_PASSWORD);
        (id, name, token)
    }

    /// A token that an external user's session has, and the session's id.
    pub(crate) fn external(&self, id: &str) -> (String, String) {
        let user = json!({"id": id, "username": "Zoë", "roles": ["user"]});
        let (issued, _) = self.internal(Request::post("/sessions").json(&json!({"user": user})));
        (text(&issued["token"]), text(&issued["session"]["id"]))
    }

    /// Runs a command of auth-service on the same users and sessions.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) {
        let launch = arguments.iter().fold(self.launch.clone(), |launch, word| launch.arg(*word));
        let done = launch.run_with_input(input);
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    /// Starts the service again without the demo user; what the stream says of that.
    pub(crate) fn retire_demo(&mut self) -> std::collections::BTreeSet<String> {
        self.begin();
        self.auth.signal("TERM");
        assert_eq!(self.auth.wait_for_end(TIMEOUT).code(), Some(0));
        self.auth = AuthService::launch(&self.launch.clone().var("AUTH_DEMO", "false"));
        let seen = eventually("the end of the demo user's sessions", TIMEOUT, || {
            let seen: Vec<String> = self.events_since().iter().map(short).collect();
            (!seen.is_empty()).then(|| seen.into_iter().collect())
        });
        assert!(self.directory.path().exists());
        seen
    }
}

/// The type and the cause of an event.
pub(crate) fn short(event: &Value) -> String {
    let (kind, cause) = (event["type"].as_str().unwrap(), event["cause"].as_str());
    cause.map_or_else(|| kind.to_owned(), |cause| format!("{kind} {cause}"))
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// All that an event says, but for its position.
pub(crate) fn line_of_event(event: &Value) -> String {
    let (session, user, by, client) =
        (&event["session"], &event["user"], &event["by"], &event["client"]);
    let external = user["external"] == true;
    let id = |is: bool| if is { user["id"].clone() } else { Value::Null };
    let by_external = by["external"] == true;
    let by_id = |is: bool| if is { by["user_id"].clone() } else { Value::Null };
    json!([
        event["type"],
        event["cause"],
        event["at"],
        event["request_id"],
        id(!external),
        id(external),
        user["username"],
        session["id"],
        session["kind"],
        session["transport"],
        session["name"],
        by_id(!by_external),
        by_id(by_external),
        by["session_id"],
        client["ip"],
        client["user_agent"],
    ])
    .to_string()
}

/// The same of a line of the log.
pub(crate) fn line_of_log(line: &Value) -> String {
    let members = [
        "event",
        "cause",
        "at",
        "request_id",
        "user_id",
        "external_user_id",
        "username",
        "session_id",
        "kind",
        "transport",
        "name",
        "by_user",
        "by_external_user",
        "by_session",
        "ip",
        "user_agent",
    ];
    assert_eq!(line["stored"], Value::Null, "{line}");
    Value::from(members.map(|member| line[member].clone()).to_vec()).to_string()
}
