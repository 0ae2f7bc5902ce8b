//! `reinflate`: both services in one process, the demo user, and lines to paste.

mod in_process;

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    Answer, DEMO, Launch, Listener, Process, Request, TIMEOUT, eventually, skip_unless_installed,
    unused_port,
};

fn login(listener: Listener) -> Answer {
    listener.send(Request::post("/login").json(&json!({"username": DEMO.0, "password": DEMO.1})))
}

fn token(listener: Listener) -> String {
    login(listener).expect(200).json()["token"].as_str().unwrap().to_owned()
}

/// All that a person at the terminal would see.
fn printed(process: &Process) -> String {
    [process.output(), process.errors()].concat().join("\n")
}

#[test]
fn both_services_work_together_in_one_process() {
    let mut pair = Launch::pair().start();
    let [public, internal, business, metrics] =
        ["public", "internal", "business", "business-internal"].map(|name| pair.listener(name));
    let token = token(public);
    let data = |token: &str| business.send(Request::get("/data").bearer(token));
    data(&token).expect(200);
    let verdict = internal.send(Request::post("/validateToken").json(&json!({"token": token})));
    assert_eq!(verdict.expect(200).json()["session"]["refresh_count"], 2);
    internal.get("/metrics").expect(200);
    metrics.get("/metrics").expect(200);
    for listener in [public, internal, business] {
        listener.get("/readyz").expect(200);
    }
    public.send(Request::post("/logout").bearer(&token)).expect(204);
    data(&token).expect_problem(401, "invalid_token");
}

#[test]
fn what_it_prints_can_be_pasted_into_a_shell() {
    if skip_unless_installed("curl") {
        return;
    }
    let mut pair = Launch::pair().var("LOG_FORMAT", "pretty").start();
    let business = pair.listener("business");
    pair.listener("public");
    let lines = eventually("two curl lines", TIMEOUT, || {
        let printed = printed(&pair);
        let lines = printed.lines().filter(|line| line.contains("curl ")).map(str::trim);
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        (lines.len() >= 2).then_some(lines)
    });
    let text = printed(&pair);
    assert!(text.contains(DEMO.0) && text.contains(DEMO.1), "{text}");
    assert!(text.contains(&format!("http://localhost:{}", business.port)), "{text}");
    let shell = Command::new("sh").arg("-c").arg(lines.join("\n")).output().unwrap();
    let answer = String::from_utf8_lossy(&shell.stdout).into_owned();
    assert!(shell.status.success(), "{lines:?}: {shell:?}");
    assert!(answer.contains("\"data\""), "{lines:?}: {shell:?}");
}

#[test]
fn with_a_platforms_port_both_are_behind_one_door() {
    let port = unused_port();
    let launch = Launch::pair()
        .without("AUTH_PUBLIC_ADDR")
        .without("BUSINESS_ADDR")
        .var("PORT", port.to_string())
        .var("AUTH_DEMO", "true")
        .var("AUTH_ALLOWED_ORIGINS", "https://spa.example");
    let mut pair = launch.start();
    let listener = pair.listener("public");
    assert_eq!(listener.port, port);
    let output = printed(&pair);
    assert!(output.contains(&format!("listening on http://0.0.0.0:{port} (public)")), "{output}");
    assert!(!output.contains("(business)"), "{output}");
    let token = token(listener);
    listener.send(Request::get("/data").bearer(&token)).expect(200);
    listener.send(Request::get("/session").bearer(&token)).expect(200);
    listener.get("/readyz").expect(200);
    listener.get("/livez").expect(200);
    let paths = listener.get("/openapi.json").expect(200).json()["paths"].clone();
    for path in ["/login", "/session", "/data", "/protected-resource"] {
        assert!(paths[path].is_object(), "{path}");
    }
    for path in ["/session", "/openapi.json", "/livez"] {
        let request = Request::get(path).bearer(&token).header("Origin", "https://spa.example");
        let allowed = listener.send(request).expect(200);
        let allowed = allowed.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://spa.example"), "{path}");
    }
    listener
        .send(Request::post("/validateToken").json(&json!({"token": token})))
        .expect_problem(404, "not_found");
    listener.get("/metrics").expect_problem(404, "not_found");
}

#[test]
fn open_to_the_world_it_has_no_demo_user_unless_told_to() {
    let port = unused_port().to_string();
    let open =
        Launch::pair().without("AUTH_PUBLIC_ADDR").without("BUSINESS_ADDR").var("PORT", port);
    let mut pair = open.start();
    login(pair.listener("public")).expect_problem(401, "invalid_credentials");
    assert!(!printed(&pair).contains(DEMO.1), "a user that is not there is not shown");
    let mut wide = Launch::pair().var("BUSINESS_ADDR", "0.0.0.0:0").start();
    login(wide.listener("public")).expect_problem(401, "invalid_credentials");
    let mut pair = Launch::pair().var("AUTH_DEMO", "false").start();
    login(pair.listener("public")).expect_problem(401, "invalid_credentials");
}

#[test]
fn without_a_demo_user_it_says_how_the_first_one_is_made_where_it_will_be_found() {
    let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let database = format!("sqlite:{}", home.path().join("users.db").display());
    let greeting = |launch: Launch| {
        let mut pair = launch.var("AUTH_DEMO", "false").start();
        pair.listener("public");
        eventually("a greeting", TIMEOUT, || {
            let text = pair.errors().join("\n");
            text.contains("└").then_some(text)
        })
    };
    let text = greeting(Launch::pair());
    assert!(text.contains("in memory") && text.contains("set AUTH_DATABASE_URL"), "{text}");
    let text = greeting(Launch::pair().var("AUTH_DATABASE_URL", database));
    assert!(text.contains("users add EMAIL --admin") && !text.contains("in memory"), "{text}");
}

#[test]
fn the_walk_with_curl_says_where_no_server_is() {
    if skip_unless_installed("curl") || skip_unless_installed("bash") {
        return;
    }
    let url = format!("http://127.0.0.1:{}", unused_port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/postman/demo.sh");
    let walk = Command::new("bash").arg(script).env("BASE_URL", &url).output().unwrap();
    assert_eq!(walk.status.code(), Some(1), "{walk:?}");
    let output = String::from_utf8_lossy(&walk.stderr);
    assert_eq!(output.trim(), format!("demo.sh: no server at {url}: start one with 'cargo run'"));
    assert!(walk.stdout.is_empty(), "{walk:?}");
}

#[test]
fn it_takes_the_settings_of_both_services() {
    let launch = Launch::pair()
        .var("AUTH_TOKEN_TTL", "43s")
        .var("BUSINESS_LOGIN_URL", "http://localhost:1234/login");
    let mut pair = launch.start();
    let (public, business) = (pair.listener("public"), pair.listener("business"));
    assert_eq!(login(public).expect(200).json()["expires_in"], 43);
    let page = business.send(Request::get("/dashboard").header("Accept", "text/html")).expect(303);
    let location = page.header("location").unwrap_or_default();
    assert!(location.starts_with("http://localhost:1234/login?next="), "{location}");
}
