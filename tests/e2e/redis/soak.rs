//! Everything at once for a while, and then a look at what Redis keeps.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::nodes::Site;
use super::truth::no_secret_is_kept;
use crate::harness::{AuthService, Connection, DEMO, Request, let_time_pass};

/// How long, in seconds; `SOAK_SECONDS` may say another time.
const DEFAULT_SECONDS: u64 = 15;

/// One client: it logs in, and uses its tokens in every way that there is.
struct Client<'a> {
    public: Connection,
    internal: Connection,
    tokens: &'a Mutex<Vec<String>>,
}

impl Client<'_> {
    fn keep(&self, answer: &Value) -> String {
        let token = answer["token"].as_str().expect("a token").to_owned();
        self.tokens.lock().unwrap().push(token.clone());
        token
    }

    fn log_in(&mut self) -> String {
        let body = json!({"username": DEMO.0, "password": DEMO.1});
        let answer = self.public.send(&Request::post("/login").json(&body)).expect(200).json();
        self.keep(&answer)
    }

    fn mint(&mut self, maker: &str, kind: &str, ttl: &str) -> String {
        let request =
            Request::post("/tokens").bearer(maker).json(&json!({"kind": kind, "ttl": ttl}));
        let answer = self.public.send(&request).expect(201).json();
        self.keep(&answer)
    }

    fn round(&mut self, turn: usize) {
        let maker = self.log_in();
        let mut others = Vec::new();
        for (kind, ttl) in [
            ("sliding", "600ms"),
            ("fixed", "400ms"),
            ("single_use", "5s"),
            ("fixed", "8s"),
            ("sliding", "5s"),
        ] {
            others.push(self.mint(&maker, kind, ttl));
        }
        for _ in 0..30 {
            let body = json!({"tokens": others});
            self.internal.send(&Request::post("/validateToken").json(&body)).expect(200);
            let value = Request::put("/session/data/cart").bearer(&maker);
            self.internal.send(&value.body("application/json", turn.to_string())).expect(204);
        }
        let rotate = Request::post("/session/rotate").bearer(&maker);
        let answer = self.public.send(&rotate).expect(200).json();
        let maker = self.keep(&answer);
        let data = self.internal.send(&Request::get("/session/data").bearer(&maker)).expect(200);
        assert_eq!(data.json(), json!({"data": {"cart": turn}}));
        for token in &others {
            if turn.is_multiple_of(2) {
                self.public.send(&Request::post("/logout").bearer(token)).expect(204);
            }
            self.internal
                .send(&Request::post("/introspect").form(&format!("token={token}")))
                .expect(200);
        }
        if turn.is_multiple_of(5) {
            self.public.send(&Request::post("/logout").bearer(&maker)).expect(204);
        }
    }
}

#[test]
fn after_a_mixed_load_every_session_has_its_end_and_no_secret_is_kept() {
    let Some(site) = Site::open() else { return };
    let nodes =
        [(); 2].map(|()| AuthService::launch(&site.node().var("AUTH_MAX_SESSIONS_PER_USER", "40")));
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let (stop, tokens) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let rounds = thread::scope(|scope| {
        let run = |at: usize| {
            let (stop, tokens, nodes) = (&stop, &tokens, &nodes);
            scope.spawn(move || {
                let (public, internal) = (nodes[at % 2].public, nodes[(at + 1) % 2].internal);
                let mut rounds = 0;
                while !stop.load(SeqCst) {
                    let (public, internal) = (public.connect(), internal.connect());
                    Client { public, internal, tokens }.round(rounds);
                    rounds += 1;
                }
                rounds
            })
        };
        // At the cap, the ones that would end soonest are those that no client uses any more.
        let running: Vec<_> = (0..3).map(run).collect();
        let_time_pass(Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS)));
        let odd = site.redis.odd_sessions();
        // Before anything fails: the clients are waited for.
        stop.store(true, SeqCst);
        assert_eq!(odd, "", "while it goes on");
        running.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(site.redis.odd_sessions(), "");
    assert!(site.redis.sessions() > 0);
    let tokens = tokens.into_inner().unwrap();
    no_secret_is_kept(&site, tokens.iter());
    eprintln!("{rounds} rounds, {} tokens, {} sessions left", tokens.len(), site.redis.sessions());
}
