//! What holds through every proxy, whichever it is. Each proxy's module runs all of it.

use super::IDENTITY;
use super::application::Received;
use super::front::{HOST, Stage};
use crate::harness::{ANN, DEMO, LONG_PASSWORD, Request, TIMEOUT, eventually, is_alive};

/// A live session passes, with any method, and the application hears who it is.
pub(super) fn a_live_session_passes(stage: &Stage) {
    let answer = stage.auth.login_answer(DEMO.0, DEMO.1);
    let token = answer["token"].as_str().unwrap();
    let (user, session) = (&answer["session"]["user"]["id"], &answer["session"]["id"]);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REINFLATE"] {
        for request in [
            Request::new(method, "/a/b?c=d%2fe").token(token),
            Request::new(method, "/a/b?c=d%2fe").bearer(token),
            Request::new(method, "/a/b?c=d%2fe").cookie(token),
        ] {
            let request =
                if method == "GET" { request } else { request.body("text/plain", "hello") };
            let received = Received::of(&stage.send(request));
            assert!(received.line.starts_with(&format!("{method} /a/b?c=d%2fe ")), "{received:?}");
            assert_eq!(received.body, if method == "GET" { "" } else { "hello" }, "{method}");
            let expected = [
                DEMO.0,
                DEMO.0,
                DEMO.0,
                "admin",
                "*",
                "false",
                user.as_str().unwrap(),
                session.as_str().unwrap(),
            ];
            for (name, value) in IDENTITY.into_iter().zip(expected) {
                assert_eq!(received.header(name), value, "{name}");
            }
        }
    }
    stage.send(Request::new("HEAD", "/a").token(token)).expect(200);
    assert!(is_alive(&stage.auth.validate(token)));
}

/// A request is one use: it re-inflates once.
pub(super) fn a_request_is_one_use(stage: &Stage) {
    let token = stage.auth.token();
    for count in 1..=3 {
        stage.send(Request::get("/").token(&token)).expect(200);
        let verdict = stage.auth.look_at(&token);
        assert_eq!(verdict["session"]["refresh_count"], count, "{verdict}");
    }
    let once = stage.auth.mint(&token, &serde_json::json!({"kind": "single_use"}));
    stage.send(Request::get("/").token(&once)).expect(200);
    stage.send(Request::get("/").token(&once)).expect(401);
}

/// Without a live session nothing reaches the application.
pub(super) fn others_are_refused(stage: &Stage) {
    let bearer = "Bearer realm=\"reinflate\"";
    stage.send(Request::get("/")).expect(401).expect_challenge(bearer);
    let token = stage.auth.token();
    stage.auth.logout(&token);
    let other = stage.auth.token();
    for request in [
        Request::get("/").token(&token),
        Request::get("/").bearer("nonsense"),
        Request::get("/").token(&other).bearer(&token),
        Request::get("/").cookie(&token),
    ] {
        stage.send(request).expect(401).expect_challenge_error("invalid_token");
    }
    for method in ["HEAD", "POST", "OPTIONS", "PROPFIND"] {
        stage.send(Request::new(method, "/")).expect(401);
    }
    assert_eq!(stage.application.received(), 0);
}

/// A browser that goes somewhere is sent to the login, and is to come back.
pub(super) fn a_browser_is_sent_to_the_login(stage: &Stage) {
    let port = stage.front.port;
    let page = |request: Request| request.header("Accept", "text/html,*/*;q=0.8");
    let target = "/a/b?c=d&e=%2f";
    let next = format!("http%3A%2F%2F{HOST}%3A{port}%2Fa%2Fb%3Fc%3Dd%26e%3D%252f");
    let login = format!("http://{HOST}:{port}/login?next={next}");
    for request in [
        page(Request::get(target)),
        page(Request::new("HEAD", target)),
        page(Request::get(target)).header("Sec-Fetch-Mode", "navigate"),
        page(Request::get(target)).cookie("long-gone"),
    ] {
        let answer = stage.send(request).expect(302);
        assert_eq!(answer.header("location"), Some(login.as_str()), "{answer:?}");
    }
    for request in [
        page(Request::post(target)),
        page(Request::new("PROPFIND", target)),
        page(Request::get(target)).header("Sec-Fetch-Mode", "cors"),
        page(Request::get(target)).header("X-Requested-With", "XMLHttpRequest"),
        Request::get(target).header("Accept", "application/json"),
    ] {
        let answer = stage.send(request).expect(401);
        assert_eq!(answer.header("location"), None, "{answer:?}");
    }
    assert_eq!(stage.application.received(), 0);
}

/// What wants a role is reached by those who act in it, however its path is written.
pub(super) fn another_role_is_refused(stage: &Stage) {
    let admin = stage.auth.token();
    let ann = stage.auth.login(ANN, LONG_PASSWORD);
    let paths = [
        "/admin/",
        "/admin/a",
        "/admin",
        "/ADMIN/a",
        "/%61dmin/a",
        "/admin%2fa",
        "//admin/a",
        "/x/../admin/a",
        "/./admin/a",
        "/x/%2e%2e/admin/a",
        "/admin;x/a",
        "/admin/../admin/?role=user",
    ];
    for path in paths {
        let answer = stage.send(Request::get(path).token(&ann)).expect(403);
        assert_eq!(answer.header("location"), None, "{answer:?}");
        stage.send(Request::get(path).token(&admin)).expect(200);
    }
    let browser = Request::get("/admin/").cookie(&ann).header("Accept", "text/html");
    stage.send(browser).expect(403);
    stage.send(Request::get("/admin/")).expect(401);
    // The client's own query asks for nothing.
    for (token, path) in [(&admin, "/?role=user"), (&ann, "/a?role=admin&x=y"), (&ann, "/?rol")] {
        stage.send(Request::get(path).token(token)).expect(200);
    }
    let received = Received::of(&stage.send(Request::get("/").token(&ann)));
    assert_eq!(received.header("remote-groups"), "user");
    assert_eq!(received.header("remote-user"), ANN);
}

/// Where the auth service does not answer, no request passes, and none is redirected to the login.
pub(super) fn an_outage_is_503(mut stage: Stage) {
    let token = stage.auth.token();
    stage.send(Request::get("/fail").token(&token)).expect(500);
    // A signal takes effect in its own time.
    let becomes = |status: u16| {
        eventually(&format!("the answer is {status}"), TIMEOUT, || {
            let answer = stage.send(Request::get("/").token(&token));
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            (answer.status == status).then_some(())
        });
    };
    stage.auth.signal("STOP");
    becomes(503);
    stage.auth.signal("CONT");
    becomes(200);
    let received = stage.application.received();
    stage.auth.kill();
    let browser = Request::get("/").cookie(&token).header("Accept", "text/html");
    for request in [Request::get("/").token(&token), Request::post("/"), browser] {
        let answer = stage.send(request).expect(503);
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
    }
    assert_eq!(stage.application.received(), received);
}

/// The questions themselves are not for clients.
pub(super) fn the_doors_are_not_open_to_clients(stage: &Stage) {
    let token = stage.auth.token();
    for path in ["/authz/forward-auth", "/validateToken", "/introspect", "/metrics"] {
        let received = Received::of(&stage.send(Request::get(path).token(&token)));
        assert!(received.line.starts_with(&format!("GET {path} ")), "{received:?}");
    }
}

/// Somebody without a session logs in on `login_host`, comes back with the cookie, and logs out.
pub(super) fn a_person_logs_in_and_comes_back(stage: &Stage, login_host: &str) {
    let port = stage.front.port;
    let origin = format!("http://{login_host}:{port}");
    let page = |request: Request| request.header("Accept", "text/html");
    let turned_away = stage.send(page(Request::get("/a?b=c"))).expect(302);
    let login = turned_away.header("location").unwrap().strip_prefix(&origin).unwrap();
    let shown = stage.send_to(login_host, page(Request::get(login))).expect(200).text();
    let style = shown.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    let style =
        stage.send_to(login_host, Request::get(style.split('"').next().unwrap())).expect(200);
    assert!(style.header("content-type").is_some_and(|kind| kind.starts_with("text/css")));

    let next = login.split_once("next=").unwrap().1;
    let form = format!("username={ANN}&password={}&next={next}", LONG_PASSWORD.replace(' ', "+"));
    let submitted = Request::post("/login").header("Origin", &origin).form(&form);
    let answer = stage.send_to(login_host, page(submitted)).expect(303);
    assert_eq!(answer.header("location"), Some(format!("http://{HOST}:{port}/a?b=c").as_str()));
    let cookie = answer.header("set-cookie").unwrap();
    let shared = cookie.contains("; Domain=example.com");
    assert_eq!(shared, login_host != HOST, "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let with_cookie = |request: Request| page(request).header("Cookie", cookie);
    let received = Received::of(&stage.send(with_cookie(Request::get("/a?b=c"))));
    assert_eq!(received.header("remote-user"), ANN);
    let account = stage.send_to(login_host, with_cookie(Request::get("/account"))).expect(200);
    assert!(account.text().contains(ANN), "{account:?}");
    let logout = with_cookie(Request::post("/logout")).header("Origin", &origin).form("");
    stage.send_to(login_host, logout).expect(303);
    stage.send(with_cookie(Request::get("/a"))).expect(302);
}
