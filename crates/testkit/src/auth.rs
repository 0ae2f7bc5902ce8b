//! auth-service as its callers see it, in verbs.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, Launch, Listener, Output, Process, Request};

/// The demo user and its password.
pub const DEMO: (&str, &str) = ("jsf.fusco@gmail.com", "postman");
/// A user whom a test may have added; see [`AuthService::with_users`].
pub const ANN: &str = "ann@example.com";
/// Another one.
pub const BOB: &str = "bob@example.com";
/// The password of both.
pub const LONG_PASSWORD: &str = "seven green kettles whistle";

/// A running auth-service.
pub struct AuthService {
    process: Process,
    /// The listener that people use.
    pub public: Listener,
    /// The listener that services use.
    pub internal: Listener,
    database: Option<TempDir>,
}

impl AuthService {
    /// With the demo user and everything else as it is by default.
    pub fn start() -> Self {
        Self::launch(&Launch::auth())
    }

    /// Starts this launch.
    pub fn launch(launch: &Launch) -> Self {
        let mut process = launch.start();
        let (public, internal) = (process.listener("public"), process.listener("internal"));
        Self { process, public, internal, database: None }
    }

    /// With Ann and Bob, who have the role `user`, beside the demo user.
    pub fn with_users() -> Self {
        Self::launch_with_users(Launch::auth())
    }

    /// With the demo user alone, in a file.
    pub fn launch_on_a_file(launch: Launch) -> Self {
        Self::launch_with(launch, &[])
    }

    /// With Ann and Bob beside the demo user, and these settings.
    pub fn launch_with_users(launch: Launch) -> Self {
        Self::launch_with(launch, &[ANN, BOB])
    }

    fn launch_with(launch: Launch, users: &[&str]) -> Self {
        let directory = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let path = directory.path().join("users.db");
        let launch = launch.var("AUTH_DATABASE_URL", format!("sqlite:{}", path.display()));
        for name in users {
            let add = launch.clone().arg("users").arg("add").arg(*name);
            let added = add.run_with_input(&format!("{LONG_PASSWORD}\n"));
            assert_eq!(added.code, Some(0), "{added:?}");
        }
        Self { database: Some(directory), ..Self::launch(&launch) }
    }

    /// Where the users are, if that is a file.
    pub fn database(&self) -> PathBuf {
        let directory = self.database.as_ref().expect("the database is a file");
        directory.path().join("users.db")
    }

    /// Runs one of the `users` commands on this service's database, which must succeed.
    #[track_caller]
    pub fn users_command(&self, arguments: &[&str]) -> Output {
        let done = self.try_users_command(arguments, "");
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    }

    /// The same, with this on its standard input, whatever comes of it.
    pub fn try_users_command(&self, arguments: &[&str], input: &str) -> Output {
        let database = format!("sqlite:{}", self.database().display());
        let launch = Launch::auth().var("AUTH_DATABASE_URL", database);
        let launch =
            arguments.iter().fold(launch.arg("users"), |launch, argument| launch.arg(*argument));
        launch.run_with_input(input)
    }

    /// The answer to a login, whatever it is.
    pub fn try_login(&self, user: &str, password: &str) -> Answer {
        self.process.keep_secret(password);
        let body = json!({"username": user, "password": password});
        let answer = self.public.send(Request::post("/login").json(&body));
        self.keep_issued_secret(&answer);
        answer
    }

    /// The answer to a login that must succeed.
    #[track_caller]
    pub fn login_answer(&self, user: &str, password: &str) -> Value {
        self.try_login(user, password).expect(200).json()
    }

    /// A new token.
    #[track_caller]
    pub fn login(&self, user: &str, password: &str) -> String {
        token_of(&self.login_answer(user, password))
    }

    /// A new token of the demo user.
    #[track_caller]
    pub fn token(&self) -> String {
        self.login(DEMO.0, DEMO.1)
    }

    /// Tokens of the demo user, each of a session of its own.
    #[track_caller]
    pub fn tokens(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.token()).collect()
    }

    /// The answer to `POST /tokens`.
    pub fn try_mint(&self, token: &str, body: &Value) -> Answer {
        let answer = self.public.send(Request::post("/tokens").bearer(token).json(body));
        self.keep_issued_secret(&answer);
        answer
    }

    /// A token of another kind, minted with this one.
    #[track_caller]
    pub fn mint(&self, token: &str, body: &Value) -> String {
        token_of(&self.try_mint(token, body).expect(201).json())
    }

    /// The verdict on one token, which is a use of it.
    #[track_caller]
    pub fn validate(&self, token: &str) -> Value {
        self.try_validate(&json!({"token": token})).expect(200).json()
    }

    /// The verdict on one token without a use of it.
    #[track_caller]
    pub fn look_at(&self, token: &str) -> Value {
        self.try_validate(&json!({"token": token, "touch": false})).expect(200).json()
    }

    /// The answer to any body at `/validateToken`.
    pub fn try_validate(&self, body: &Value) -> Answer {
        self.internal.send(Request::post("/validateToken").json(body))
    }

    /// Ends the session of this token, which must succeed.
    #[track_caller]
    pub fn logout(&self, token: &str) {
        self.public.send(Request::post("/logout").bearer(token)).expect(204);
    }

    /// The caller's own session, as the public listener shows it.
    pub fn session(&self, token: &str) -> Answer {
        self.public.send(Request::get("/session").bearer(token))
    }

    /// The value of a metric; `series` is its name with its labels as they are printed.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.internal.get("/metrics").expect(200).text();
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok();
        text.lines().find_map(value)
    }

    /// Tokens must never stand in the output, whole or as the secret part alone.
    fn keep_issued_secret(&self, answer: &Answer) {
        let answer: Option<Value> = serde_json::from_slice(&answer.body).ok();
        if let Some(token) = answer.as_ref().and_then(|answer| answer["token"].as_str()) {
            self.process.keep_token_secret(token);
        }
    }
}

impl Deref for AuthService {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for AuthService {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Whether a verdict is a clear yes; fails where it is neither a clear yes nor a clear no.
#[track_caller]
pub fn is_alive(verdict: &Value) -> bool {
    let alive = verdict["authenticated"].as_bool();
    let alive = alive.unwrap_or_else(|| panic!("neither yes nor no: {verdict}"));
    assert_eq!(alive, verdict.get("session").is_some(), "{verdict}");
    assert_eq!(alive, verdict.get("reason").is_none(), "{verdict}");
    alive
}

fn token_of(answer: &Value) -> String {
    answer["token"].as_str().expect("a token").to_owned()
}
