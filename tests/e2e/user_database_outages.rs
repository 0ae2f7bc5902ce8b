//! The user database is locked, full or gone: logins and changes wait for it or say 503, whoever
//! is logged in goes on and can log out, and it is back by itself.

mod file;
mod full_disk;
mod postgres;

use serde_json::json;

use crate::harness::{
    ANN, Answer, AuthService, BusinessService, LONG_PASSWORD, Request, TIMEOUT, eventually,
    is_alive,
};

/// A user and an admin who are logged in, and a backend that asks.
struct Site {
    auth: AuthService,
    business: BusinessService,
    admin: String,
    ann: String,
}

#[track_caller]
fn expect_unavailable(answer: Answer) {
    let answer = answer.expect_problem(503, "unavailable");
    let seconds = answer.header("retry-after").and_then(|after| after.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    for word in ["sql", "SELECT", "INSERT", "users.db", "UPDATE", "disk"] {
        assert!(!answer.text().contains(word), "{answer:?}");
    }
}

impl Site {
    fn on(auth: AuthService) -> Self {
        let admin = auth.token();
        auth.try_create(&admin, ANN);
        let ann = auth.login(ANN, LONG_PASSWORD);
        let business = BusinessService::start(&auth);
        Self { auth, business, admin, ann }
    }

    /// What needs no user still works, at every endpoint; a logout ends its session for good.
    #[track_caller]
    fn sessions_go_on(&self) {
        let Self { auth, business, admin, ann } = self;
        assert!(is_alive(&auth.validate(ann)) && is_alive(&auth.validate(admin)));
        business.data(ann).expect(200);
        auth.session(ann).expect(200);
        auth.internal.send(Request::get("/authz/auth-request").bearer(ann)).expect(200);
        let ended = auth.mint(ann, &json!({"kind": "sliding"}));
        assert!(is_alive(&auth.validate(&ended)));
        auth.logout(&ended);
        assert!(!is_alive(&auth.validate(&ended)));
        business.data(&ended).expect(401);
        auth.public.get("/livez").expect(200);
    }

    fn creation(&self, name: &str) -> Answer {
        self.auth.try_create(&self.admin, name)
    }

    /// It works as if nothing had been, soon and without anybody's help.
    #[track_caller]
    fn recovers(&self) {
        let login = || self.auth.try_login(ANN, LONG_PASSWORD);
        eventually("logins again", TIMEOUT, || match login().status {
            200 => Some(()),
            503 => None,
            other => panic!("{other} for a right password"),
        });
        eventually("creations again", TIMEOUT, || match self.creation("new@example.com").status {
            201 => Some(()),
            503 => None,
            other => panic!("{other} for a new name"),
        });
        eventually("ready again", TIMEOUT, || {
            (self.auth.public.get("/readyz").status == 200).then_some(())
        });
        self.sessions_go_on();
    }
}
