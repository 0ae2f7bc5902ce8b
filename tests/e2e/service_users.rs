//! Users that are programs: a name that need be no address, no password, and tokens that admins mint.

use serde_json::{Value, json};

use crate::harness::{ANN, Answer, AuthService, LONG_PASSWORD, Launch, Request, is_alive, uuid};

fn create(auth: &AuthService, admin: &str, body: &Value) -> Answer {
    auth.public.send(Request::post("/api/v1/users").bearer(admin).json(body))
}

/// The id of a new service user.
#[track_caller]
fn service(auth: &AuthService, admin: &str, name: &str, roles: &Value) -> String {
    let body = json!({"username": name, "service": true, "roles": roles});
    uuid(&create(auth, admin, &body).expect(201).json())
}

fn try_mint(auth: &AuthService, admin: &str, id: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/users/{id}/tokens");
    auth.public.send(Request::post(&path).bearer(admin).json(body))
}

#[track_caller]
fn mint(auth: &AuthService, admin: &str, id: &str, body: &Value) -> String {
    let minted = try_mint(auth, admin, id, body).expect(201).json();
    let token = minted["token"].as_str().unwrap().to_owned();
    auth.keep_token_secret(&token);
    token
}

#[test]
fn an_admin_makes_one_and_mints_its_tokens() {
    let auth = AuthService::start();
    let admin = auth.token();
    let body = json!({"username": "deploy-bot", "service": true});
    let created = create(&auth, &admin, &body).expect(201);
    let location = created.header("location").unwrap().to_owned();
    let created = created.json();
    assert_eq!((&created["service"], &created["username"]), (&json!(true), &json!("deploy-bot")));
    assert_eq!((&created["email"], &created["roles"]), (&Value::Null, &json!(["user"])));
    assert_eq!(
        auth.api_get(location.strip_prefix("/api/v1").unwrap(), &admin).expect(200).json(),
        created
    );
    let id = uuid(&created);
    let wanted = json!({"name": "ci", "ttl": "30d", "scopes": ["reports:read"]});
    let minted = try_mint(&auth, &admin, &id, &wanted).expect(201).json();
    let session = &minted["session"];
    assert_eq!(session["user"], json!({"id": id, "username": "deploy-bot", "roles": ["user"]}));
    assert_eq!((&session["role"], &session["name"]), (&json!("user"), &json!("ci")));
    assert_eq!((&session["kind"], &session["scopes"]), (&json!("fixed"), &json!(["reports:read"])));
    let token = minted["token"].as_str().unwrap();
    assert!(is_alive(&auth.validate(token)));
    let passed = auth.internal.send(Request::get("/authz/forward-auth").bearer(token)).expect(200);
    for (name, value) in [
        ("remote-user", "deploy-bot"),
        ("remote-email", "deploy-bot"),
        ("remote-name", "deploy-bot"),
        ("remote-scopes", "reports:read"),
        ("remote-external", "false"),
    ] {
        assert_eq!(passed.header(name), Some(value));
    }
    let list = auth.api_get(&format!("/users/{id}/sessions"), &admin).expect(200).json();
    assert_eq!(list["sessions"][0]["refresh_count"], 2, "with their last use");
    let found = auth.api_get("/users?q=deploy", &admin).expect(200).json();
    assert_eq!(found["users"][0]["username"], "deploy-bot");
}

#[test]
fn it_is_not_logged_in_by_any_name_or_password() {
    let auth = AuthService::with_users();
    let admin = auth.token();
    service(&auth, &admin, "ci", &json!(["user"]));
    service(&auth, &admin, "bot@example.com", &json!(["user"]));
    for name in ["ci", "bot@example.com"] {
        for password in ["!", "", " ", "null", LONG_PASSWORD] {
            auth.try_login(name, password).expect_problem(401, "invalid_credentials");
            let basic = Request::post("/login").basic(name, password);
            auth.public.send(basic).expect(401);
        }
    }
    // Nor is it given a password.
    let id = service(&auth, &admin, "cd", &json!(["user"]));
    let path = format!("/users/{id}/password");
    let new = json!({"new_password": LONG_PASSWORD});
    auth.api_put(&path, &admin, &new).expect_problem(422, "unprocessable");
    let own = mint(&auth, &admin, &id, &json!({"kind": "sliding"}));
    let new = json!({"current_password": "!", "new_password": LONG_PASSWORD});
    auth.api_put("/users/me/password", &own, &new).expect_problem(422, "unprocessable");
    auth.try_login("cd", LONG_PASSWORD).expect(401);
}

#[test]
fn its_name_and_its_members_keep_the_rules() {
    let auth = AuthService::with_users();
    let admin = auth.token();
    for (body, status) in [
        (json!({"service": true}), 400),
        (json!({"service": true, "username": 7}), 400),
        (json!({"service": true, "username": ""}), 422),
        (json!({"service": true, "username": "a b"}), 422),
        (json!({"service": true, "username": "a\u{0}b"}), 422),
        (json!({"service": true, "username": "x".repeat(255)}), 422),
        (json!({"service": true, "username": "a", "roles": []}), 422),
        (json!({"service": true, "username": "a", "roles": ["a b"]}), 422),
        (json!({"service": true, "username": "a", "password": LONG_PASSWORD}), 422),
        (json!({"service": true, "username": "a", "email": "a@example.com"}), 422),
        (json!({"service": true, "username": ANN}), 409),
        (json!({"service": false, "username": "a"}), 400),
        (json!({"service": "yes", "username": "a"}), 400),
    ] {
        assert_eq!(create(&auth, &admin, &body).status, status, "{body}");
    }
    service(&auth, &admin, "CI", &json!(["user"]));
    let again = json!({"service": true, "username": "ci"});
    create(&auth, &admin, &again).expect_problem(409, "conflict");
}

#[test]
fn only_an_admin_makes_them_and_mints_for_them_and_for_nobody_else() {
    let auth = AuthService::launch_with_users(Launch::auth().var("AUTH_SIGNUP", "open"));
    let (admin, ann) = (auth.token(), auth.login(ANN, LONG_PASSWORD));
    let body = json!({"service": true, "username": "ci"});
    create(&auth, &ann, &body).expect_problem(403, "forbidden");
    auth.public.send(Request::post("/api/v1/users").json(&body)).expect_problem(403, "forbidden");
    let id = service(&auth, &admin, "ci", &json!(["admin", "user"]));
    try_mint(&auth, &ann, &id, &json!({})).expect_problem(404, "not_found");
    let people = auth.api_get("/users?q=ann", &admin).expect(200).json();
    let person = uuid(&people["users"][0]);
    try_mint(&auth, &admin, &person, &json!({})).expect_problem(403, "forbidden");
    try_mint(&auth, &admin, "me", &json!({})).expect_problem(403, "forbidden");
    try_mint(&auth, &admin, "0193", &json!({})).expect_problem(404, "not_found");
    let unknown = "01935a3e-0000-7000-8000-000000000000";
    try_mint(&auth, &admin, unknown, &json!({})).expect_problem(404, "not_found");
    // What a service mints for itself is its own; for another service it must be an admin.
    let own = mint(&auth, &admin, &id, &json!({"kind": "sliding"}));
    let other = service(&auth, &own, "cd", &json!(["user"]));
    mint(&auth, &own, &other, &json!({}));
    let fixed = mint(&auth, &admin, &id, &json!({}));
    try_mint(&auth, &fixed, &other, &json!({})).expect_problem(403, "forbidden");
    let narrowed = mint(&auth, &admin, &id, &json!({"kind": "sliding", "scopes": ["a"]}));
    try_mint(&auth, &narrowed, &other, &json!({})).expect_problem(403, "forbidden");
    auth.public.send(Request::get("/api/v1/users").bearer(&narrowed)).expect(403);
}

#[test]
fn an_old_login_mints_for_no_service() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_FRESH_FOR", "1ms"));
    let admin = auth.token();
    let id = service(&auth, &admin, "ci", &json!(["user"]));
    crate::harness::let_time_pass(std::time::Duration::from_millis(20));
    let refused = try_mint(&auth, &admin, &id, &json!({}));
    refused.expect_problem(401, "reauthentication_required");
}

#[test]
fn whatever_ends_a_users_sessions_ends_its_tokens_and_a_disabled_one_gets_none() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = service(&auth, &admin, "ci", &json!(["user"]));
    let path = format!("/users/{id}");
    for change in [json!({"roles": ["user", "team"]}), json!({"disabled": true})] {
        let token = mint(&auth, &admin, &id, &json!({}));
        auth.api_put(&path, &admin, &change).expect(200);
        assert!(!is_alive(&auth.validate(&token)), "{change}");
    }
    try_mint(&auth, &admin, &id, &json!({})).expect_problem(403, "forbidden");
    auth.api_put(&path, &admin, &json!({"disabled": false})).expect(200);
    let token = mint(&auth, &admin, &id, &json!({}));
    auth.api_delete(&path, &admin).expect(204);
    assert!(!is_alive(&auth.validate(&token)));
}

#[test]
fn a_service_is_not_the_admin_who_must_stay() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = service(&auth, &admin, "ci", &json!(["admin"]));
    auth.api_delete("/users/me", &admin).expect_problem(409, "conflict");
    auth.api_delete(&format!("/users/{id}"), &admin).expect(204);
}

#[test]
fn the_command_makes_one_without_a_password() {
    let auth = AuthService::with_users();
    let made = auth.users_command(&["add", "deploy-bot", "--service", "-o", "json"]);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!((&made["service"], &made["username"]), (&json!(true), &json!("deploy-bot")));
    assert_eq!((&made["email"], &made["roles"]), (&Value::Null, &json!(["user"])));
    assert!(auth.users_command(&["list"]).stdout.contains("deploy-bot"));
    let refused = auth.try_users_command(&["passwd", "deploy-bot"], LONG_PASSWORD);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no password"), "{refused:?}");
    let admin = auth.token();
    mint(&auth, &admin, &uuid(&made), &json!({}));
    auth.users_command(&["rename", "deploy-bot", "release-bot"]);
    auth.users_command(&["roles", "release-bot", "admin,user"]);
    auth.users_command(&["disable", "release-bot"]);
    auth.users_command(&["delete", "release-bot"]);
    for name in ["", "a b", "deploy-bot\n"] {
        let refused = auth.try_users_command(&["add", name, "--service"], "");
        assert!(refused.code != Some(0) || name.trim() != name, "{name:?}: {refused:?}");
    }
    let both = auth.try_users_command(&["add", "x", "--service", "--password-file", "p"], "");
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn the_admins_pages_make_one_and_its_tokens() {
    let auth = AuthService::start();
    let admin = auth.token();
    let send = |request: Request| auth.public.send(request.cookie(&admin));
    send(Request::get("/admin/users/new-service")).expect(200);
    let form = |fields: &str| send(Request::post("/admin/users/new-service").form(fields));
    form("username=a+b&roles=user").expect(422);
    let made = form("username=deploy-bot&roles=team%2C+user").expect(303);
    let path = made.header("location").unwrap().split('?').next().unwrap().to_owned();
    let page = send(Request::get(&path)).expect(200).text();
    assert!(page.contains("deploy-bot") && page.contains("team, user"), "{page}");
    let fields = "name=ci&kind=fixed&ttl=30d&scopes=reports%3Aread";
    let minted = send(Request::post(&format!("{path}/tokens")).form(fields)).expect(201).text();
    let token = minted.split("<code class=\"token\">").nth(1).unwrap();
    let token = token.split('<').next().unwrap();
    let verdict = auth.validate(token);
    assert_eq!(verdict["session"]["user"]["username"], "deploy-bot");
    assert_eq!(
        (&verdict["session"]["role"], &verdict["session"]["scopes"][0]),
        (&json!("team"), &json!("reports:read"))
    );
    let page = send(Request::get(&path)).expect(200).text();
    assert!(page.contains("Only for <code>reports:read</code>") && page.contains("Last used"));
    assert!(!page.contains(token), "it is shown once");
    let wrong = send(Request::post(&format!("{path}/tokens")).form("name=a&kind=fixed&ttl=91d"));
    assert!(wrong.expect(422).text().contains("deploy-bot"));
    assert!(send(Request::get("/admin/users")).expect(200).text().contains("new-service"));
    let me = auth.session(&admin).expect(200).json()["user"]["id"].as_str().unwrap().to_owned();
    let own = send(Request::post(&format!("/admin/users/{me}/tokens")).form(fields));
    own.expect(403);
}
