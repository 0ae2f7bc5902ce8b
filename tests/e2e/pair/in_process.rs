//! In one process a token is validated by a call; by HTTP, as between two, it comes to the same: the
//! verdicts, the events, the counts and the ids of requests.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::harness::{
    Answer, AuthService, Clocks, DEMO, Launch, Listener, Request, unused_port, uuid,
};

const KEY: &str = "nine-brass-buttons-in-a-drawer";
const HOME: &str = "kettle/1.0";
const ELSEWHERE: &str = "teapot/2.0";
/// Well-formed, and of no session.
const NEVER_ISSUED: &str = "rfl_0000000000000000000000000000000000000000000000000000002Gb14b";

const KINDS: [&str; 7] =
    ["login", "cookie", "sliding", "fixed", "single_use", "service", "external"];
const STATES: [&str; 7] =
    ["fresh", "used", "logged-out", "rotated", "damaged", "elsewhere", "expired"];
/// Longer than any of them lives.
const TWO_DAYS: i64 = 2 * 86_400;

/// Both services in one process.
struct Pair {
    auth: AuthService,
    business: Listener,
    metrics: Listener,
    clocks: Clocks,
    /// For how many seconds the machine was suspended so far.
    suspended: Cell<i64>,
}

impl Pair {
    /// `None` where no clock can be shifted.
    fn start(over_http: bool) -> Option<Self> {
        let clocks = Clocks::new()?;
        let mut launch = clocks
            .of(Launch::pair())
            .var("AUTH_INTERNAL_KEY", KEY)
            .var("AUTH_BIND_SESSIONS", "user-agent")
            .var("AUTH_SWEEP_INTERVAL", "0")
            .var("BUSINESS_AUTH_CLIENT", "ip,user-agent");
        if over_http {
            let internal = format!("127.0.0.1:{}", unused_port());
            launch = launch
                .var("BUSINESS_AUTH_URL", format!("http://{internal}"))
                .var("AUTH_INTERNAL_ADDR", internal);
        }
        let mut auth = AuthService::launch(&launch);
        let [business, metrics] = ["business", "business-internal"].map(|name| auth.listener(name));
        Some(Self { auth, business, metrics, clocks, suspended: Cell::new(0) })
    }

    fn public(&self, request: Request) -> Answer {
        self.auth.public.send(request.header("User-Agent", HOME))
    }

    fn internal(&self, request: Request) -> Answer {
        self.auth.internal.send(request.bearer(KEY))
    }

    fn login(&self) -> String {
        let answer = self.public(Request::post("/login").basic(DEMO.0, DEMO.1)).expect(200);
        self.issued(&answer)
    }

    fn issued(&self, answer: &Answer) -> String {
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        self.auth.keep_token_secret(&token);
        token
    }

    /// A new token of this kind; `name` is that of a user made for it.
    fn issue(&self, kind: &str, name: &str) -> String {
        match kind {
            "login" => self.login(),
            "cookie" => {
                let form = format!("username={}&password={}", DEMO.0.replace('@', "%40"), DEMO.1);
                let answer = self.public(Request::post("/login").form(&form)).expect(303);
                let cookie = answer.header("set-cookie").unwrap().split(['=', ';']).nth(1);
                self.auth.keep_token_secret(cookie.unwrap());
                cookie.unwrap().to_owned()
            }
            "service" => {
                let admin = self.login();
                let body = json!({"username": name, "service": true});
                let create = Request::post("/api/v1/users").bearer(&admin).json(&body);
                let id = uuid(&self.public(create).expect(201).json());
                let mint = Request::post(&format!("/api/v1/users/{id}/tokens")).bearer(&admin);
                let mint = mint.json(&json!({"ttl": "1h", "scopes": ["reports:read"]}));
                self.issued(&self.public(mint).expect(201))
            }
            "external" => {
                let user = json!({"id": "42", "username": "ann", "roles": ["user", "clerk"]});
                let body = json!({"user": user, "client": {"user_agent": HOME}});
                self.issued(&self.internal(Request::post("/sessions").json(&body)).expect(201))
            }
            kind => {
                let body = json!({"kind": kind, "name": "ci", "scopes": ["reports:read"]});
                let mint = Request::post("/tokens").bearer(&self.login()).json(&body);
                self.issued(&self.public(mint).expect(201))
            }
        }
    }

    /// `/data` for this token, with an id that the row of the table gives.
    fn data(&self, token: &str, as_cookie: bool, agent: &str, id: &str) -> Answer {
        let request = Request::get("/data").header("User-Agent", agent);
        let request = request.header("X-Request-Id", id);
        let with = if as_cookie { request.cookie(token) } else { request.bearer(token) };
        self.business.send(with)
    }

    /// What becomes of a token of this kind in this state, and what is counted for it.
    fn outcome(&self, kind: &str, state: &str) -> Value {
        let (is_cookie, id) = (kind == "cookie", format!("{kind}.{state}"));
        let token = self.issue(kind, &id);
        let (mut presented, mut agent) = (token.clone(), HOME);
        match state {
            "used" => _ = self.data(&token, is_cookie, HOME, &format!("{id}.before")).expect(200),
            "logged-out" => {
                self.public(Request::post("/revoke").form(&format!("token={token}"))).expect(200);
            }
            // Some kinds cannot be rotated, and live on.
            "rotated" => _ = self.public(Request::post("/session/rotate").bearer(&token)),
            "damaged" => presented
                .replace_range(40..41, if token[40..].starts_with('a') { "b" } else { "a" }),
            "elsewhere" => agent = ELSEWHERE,
            "expired" => {
                self.suspended.update(|seconds| seconds + TWO_DAYS);
                self.clocks.suspend(self.suspended.get());
            }
            _ => {}
        }
        let before = self.counts();
        let answer = self.data(&presented, is_cookie, agent, &id);
        let counted = added(&before, &self.counts());
        json!({"row": id, "answer": comparable(&answer), "counted": counted})
    }

    /// How many validations came to what, as each of the services counts them.
    fn counts(&self) -> Vec<(String, f64)> {
        let text = self.internal(Request::get("/metrics")).expect(200).text()
            + self.metrics.get("/metrics").expect(200).text().as_str();
        let counted = [
            "auth_token_validations_total",
            "auth_client_validations_total",
            "auth_client_batch_size_sum",
        ];
        let lines = text.lines().filter(|line| counted.iter().any(|name| line.starts_with(name)));
        let parts = lines.filter_map(|line| line.rsplit_once(' '));
        parts.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// Whether the auth service was requested to validate over HTTP.
    fn is_over_http(&self) -> bool {
        let metrics = self.internal(Request::get("/metrics")).expect(200).text();
        let counted = |line: &str| line.contains("_count") && line.contains("/validateToken");
        metrics.lines().any(counted)
    }

    /// What happened to sessions, and in which requests.
    fn events(&self) -> Vec<Value> {
        let page = self.internal(Request::get("/events?after=0&limit=1000")).expect(200).json();
        let events = page["events"].as_array().unwrap().iter();
        let own =
            events.filter(|event| event["request_id"].as_str().is_some_and(|id| id.contains('.')));
        own.map(|event| {
            json!([event["type"], event["cause"], event["request_id"], event["client"]])
        })
        .collect()
    }
}

/// How much more was counted of what.
fn added(before: &[(String, f64)], after: &[(String, f64)]) -> Vec<String> {
    let earlier =
        |name: &str| before.iter().find(|(other, _)| other == name).map_or(0.0, |(_, n)| *n);
    let more = after.iter().map(|(name, count)| (name, count - earlier(name)));
    let mut more: Vec<String> =
        more.filter(|(_, more)| *more > 0.0).map(|(name, more)| format!("{name} {more}")).collect();
    more.sort();
    more
}

/// What of an answer is the same for each token of a kind.
fn comparable(answer: &Answer) -> Value {
    let mut body = answer.json();
    if answer.status == 200 {
        for (part, name) in [("session", "id"), ("session", "expires_at"), ("user", "id")]
            .into_iter()
            .chain([("session", "absolute_expires_at"), ("session", "expires_in")])
        {
            assert!(!body["data"][part][name].take().is_null(), "{part}.{name}");
        }
        let message = body["data"]["message"].as_str().unwrap();
        body["data"]["message"] = message.replace(|c: char| c.is_ascii_digit(), "").into();
    } else {
        body["request_id"].take();
    }
    json!([answer.status, answer.header("www-authenticate"), body])
}

/// All rows of the table, then the tokens that were never of a kind.
fn table(pair: &Pair) -> Vec<Value> {
    let rows = STATES.iter().flat_map(|state| KINDS.map(|kind| (kind, *state)));
    let mut outcomes: Vec<Value> = rows.map(|(kind, state)| pair.outcome(kind, state)).collect();
    for (nth, token) in [NEVER_ISSUED, "nonsense", ""].into_iter().enumerate() {
        let before = pair.counts();
        let answer = comparable(&pair.data(token, false, HOME, &format!("none.{nth}")));
        outcomes.push(json!({"answer": answer, "counted": added(&before, &pair.counts())}));
    }
    outcomes
}

#[test]
fn a_token_comes_to_the_same_by_a_call_and_over_http() {
    let Some(in_process) = Pair::start(false) else { return };
    let over_http = Pair::start(true).unwrap();
    let (called, requested) = (table(&in_process), table(&over_http));
    assert!(!in_process.is_over_http() && over_http.is_over_http());
    for (called, requested) in called.iter().zip(&requested) {
        assert_eq!(called, requested);
    }
    let all = format!("{called:?}");
    for result in ["alive", "malformed", "unknown", "expired", "revoked"] {
        let counted = format!("auth_client_validations_total{{result=\\\"{result}\\\"}} 1");
        assert!(all.contains(&counted), "no token was {result}: {all}");
    }
    let events = in_process.events();
    assert_eq!(events, over_http.events());
    let causes = format!("{events:?}");
    for cause in ["used", "elsewhere"] {
        assert!(causes.contains(&format!("String(\"{cause}\")")), "{causes}");
    }
}
