//! A request that carries several tokens, where it is to end sessions: none of them is passed over.

use crate::harness::{ANN, Answer, AuthService, LONG_PASSWORD, Request, is_alive};

/// How two tokens come, and whether one of them comes in a cookie.
type Carrying = (&'static str, bool, fn(Request, &str, &str) -> Request);

fn pair(one: &str, other: &str) -> String {
    format!("theme=dark; reinflate={one}; reinflate={other}")
}

const WAYS: [Carrying; 14] = [
    ("two cookies in one line", true, |request, a, b| request.header("Cookie", pair(a, b))),
    ("two lines of cookies", true, |request, a, b| request.cookie(a).cookie(b)),
    ("a bearer and a cookie", true, |request, a, b| request.bearer(a).cookie(b)),
    ("a token header and a cookie", true, |request, a, b| request.token(a).cookie(b)),
    ("both headers", false, |request, a, b| request.token(a).bearer(b)),
    ("one header twice", false, |request, a, b| request.token(a).token(b)),
    ("two bearers", false, |request, a, b| request.bearer(a).bearer(b)),
    ("nonsense between them", true, |request, a, b| {
        request.bearer(a).cookie("nonsense").header("Cookie", pair(b, "rfl_x")).token("")
    }),
    ("another scheme beside them", true, |request, a, b| {
        request.header("Authorization", "Basic YTpi").token(b).cookie(a).cookie(b)
    }),
    ("a list in the token header", false, |request, a, b| request.token(&format!("{a},{b}"))),
    ("a list of bearers in one header", false, |request, a, b| {
        request.header("Authorization", format!("Bearer {a}, Bearer {b}"))
    }),
    ("a scheme in the token header, none in the other", false, |request, a, b| {
        request.token(&format!("Bearer {a}")).header("Authorization", b)
    }),
    ("a tab after the scheme, and quotes in a header", false, |request, a, b| {
        request.header("Authorization", format!("Bearer\t{a}")).token(&format!("\"{b}\""))
    }),
    ("cookies with a comma between them and quotes in a header", true, |request, a, b| {
        request.header("Cookie", format!("reinflate={a}, reinflate=\"{b}\""))
    }),
];

fn clears_the_cookie(answer: &Answer) -> bool {
    let cookie = answer.header("set-cookie").unwrap_or_default();
    cookie.starts_with("reinflate=;") && cookie.contains("Max-Age=0")
}

#[test]
fn a_logout_ends_every_session_that_a_presented_token_opens() {
    let auth = AuthService::start();
    let spared = auth.token();
    for (name, by_cookie, carrying) in WAYS {
        let [a, b, ended] = [auth.token(), auth.token(), auth.token()];
        auth.logout(&ended);
        let answer = auth.public.send(carrying(Request::post("/logout"), &a, &b));
        assert_eq!(answer.status, 204, "{name}: {answer:?}");
        assert_eq!(clears_the_cookie(&answer), by_cookie, "{name}: {answer:?}");
        assert!(!is_alive(&auth.look_at(&a)), "{name}: the first lives on");
        assert!(!is_alive(&auth.look_at(&b)), "{name}: the second lives on");
        for (one, other) in [(&auth.token(), &ended), (&ended, &auth.token())] {
            auth.public.send(carrying(Request::post("/logout"), one, other)).expect(204);
            assert!(!is_alive(&auth.look_at(one)) && !is_alive(&auth.look_at(other)), "{name}");
        }
    }
    assert!(is_alive(&auth.look_at(&spared)));
}

#[test]
fn a_forms_logout_ends_them_all_and_leads_to_the_login() {
    let auth = AuthService::start();
    for (name, _, carrying) in WAYS {
        let [a, b] = [auth.token(), auth.token()];
        let answer = auth.public.send(carrying(Request::post("/logout").form(""), &a, &b));
        assert_eq!(answer.status, 303, "{name}: {answer:?}");
        assert_eq!(answer.header("location"), Some("/login"), "{name}");
        assert!(clears_the_cookie(&answer), "{name}: {answer:?}");
        assert!(!is_alive(&auth.look_at(&a)) && !is_alive(&auth.look_at(&b)), "{name}");
    }
}

#[test]
fn a_right_form_login_ends_the_sessions_of_all_its_cookies_and_a_wrong_one_none() {
    let auth = AuthService::with_users();
    let form = |password: &str| {
        let password = password.replace(' ', "+");
        Request::post("/login").form(&format!("username={ANN}&password={password}"))
    };
    for (name, by_cookie, carrying) in WAYS {
        if !by_cookie || name.contains("header") || name.contains("nonsense") {
            continue;
        }
        let [a, b] = [auth.token(), auth.token()];
        let wrong = auth.public.send(carrying(form("wrong+password+here"), &a, &b));
        assert!([400, 401].contains(&wrong.status), "{name}: {wrong:?}");
        assert!(is_alive(&auth.look_at(&a)) && is_alive(&auth.look_at(&b)), "{name}");
    }
    for cookies in [1, 2] {
        let tokens = auth.tokens(2);
        let request = tokens[..cookies]
            .iter()
            .fold(form(LONG_PASSWORD), |request, token| request.cookie(token));
        auth.public.send(request).expect(303);
        for (at, token) in tokens.iter().enumerate() {
            assert_eq!(is_alive(&auth.look_at(token)), at >= cookies, "{at} of {cookies}");
        }
    }
    // A header beside it hides no cookie.
    let tokens = auth.tokens(2);
    let request = form(LONG_PASSWORD).token(&tokens[0]).cookie(&tokens[1]);
    auth.public.send(request).expect(303);
    assert!(is_alive(&auth.look_at(&tokens[0])) && !is_alive(&auth.look_at(&tokens[1])));
}

#[test]
fn what_ends_nothing_stays_strict_about_several_tokens() {
    let auth = AuthService::start();
    let [a, b] = [auth.token(), auth.token()];
    for (name, _, carrying) in WAYS {
        let answer = auth.public.send(carrying(Request::get("/session"), &a, &b));
        let strict = [200, 400, 401].contains(&answer.status);
        assert!(strict, "{name}: {answer:?}");
        let both = answer.status == 200 && name.contains("two");
        assert!(!both, "{name}: one of several was picked");
    }
}
