//! The list of users: in pages, searched, and firm against nonsense.

use serde_json::Value;

use crate::harness::{AuthService, DEMO};

/// A service with the demo user and these, in this order, and an admin's token.
fn with(names: &[&str]) -> (AuthService, String) {
    let auth = AuthService::start();
    let admin = auth.token();
    for name in names {
        auth.create(&admin, name);
    }
    (auth, admin)
}

#[track_caller]
fn page(auth: &AuthService, admin: &str, query: &str) -> Value {
    auth.api_get(&format!("/users{query}"), admin).expect(200).json()
}

fn names(page: &Value) -> Vec<&str> {
    let users = page["users"].as_array().expect("a list");
    users.iter().map(|user| user["email"].as_str().unwrap()).collect()
}

const FIVE: [&str; 5] =
    ["a1@example.com", "a2@example.com", "b_3@example.com", "B%4@example.com", "ä5@example.com"];

#[test]
fn a_list_is_walked_by_its_cursor_to_the_end() {
    let (auth, admin) = with(&FIVE);
    let all = page(&auth, &admin, "");
    assert_eq!(names(&all), [&[DEMO.0], &FIVE[..]].concat());
    assert_eq!(all["next"], Value::Null);
    let (mut seen, mut query) = (Vec::new(), "?limit=4".to_owned());
    loop {
        let page = page(&auth, &admin, &query);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(seen.len() % 4, 0, "only the last page is not full");
        query = format!("?limit=4&after={next}");
    }
    assert_eq!(seen, names(&all));
    // As many as there are: there is no page after it.
    assert_eq!(page(&auth, &admin, "?limit=6")["next"], Value::Null);
}

#[test]
fn a_cursor_outlives_what_it_points_at_and_new_users_come_after_it() {
    let (auth, admin) = with(&FIVE[..3]);
    let first = page(&auth, &admin, "?limit=2");
    let cursor = first["next"].as_str().unwrap();
    let last_shown = first["users"][1]["id"].as_str().unwrap();
    auth.api_delete(&format!("/users/{last_shown}"), &admin).expect(204);
    auth.create(&admin, "new@example.com");
    let rest = page(&auth, &admin, &format!("?limit=500&after={cursor}"));
    assert_eq!(names(&rest), [FIVE[1], FIVE[2], "new@example.com"]);
}

#[test]
fn a_search_is_literal_and_blind_to_case() {
    let (auth, admin) = with(&FIVE);
    for (query, expected) in [
        ("?q=A1", &FIVE[..1]),
        ("?q=b_", &FIVE[2..3]),
        ("?q=%25", &FIVE[3..4]),
        ("?q=b%254", &FIVE[3..4]),
        ("?q=%C3%84", &FIVE[4..]),
        ("?q=@example", &FIVE),
        ("?q=%27%20OR%201=1--", &[]),
        ("?q=%00", &[]),
        ("?q=%5C", &[]),
        ("?q=a&limit=1&unknown=1", &[DEMO.0][..0]),
    ] {
        if query.contains("limit") {
            assert_eq!(names(&page(&auth, &admin, query)).len(), 1, "{query}");
        } else {
            assert_eq!(names(&page(&auth, &admin, query)), expected, "{query}");
        }
    }
    let all = page(&auth, &admin, "?q=");
    assert_eq!(names(&all).len(), 6, "an empty search finds everybody");
}

#[test]
fn a_search_goes_on_over_pages() {
    let (auth, admin) = with(&FIVE);
    let first = page(&auth, &admin, "?q=example&limit=3");
    let cursor = first["next"].as_str().expect("there are more");
    let rest = page(&auth, &admin, &format!("?q=example&limit=3&after={cursor}"));
    assert_eq!([names(&first), names(&rest)].concat(), FIVE);
    assert_eq!(rest["next"], Value::Null);
}

#[test]
fn names_are_searched_as_well() {
    let (auth, admin) = with(&FIVE[..2]);
    let id = page(&auth, &admin, "?q=a2")["users"][0]["id"].as_str().unwrap().to_owned();
    let change = serde_json::json!({"first_name": "Zoë", "last_name": "Ångström"});
    auth.api_put(&format!("/users/{id}"), &admin, &change).expect(200);
    for query in ["?q=zo%C3%AB", "?q=%C3%A5NGSTR%C3%B6M"] {
        assert_eq!(names(&page(&auth, &admin, query)), [FIVE[1]], "{query}");
    }
}

#[test]
fn nonsense_is_refused_and_named() {
    let (auth, admin) = with(&[]);
    for (query, named) in [
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=1.5", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?after=", "after"),
        ("?after=nonsense", "after"),
        ("?after=%00", "after"),
        ("?after=1%27%20OR%20%271%27=%271", "after"),
    ] {
        let answer = auth.api_get(&format!("/users{query}"), &admin);
        let answer = answer.expect_problem(400, "invalid_request");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{named}`")), "{query}: {detail}");
    }
    for query in ["?limit=1", "?limit=500", "?limit=%31"] {
        assert_eq!(names(&page(&auth, &admin, query)).len(), 1, "{query}");
    }
}
