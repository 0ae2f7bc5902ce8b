//! Whoever asks for a mail learns nothing of who has an account: the same bytes, the same work.

use std::time::Duration;

use serde_json::json;

use super::mailbox::Mailbox;
use super::recovery::forgot;
use crate::harness::{ANN, AuthService, BOB, LONG_PASSWORD, Request, now};

/// Known; unknown; disabled.
const ADDRESSES: [&str; 3] = [ANN, "nobody@example.com", BOB];

fn unlimited(mailbox: &Mailbox) -> AuthService {
    let launch = mailbox
        .launch()
        .var("AUTH_SIGNUP", "open")
        .var("RUST_LOG", "warn")
        .var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0");
    let auth = AuthService::launch_with_users(launch);
    auth.users_command(&["disable", BOB]);
    auth
}

#[test]
fn known_unknown_and_disabled_are_answered_byte_for_byte_the_same() {
    let mailbox = Mailbox::new();
    let auth = unlimited(&mailbox);
    let same = |answers: Vec<crate::harness::Answer>| {
        let mut answers: Vec<_> =
            answers.into_iter().map(|answer| answer.expect(202).without_id_and_date()).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    };
    same(ADDRESSES.iter().map(|address| forgot(&auth, address)).collect());
    let form = |path: &str, address: &str| {
        let body =
            format!("email={}&password=seven+green+kettles+whistle", address.replace('@', "%40"));
        auth.public.send(Request::post(path).form(&body))
    };
    same(ADDRESSES.iter().map(|address| form("/password/forgot", address)).collect());
    same(ADDRESSES.iter().map(|address| form("/signup", address)).collect());
    let sign_up = |address: &&str| {
        let new = json!({"email": address, "password": LONG_PASSWORD});
        auth.public.send(Request::post("/api/v1/users").json(&new))
    };
    same(ADDRESSES.iter().map(sign_up).collect());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement: two hundred requests of each kind, on a machine that does nothing else"]
fn medians_of_two_hundred() {
    let mailbox = Mailbox::new();
    let auth = unlimited(&mailbox);
    let mut connection = auth.public.connect();
    let mut times = vec![Vec::new(); ADDRESSES.len()];
    for round in 0..201 {
        for turn in 0..ADDRESSES.len() {
            // Each comes after each of the others equally often.
            let turn = if round % 2 == 0 { turn } else { ADDRESSES.len() - 1 - turn };
            let index = (turn + round) % ADDRESSES.len();
            let body = json!({"email": ADDRESSES[index]});
            let begun = now();
            let status = connection.send(&Request::post("/password/forgot").json(&body)).status;
            let took = begun.elapsed();
            assert_eq!(status, 202);
            if round > 0 {
                times[index].push(took);
            }
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    let spread = most.as_secs_f64() / least.as_secs_f64();
    eprintln!("known, unknown, disabled: {medians:?}: {spread:.3}");
    assert!(spread <= 1.1, "{medians:?}");
}
