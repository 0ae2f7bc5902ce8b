//! `Strict-Transport-Security`: on every answer of the public listener where people reach it by
//! `https`, and on no other.

use crate::harness::{Answer, AuthService, Launch, Listener, Request};

const HEADER: &str = "strict-transport-security";

fn answers(listener: Listener) -> Vec<Answer> {
    let login = Request::post("/login");
    [
        Request::get("/livez"),
        Request::get("/openapi.json"),
        Request::get("/reinflate.css"),
        Request::get("/nowhere"),
        Request::get("/nowhere").header("Accept", "text/html"),
        Request::get("/session"),
        Request::new("PATCH", "/session"),
        Request::get("/login"),
        login.clone().body("text/plain", "x"),
        login.body("application/json", "{"),
    ]
    .map(|request| listener.send(request))
    .into()
}

#[test]
fn every_answer_to_people_who_come_by_https_keeps_them_there() {
    let auth = AuthService::launch(&Launch::auth().var("AUTH_PUBLIC_URL", "https://auth.example"));
    for answer in answers(auth.public) {
        assert_eq!(answer.all(HEADER), ["max-age=31536000"], "{answer:?}");
    }
    for answer in answers(auth.internal) {
        assert_eq!(answer.header(HEADER), None, "{answer:?}");
    }
}

#[test]
fn over_plain_http_nothing_is_promised() {
    let auth = AuthService::start();
    for answer in answers(auth.public) {
        assert_eq!(answer.header(HEADER), None, "{answer:?}");
    }
}
