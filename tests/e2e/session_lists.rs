//! A user's sessions: seeing them, ending one, all, or all others.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{ANN, AuthService, BOB, LONG_PASSWORD, Request, is_alive, let_time_pass};

fn list(auth: &AuthService, token: &str) -> Vec<Value> {
    let answer = auth.public.send(Request::get("/sessions").bearer(token)).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()["sessions"].as_array().expect("a list").clone()
}

fn end(auth: &AuthService, token: &str, path: &str) -> crate::harness::Answer {
    auth.public.send(Request::delete(path).bearer(token))
}

fn id_of(auth: &AuthService, token: &str) -> String {
    auth.look_at(token)["session"]["id"].as_str().unwrap().to_owned()
}

fn alive(auth: &AuthService, tokens: &[String]) -> Vec<bool> {
    tokens.iter().map(|token| is_alive(&auth.look_at(token))).collect()
}

#[test]
fn the_callers_live_sessions_are_listed_newest_use_first() {
    let auth = AuthService::with_users();
    auth.login(BOB, LONG_PASSWORD);
    let tokens: Vec<String> = (0..3).map(|_| auth.login(ANN, LONG_PASSWORD)).collect();
    let ended = auth.login(ANN, LONG_PASSWORD);
    auth.logout(&ended);
    let_time_pass(Duration::from_millis(20));
    auth.validate(&tokens[0]);
    let_time_pass(Duration::from_millis(20));
    let sessions = list(&auth, &tokens[1]);
    let ids: Vec<&str> = sessions.iter().map(|session| session["id"].as_str().unwrap()).collect();
    let expected: Vec<String> =
        [1, 0, 2].iter().map(|which| id_of(&auth, &tokens[*which])).collect();
    assert_eq!(ids, expected);
    let current: Vec<bool> = sessions.iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [true, false, false]);
    assert!(sessions.iter().all(|session| session["user"]["username"] == ANN));
    assert!(
        !sessions.iter().any(|session| session.to_string().contains("rfl_")),
        "no token is shown"
    );
}

#[test]
fn being_listed_is_no_use() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    list(&auth, &tokens[0]);
    list(&auth, &tokens[0]);
    assert_eq!(auth.look_at(&tokens[1])["session"]["refresh_count"], 0);
}

#[test]
fn one_session_is_ended_by_its_id() {
    let auth = AuthService::start();
    let tokens = auth.tokens(3);
    let path = format!("/sessions/{}", id_of(&auth, &tokens[1]));
    end(&auth, &tokens[0], &path).expect(204);
    assert_eq!(alive(&auth, &tokens), [true, false, true]);
    end(&auth, &tokens[0], &path).expect_problem(404, "not_found");
    let own = format!("/sessions/{}", id_of(&auth, &tokens[0]));
    end(&auth, &tokens[0], &own).expect(204);
    assert_eq!(alive(&auth, &tokens), [false, false, true]);
}

#[test]
fn another_users_session_is_not_there() {
    let auth = AuthService::with_users();
    let (ann, bob) = (auth.login(ANN, LONG_PASSWORD), auth.login(BOB, LONG_PASSWORD));
    let of_bob = end(&auth, &ann, &format!("/sessions/{}", id_of(&auth, &bob)));
    let of_bob = of_bob.expect_problem(404, "not_found");
    let of_nobody = end(&auth, &ann, "/sessions/019a0000-0000-7000-8000-000000000000");
    let of_nobody = of_nobody.expect_problem(404, "not_found");
    assert_eq!(of_bob.without_id_and_date(), of_nobody.without_id_and_date());
    assert!(is_alive(&auth.validate(&bob)));
    for nonsense in ["/sessions/nonsense", "/sessions/%00", "/sessions/..%2f", "/sessions/1"] {
        assert!(matches!(end(&auth, &ann, nonsense).status, 400 | 404), "{nonsense}");
    }
}

#[test]
fn all_sessions_are_ended_the_own_one_too() {
    let auth = AuthService::with_users();
    let tokens: Vec<String> = (0..3).map(|_| auth.login(ANN, LONG_PASSWORD)).collect();
    let bob = auth.login(BOB, LONG_PASSWORD);
    end(&auth, &tokens[0], "/sessions").expect(204);
    assert_eq!(alive(&auth, &tokens), [false, false, false]);
    assert!(is_alive(&auth.validate(&bob)));
}

#[test]
fn all_other_sessions_are_ended_where_the_own_one_is_kept() {
    let auth = AuthService::start();
    let tokens = auth.tokens(3);
    end(&auth, &tokens[1], "/sessions?keep=current").expect(204);
    assert_eq!(alive(&auth, &tokens), [false, true, false]);
}

#[test]
fn a_word_that_keep_does_not_know_ends_nothing() {
    let auth = AuthService::start();
    let tokens = auth.tokens(2);
    for query in ["?keep=", "?keep=all", "?keep=current&keep=current", "?keep=Current"] {
        let answer = end(&auth, &tokens[0], &format!("/sessions{query}"));
        let answer = answer.expect_problem(400, "invalid_request");
        assert!(answer.text().contains("the query parameter `keep`"), "{answer:?}");
    }
    assert_eq!(alive(&auth, &tokens), [true, true]);
}

#[test]
fn without_a_live_token_nothing_is_shown_or_ended() {
    let auth = AuthService::start();
    let token = auth.token();
    for method in ["GET", "DELETE"] {
        auth.public.send(Request::new(method, "/sessions")).expect_problem(401, "missing_token");
        let invalid = auth.public.send(Request::new(method, "/sessions").bearer("nonsense"));
        invalid.expect_problem(401, "invalid_token");
    }
    assert!(is_alive(&auth.validate(&token)));
}

#[test]
fn the_own_session_is_shown() {
    let auth = AuthService::start();
    let token = auth.token();
    let session = auth.session(&token).expect(200).json();
    assert_eq!(session["id"], id_of(&auth, &token));
    assert_eq!(session["user"]["username"], "jsf.fusco@gmail.com");
}
