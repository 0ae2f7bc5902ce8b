//! What each filter selects, and what two of them do together, wherever sessions are.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Crowd, KEY, NAMES, grant, launch, looked_at, start};
use crate::harness::{AuthService, Redis, Request, TIMEOUT, eventually, percent_encoded};

const FUTURE: &str = "opened_before=2999-01-01T00:00:00Z";

/// Filters, which sessions they select, and whether they select the admin's own.
fn filters(ann: &str) -> Vec<(String, &'static [&'static str], bool)> {
    vec![
        (format!("user={ann}"), &["ann"], false),
        (format!("user={}", ann.to_uppercase()), &["ann"], false),
        ("user=a%2Fb".into(), &["mapped", "v4"], false),
        ("user=42".into(), &["v6"], false),
        ("user=43".into(), &[], false),
        ("role=editor".into(), &["v4"], false),
        ("role=user".into(), &["ann", "bob", "mapped", "v6"], false),
        ("role=admin".into(), &["another admin", "single use"], true),
        ("kind=single_use".into(), &["single use"], false),
        ("kind=fixed".into(), &["mapped", "v4", "v6"], false),
        ("ip=203.0.113.0/24".into(), &["mapped", "v4"], false),
        ("ip=203.0.113.9".into(), &["v4"], false),
        ("ip=::ffff:203.0.113.64/122".into(), &["mapped"], false),
        ("ip=2001:db8::/32".into(), &["v6"], false),
        ("ip=::/0".into(), &["v6"], false),
        ("ip=127.0.0.0/8".into(), &["ann", "another admin", "bob", "single use"], true),
        ("user_agent=firefox%2F132".into(), &["v6"], false),
        ("opened_before=2020-01-01T00:00:00Z".into(), &[], false),
        (FUTURE.into(), &NAMES, true),
        ("unused_for=1h".into(), &[], false),
        ("role=user&ip=203.0.113.0/24".into(), &["mapped"], false),
        ("user=a%2Fb&kind=sliding".into(), &[], false),
        (format!("unused_for=1h&{FUTURE}"), &[], false),
    ]
}

/// Each filter lists, counts and ends the same, and leaves the rest alone.
fn each_selects_what_it_says(auth: AuthService) {
    let mut crowd = Crowd::gather(auth);
    for (query, selected, own) in filters(&crowd.ann.clone()) {
        let listed: BTreeSet<String> = crowd.listed(&query).into_iter().collect();
        assert_eq!(listed.len(), selected.len() + usize::from(own), "{query}");
        let counted = crowd.send("DELETE", &format!("?{query}&dry_run=true")).expect(200).json();
        assert_eq!(counted, json!({"would_end": selected.len()}), "{query}");
        crowd.assert_all_live(&query);
        let ended = crowd.send("DELETE", &format!("?{query}")).expect(200).json();
        assert_eq!(ended, json!({"ended": selected.len()}), "{query}");
        let rest: Vec<_> = NAMES.into_iter().filter(|name| !selected.contains(name)).collect();
        assert_eq!(crowd.living(), rest, "{query}");
        assert!(looked_at(&crowd.auth, &crowd.admin), "{query}");
        for name in selected {
            crowd.open(name);
        }
    }
    let all = crowd.send("DELETE", "?dry_run=true").expect(200).json();
    assert_eq!(all, json!({"would_end": NAMES.len()}));
    crowd.assert_all_live("a dry run ends nobody");
    crowd.send("DELETE", "").expect(204);
    assert!(crowd.living().is_empty() && looked_at(&crowd.auth, &crowd.admin));
}

#[test]
fn each_filter_selects_what_it_says_in_memory() {
    each_selects_what_it_says(start());
}

#[test]
fn each_filter_selects_what_it_says_in_a_file() {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let path = directory.path().join("sessions.db");
    let launch = launch().var("AUTH_SESSION_STORE", format!("sqlite:{}", path.display()));
    each_selects_what_it_says(AuthService::launch_with_users(launch));
}

#[test]
fn each_filter_selects_what_it_says_in_redis() {
    let Some(redis) = Redis::start(&[]) else { return };
    let launch = launch().var("AUTH_SESSION_STORE", redis.url());
    each_selects_what_it_says(AuthService::launch_with_users(launch));
}

#[test]
fn a_role_is_the_one_that_the_session_acts_in_now() {
    let auth = start();
    let admin = auth.token();
    let rotate = Request::post("/session/rotate").bearer(&auth.token());
    let rotated = auth.public.send(rotate.json(&json!({"role": "user"}))).expect(200).json();
    let rotated = rotated["token"].as_str().unwrap();
    let delete = |role: &str| {
        let request = Request::delete(&format!("/api/v1/sessions?role={role}")).bearer(&admin);
        auth.public.send(request).expect(200).json()
    };
    assert_eq!(delete("admin"), json!({"ended": 0}));
    assert!(looked_at(&auth, rotated));
    assert_eq!(delete("user"), json!({"ended": 1}));
    assert!(!looked_at(&auth, rotated));
}

#[test]
fn what_was_used_just_now_is_not_unused() {
    let auth = start();
    let (admin, used) = (auth.token(), auth.token());
    let idle = grant(&auth, "7", "user", &json!({"ip": "192.0.2.7"}));
    eventually("it is idle for a while", TIMEOUT, || {
        let body = json!({"token": used});
        auth.internal.send(Request::post("/validateToken").bearer(KEY).json(&body)).expect(200);
        let query = "/api/v1/sessions?unused_for=1s&dry_run=true";
        let counted = auth.public.send(Request::delete(query).bearer(&admin)).expect(200).json();
        (counted["would_end"] == 1).then_some(())
    });
    let query = Request::delete("/api/v1/sessions?unused_for=1s").bearer(&admin);
    assert_eq!(auth.public.send(query).expect(200).json(), json!({"ended": 1}));
    assert!(!looked_at(&auth, &idle) && looked_at(&auth, &used));
}

#[test]
fn a_list_goes_on_where_it_was_whatever_comes_and_goes() {
    let auth = start();
    let admin = auth.token();
    let open = |number: usize| {
        grant(&auth, &format!("stays-{number}"), "user", &json!({"ip": "192.0.2.1"}))
    };
    let stays = (0..40).map(open).count();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let leaves = grant(&auth, "leaves", "user", &json!({"ip": "192.0.2.1"}));
        let list = format!("/api/v1/sessions?ip=192.0.2.0/24&limit=7{after}");
        let page = auth.public.send(Request::get(&list).bearer(&admin)).expect(200).json();
        for session in page["sessions"].as_array().unwrap() {
            assert_eq!(session["current"], false, "{session}");
            seen.push(session["user"]["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", percent_encoded(next));
        auth.public.send(Request::post("/revoke").form(&format!("token={leaves}"))).expect(200);
    }
    let stayed: Vec<&String> = seen.iter().filter(|id| id.starts_with("stays-")).collect();
    let distinct: BTreeSet<&&String> = stayed.iter().collect();
    assert_eq!((stayed.len(), distinct.len()), (stays, stays));
}

#[test]
fn each_end_is_an_event_that_says_who_and_why() {
    let crowd = Crowd::gather(start());
    crowd.send("DELETE", "?ip=203.0.113.0/24").expect(200);
    let target = "/sessions?user=42";
    crowd.auth.internal.send(Request::delete(target).bearer(KEY)).expect(200);
    let read = Request::get("/events?after=0&limit=1000&types=session.ended").bearer(KEY);
    let page = crowd.auth.internal.send(read).expect(200).json();
    let [one, other, by_backend] = &page["events"].as_array().unwrap()[..] else {
        panic!("{page}")
    };
    let own = Request::get("/session").bearer(&crowd.admin);
    let own = crowd.auth.public.send(own).expect(200).json();
    for event in [one, other] {
        assert_eq!(event["cause"], "revoked_by_admin", "{event}");
        assert_eq!(event["by"]["session_id"], own["id"], "{event}");
        assert_eq!(event["by"]["user_id"], own["user"]["id"], "{event}");
    }
    assert_eq!(by_backend["cause"], "revoked_by_admin", "{by_backend}");
    assert_eq!(by_backend["by"], Value::Null, "{by_backend}");
}
