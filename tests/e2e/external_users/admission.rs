//! Which sessions which endpoint lets act: ours, those of external users, those that are narrowed, those
//! of services.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{KEY, launch, token};
use crate::harness::{AuthService, BusinessService, DEMO, Launch, Request, uuid};

/// What a request comes to for each: one of our users as an admin, an external user in a role that its
/// backend calls `admin`, and a token of ours that is narrowed to scopes. A service user's comes to the
/// same as the first, but where [`SERVICE`] says otherwise.
type Row = (fn() -> Request, [u16; 3]);

const OPEN: [u16; 3] = [200; 3];

/// The public listener, endpoint by endpoint. 403 whatever the role is where it is not to be let in.
const PUBLIC: &[Row] = &[
    (|| Request::get("/session"), OPEN),
    (|| Request::get("/sessions"), [200, 200, 403]),
    (|| Request::delete("/sessions?keep=current"), [204, 204, 403]),
    (|| Request::delete("/sessions/0193"), [404, 404, 403]),
    (|| Request::post("/session/rotate"), [200, 200, 403]),
    (|| Request::post("/tokens").json(&json!({})), [201, 201, 403]),
    (|| Request::get("/api/v1/status"), OPEN),
    (|| Request::get("/api/v1/stats"), [200, 403, 403]),
    (|| Request::get("/api/v1/users"), [200, 403, 403]),
    (|| Request::post("/api/v1/users").json(&new_user()), [201, 403, 403]),
    (|| Request::get("/api/v1/users/me"), [200, 403, 403]),
    (|| Request::put("/api/v1/users/me").json(&json!({"first_name": "A"})), [200, 403, 403]),
    (|| Request::delete("/api/v1/users/me"), [409, 403, 403]),
    (|| Request::get("/api/v1/users/0193"), [404, 403, 403]),
    (|| Request::get("/api/v1/users/me/sessions"), [200, 403, 403]),
    (|| Request::delete("/api/v1/users/0193/sessions"), [404, 403, 403]),
    (|| Request::put("/api/v1/users/me/password").json(&new_password()), [422, 403, 403]),
    (|| Request::delete("/api/v1/sessions"), [204, 403, 403]),
    (|| Request::get("/api/v1/sessions?role=user"), [200, 403, 403]),
    (|| Request::delete("/api/v1/sessions?user=0193"), [200, 403, 403]),
    (|| Request::delete("/api/v1/sessions?dry_run=true"), [200, 403, 403]),
    (|| Request::get("/admin/sessions"), [200, 403, 403]),
    (|| Request::get("/admin/sessions/end?user=0193"), [200, 403, 403]),
    (|| Request::post("/admin/sessions/end").form("user=0193"), [303, 403, 403]),
    (|| Request::get("/account"), [200, 403, 403]),
    (|| Request::post("/account/name").form("first_name=A&last_name=B"), [303, 403, 403]),
    (
        || Request::post("/account/password").form("current_password=a&new_password=b"),
        [422, 403, 403],
    ),
    (|| Request::post("/account/sessions/end-others").form(""), [303, 403, 403]),
    (|| Request::post("/account/sessions/0193/end").form(""), [404, 403, 403]),
    (|| Request::post("/account/tokens").form("name=a&kind=fixed&ttl=1h"), [201, 403, 403]),
    (|| Request::get("/admin/users"), [200, 403, 403]),
    (|| Request::get("/admin/users/new"), [200, 403, 403]),
    (|| Request::get("/admin/users/0193"), [404, 403, 403]),
    (|| Request::get("/admin/users/0193/delete"), [404, 403, 403]),
    (|| Request::post("/admin/users/0193/delete").form(""), [404, 403, 403]),
    (|| Request::put("/api/v1/users/me/email").json(&new_address()), [422, 403, 403]),
    (|| Request::post("/api/v1/users/0193/tokens").json(&json!({})), [404, 403, 403]),
    (
        || Request::post("/account/email").form("email=a%40example.com&current_password=a"),
        [422, 403, 403],
    ),
    (
        || Request::post("/admin/users").form("email=a&password=b&first_name=&last_name="),
        [422, 403, 403],
    ),
    (|| Request::get("/admin/users/new-service"), [200, 403, 403]),
    (|| Request::post("/admin/users/new-service").form("username=a+b&roles=user"), [422, 403, 403]),
    (
        || Request::post("/admin/users/0193/tokens").form("name=a&kind=fixed&ttl=1h"),
        [404, 403, 403],
    ),
];

/// Where a service user that acts as an admin is answered otherwise: it is not the last admin.
const SERVICE: &[(usize, u16)] = &[(DELETION, 204)];
/// Where the deletion of oneself stands among them.
const DELETION: usize = 12;
/// Where the rotation stands among them.
const ROTATION: usize = 4;

fn new_user() -> Value {
    json!({"email": "new@example.com", "password": "seven green kettles whistle"})
}

fn new_address() -> Value {
    json!({"email": "new@example.com", "current_password": "wrong"})
}

fn new_password() -> Value {
    json!({"current_password": "wrong", "new_password": "seven green kettles whistle"})
}

/// The internal listener's endpoints for proxies, and those that backends ask with a user's token.
const INTERNAL: &[Row] = &[
    (|| Request::get("/authz/auth-request"), [200, 403, 200]),
    (|| Request::get("/authz/forward-auth"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz/a"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz/a?external=true"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz-role/admin/a"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz-role/user/a"), [403, 403, 403]),
    (|| Request::get("/authz/ext-authz-external/a"), OPEN),
    (|| Request::get("/authz/ext-authz-external"), OPEN),
    (|| Request::get("/authz/ext-authz-scope/reports%3Aread/a"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz-scope/a%2Fb/x"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz-scope/reports/a"), [200, 403, 403]),
    (|| Request::get("/authz/ext-authz-scope/reports%3Aread"), [200, 403, 200]),
    (|| Request::get("/authz/ext-authz-scope/%FF/a"), [200, 403, 403]),
    (|| Request::get("/authz/auth-request?role=admin"), [200, 403, 200]),
    (|| Request::get("/authz/auth-request?external=true"), OPEN),
    (|| Request::get("/authz/forward-auth?external=true&role=admin"), OPEN),
    (|| Request::get("/authz/forward-auth?external=true&role=user"), [403, 403, 403]),
    (|| Request::get("/authz/forward-auth?external=false"), [403, 403, 403]),
    (|| Request::get("/authz/forward-auth?external=1"), [403, 403, 403]),
    (|| Request::get("/authz/forward-auth?external"), [403, 403, 403]),
    (|| Request::get("/authz/forward-auth?External=true"), [403, 403, 403]),
    (|| Request::get("/authz/forward-auth?scope=reports:read"), [200, 403, 200]),
    (|| Request::get("/authz/forward-auth?scope=reports:read&scope=a/b"), [200, 403, 200]),
    (|| Request::get("/authz/forward-auth?scope=reports:read&scope=c"), [200, 403, 403]),
    (|| Request::get("/authz/forward-auth?scope="), [200, 403, 403]),
    (|| Request::get("/authz/forward-auth?scope=reports"), [200, 403, 403]),
    (|| Request::get("/authz/forward-auth?scopes=reports:read"), [403, 403, 403]),
    (|| Request::get("/session/data").header("X-Internal-Key", KEY), OPEN),
    (|| Request::put("/session/data/a").header("X-Internal-Key", KEY).json(&json!(1)), [204; 3]),
    (|| Request::get("/session/data/a").header("X-Internal-Key", KEY), [404; 3]),
    (|| Request::delete("/session/data/a").header("X-Internal-Key", KEY), [204; 3]),
    (|| Request::get("/authz/check"), OPEN),
];

fn narrowed(auth: &AuthService) -> String {
    let scopes = json!({"kind": "sliding", "scopes": ["reports:read", "a/b"]});
    auth.mint(&auth.token(), &scopes)
}

/// The token of a new service user, as an admin.
fn service(auth: &AuthService) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let admin = auth.token();
    let name = format!("bot-{}", NUMBER.fetch_add(1, Relaxed));
    let body = json!({"username": name, "service": true, "roles": ["admin", "user"]});
    let made = Request::post("/api/v1/users").bearer(&admin).json(&body);
    let id = uuid(&auth.public.send(made).expect(201).json());
    let mint = Request::post(&format!("/api/v1/users/{id}/tokens")).bearer(&admin);
    let minted = auth.public.send(mint.json(&json!({"kind": "sliding"}))).expect(201).json();
    minted["token"].as_str().unwrap().to_owned()
}

/// With all endpoints that there are, those of mail and of the demonstration included.
fn launch_whole(mails: &TempDir) -> AuthService {
    let url = format!("file:{}", mails.path().display());
    AuthService::launch(
        &launch().var("AUTH_MAIL_URL", url).var("AUTH_MAIL_FROM", "auth@example.com"),
    )
}

/// Whether a path stands for this target.
fn is_at(path: &str, target: &str) -> bool {
    let target = target.split('?').next().unwrap_or_default();
    let (mut path, mut target) = (path.split('/'), target.split('/'));
    loop {
        match (path.next(), target.next()) {
            (None, None) | (Some("{path}"), Some(_)) => return true,
            (Some(part), Some(named)) if part == named || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// What is described as taking a user's token is in one of the tables: a new endpoint must say there
/// whom it lets act. What ends the session of whatever it is shown has a test of its own.
#[test]
fn every_endpoint_that_takes_a_token_is_in_the_tables() {
    let mails = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let auth = launch_whole(&mails);
    let rows: Vec<Request> = PUBLIC.iter().chain(INTERNAL).map(|(request, _)| request()).collect();
    let document = auth.public.get("/openapi.json").expect(200).json();
    let mut missing = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array();
            let takes_token =
                security.is_some_and(|ways| ways.iter().any(|way| way.get("bearer").is_some()));
            // A forward-auth endpoint makes no difference between methods.
            let is_same = |row: &Request| {
                row.method.eq_ignore_ascii_case(method) || path.starts_with("/authz/")
            };
            let is_listed = || rows.iter().any(|row| is_same(row) && is_at(path, row.target()));
            if takes_token && path != "/logout" && !is_listed() {
                missing.push(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert!(rows.len() > 60 && missing.is_empty(), "{missing:?}");
}

#[test]
fn every_endpoint_of_our_accounts_is_closed_to_whoever_has_none_and_to_what_is_narrowed() {
    let mails = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let auth = launch_whole(&mails);
    let makers: [fn(&AuthService) -> String; 4] =
        [AuthService::token, |auth| token(auth, "me"), narrowed, service];
    for (number, (request, expected)) in PUBLIC.iter().enumerate() {
        let of_service = SERVICE.iter().find(|(row, _)| *row == number);
        let of_service = of_service.map_or(expected[0], |(_, status)| *status);
        let expected = [expected[0], expected[1], expected[2], of_service];
        for (make, status) in makers.iter().zip(&expected) {
            let token = make(&auth);
            for carried in
                [request().bearer(&token), request().token(&token), request().cookie(&token)]
            {
                let answer = auth.public.send(carried);
                // What has done its work once may have ended or taken itself away by it.
                let spent = [201, 204, 303].contains(status) || number == ROTATION;
                let spent = spent && [401, 409].contains(&answer.status);
                assert!(answer.status == *status || spent, "{number}: {answer:?}");
                if *status == 403 {
                    answer.expect_problem(403, "forbidden");
                }
            }
        }
    }
}

#[test]
fn proxies_and_backends_take_what_they_have_said_that_they_take() {
    let auth = AuthService::launch(&launch());
    for (number, (request, expected)) in INTERNAL.iter().enumerate() {
        let tokens = [auth.token(), token(&auth, "me"), narrowed(&auth), service(&auth)];
        let expected = [expected[0], expected[1], expected[2], expected[0]];
        for (token, status) in tokens.iter().zip(&expected) {
            for carried in
                [request().bearer(token), request().token(token), request().cookie(token)]
            {
                let answer = auth.internal.send(carried);
                assert_eq!(answer.status, *status, "{number}: {answer:?}");
            }
        }
    }
}

#[test]
fn whoever_has_a_token_ends_it_whatever_it_is() {
    let auth = AuthService::launch(&launch());
    for (name, make) in [
        ("external", (|auth: &AuthService| token(auth, "17")) as fn(&AuthService) -> String),
        ("narrowed", narrowed),
    ] {
        let (one, other) = (make(&auth), make(&auth));
        auth.logout(&one);
        let form = Request::post("/revoke").form(&format!("token={other}"));
        auth.public.send(form).expect(200);
        for token in [one, other] {
            assert_eq!(auth.session(&token).status, 401, "{name}");
        }
    }
}

#[test]
fn what_an_external_user_or_a_narrowed_token_makes_is_no_more_than_its_maker() {
    let auth = AuthService::launch(&launch());
    let external = token(&auth, "17");
    let minted = auth.mint(&external, &json!({"kind": "sliding"}));
    auth.public.send(Request::get("/account").bearer(&minted)).expect(403);
    auth.public.send(Request::get("/session").bearer(&minted)).expect(200);
    let rotate = Request::post("/session/rotate").bearer(&minted).json(&json!({"role": "user"}));
    let rotated = auth.public.send(rotate).expect(200).json();
    assert_eq!(rotated["session"]["user"]["external"], true);
    let rotated = rotated["token"].as_str().unwrap();
    auth.public.send(Request::get("/api/v1/users").bearer(rotated)).expect(403);
    let back = Request::post("/session/rotate").bearer(rotated).json(&json!({"role": "admin"}));
    auth.public.send(back).expect(403);
    let both = auth.mint(&external, &json!({"scopes": ["a"]}));
    auth.public.send(Request::get("/session").bearer(&both)).expect(200);
    auth.public.send(Request::get("/sessions").bearer(&both)).expect(403);
    let through = |target: &str| auth.internal.send(Request::get(target).bearer(&both)).status;
    assert_eq!(through("/authz/forward-auth?scope=a"), 403);
    assert_eq!(through("/authz/forward-auth?scope=a&external=true"), 200);
    assert_eq!(through("/authz/forward-auth?scope=b&external=true"), 403);
}

#[test]
fn an_open_sign_up_is_for_people_and_not_for_external_sessions() {
    let auth = AuthService::launch(&launch().var("AUTH_SIGNUP", "open"));
    let create = || Request::post("/api/v1/users").json(&new_user());
    auth.public.send(create().bearer(&token(&auth, "17"))).expect(403);
    auth.public.send(create().bearer(&narrowed(&auth))).expect(403);
    auth.public.send(create()).expect(201);
}

#[test]
fn a_service_behind_takes_both_and_tells_whose_user_it_is() {
    let auth = AuthService::launch(&launch());
    let business = BusinessService::launch(
        &Launch::business(auth.internal.port).var("BUSINESS_AUTH_KEY", KEY),
    );
    let data = |token: &str| business.data(token).expect(200).json()["data"]["user"].clone();
    let theirs = data(&token(&auth, "17"));
    assert_eq!((&theirs["id"], &theirs["external"]), (&json!("17"), &json!(true)));
    let ours = data(&narrowed(&auth));
    assert!(ours.get("external").is_none(), "{ours}");
}

#[test]
fn a_form_login_over_an_external_session_ends_it() {
    let auth = AuthService::launch(&launch());
    let theirs = token(&auth, "17");
    let form = format!("username={}&password={}&next=", DEMO.0.replace('@', "%40"), DEMO.1);
    auth.public.send(Request::post("/login").cookie(&theirs).form(&form)).expect(303);
    assert_eq!(auth.session(&theirs).status, 401);
}
