//! business-service reads one session cookie, the one that its auth service sets: a cookie of
//! another name is whoever's planted it.

use serde_json::json;

use crate::harness::{AuthService, BusinessService, DEMO, Launch, Listener, Request};

const NAMES: [&str; 3] = ["__Host-reinflate", "__Secure-reinflate", "reinflate"];

fn with(cookies: &str) -> Request {
    Request::get("/protected-resource").header("Cookie", cookies)
}

/// What holds where `name` is the name: a session that somebody planted under another name opens
/// nothing, alone or beside the right one.
fn one_name_is_read(service: Listener, name: &str, own: &str, planted: &str) {
    service.send(with(&format!("{name}={own}"))).expect(200);
    for other in NAMES.into_iter().filter(|other| *other != name) {
        service.send(with(&format!("{other}={planted}"))).expect_problem(401, "missing_token");
        for beside in
            [format!("{other}={planted}; {name}=stale"), format!("{name}=stale; {other}={planted}")]
        {
            service.send(with(&beside)).expect_problem(401, "invalid_token");
        }
        let both = service.send(with(&format!("{other}={planted}; {name}={own}"))).expect(200);
        assert_eq!(both.json()["user"], DEMO.0);
    }
}

#[test]
fn a_planted_cookie_of_another_name_opens_nothing() {
    let auth = AuthService::start();
    for (settings, name) in [
        (&[][..], "__Host-reinflate"),
        (&[("BUSINESS_PUBLIC_URL", "https://app.example.com")], "__Host-reinflate"),
        (&[("BUSINESS_PUBLIC_URL", "http://app.example.com")], "reinflate"),
        (&[("BUSINESS_COOKIE_NAME", "__Secure-reinflate")], "__Secure-reinflate"),
        (&[("BUSINESS_COOKIE_NAME", "reinflate")], "reinflate"),
    ] {
        let launch = Launch::business(auth.internal.port).without("BUSINESS_COOKIE_NAME");
        let launch = settings.iter().fold(launch, |launch, (key, value)| launch.var(key, *value));
        let business = BusinessService::launch(&launch);
        one_name_is_read(business.public, name, &auth.token(), &auth.token());
    }
}

#[test]
fn both_services_in_one_process_agree_about_the_name() {
    let domain = [
        ("AUTH_COOKIE_DOMAIN", "example.com"),
        ("AUTH_PUBLIC_URL", "https://auth.example.com"),
        ("AUTH_COOKIE_SECURE", "true"),
    ];
    for (settings, name) in [
        (&[][..], "reinflate"),
        (&[("AUTH_COOKIE_SECURE", "true")], "__Host-reinflate"),
        (&domain, "__Secure-reinflate"),
    ] {
        let launch = settings.iter().fold(Launch::pair(), |l, (key, value)| l.var(key, *value));
        let mut pair = launch.start();
        let (public, business) = (pair.listener("public"), pair.listener("business"));
        let login = || {
            let login = json!({"username": DEMO.0, "password": DEMO.1});
            let answer = public.send(Request::post("/login").json(&login)).expect(200).json();
            answer["token"].as_str().unwrap().to_owned()
        };
        let form = format!("username={}&password={}", DEMO.0.replace('@', "%40"), DEMO.1);
        let set = public.send(Request::post("/login").form(&form)).expect(303);
        let cookie = set.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        let own = cookie.split_once('=').unwrap().1;
        one_name_is_read(business, name, own, &login());
    }
}

#[test]
fn a_cookie_of_another_name_is_told_of_once() {
    const LINE: &str = "a session cookie came under another name";
    let auth = AuthService::start();
    let launch = Launch::business(auth.internal.port).without("BUSINESS_COOKIE_NAME");
    let business = BusinessService::launch(&launch);
    let token = auth.token();
    business.public.send(with(&format!("__Host-reinflate={token}; reinflate=x"))).expect(200);
    business.public.send(with("theme=dark")).expect(401);
    assert!(!business.output().iter().any(|line| line.contains(LINE)));
    for _ in 0..5 {
        business.public.send(with(&format!("reinflate={token}"))).expect(401);
        business.public.send(with(&format!("__Secure-reinflate={token}"))).expect(401);
    }
    let lines = business.log_lines_with(LINE, 1);
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{lines:?}");
    assert!(lines[0].contains("\"found\":\"reinflate\""), "{lines:?}");
    assert!(lines[0].contains("\"expected\":\"__Host-reinflate\""), "{lines:?}");
    // Whatever was written to the log since: it is told of once.
    business.public.send(Request::get("/nowhere").header("x-request-id", "the-last-one"));
    business.log_lines_with("the-last-one", 1);
    let lines = business.output();
    assert_eq!(lines.iter().filter(|line| line.contains(LINE)).count(), 1, "{lines:?}");
}
