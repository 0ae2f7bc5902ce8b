//! Text that somebody else might read in another way: stored as it is, or refused.

use serde_json::{Value, json};
use testkit::percent_encoded;

use crate::harness::{AuthService, LONG_PASSWORD};

const SQL: [&str; 6] = [
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "\"; UPDATE users SET is_admin=1; --",
    "\\'; SELECT pg_sleep(10); --",
    "%' ESCAPE '/",
    "$1 ? :name",
];

#[test]
fn addresses_with_what_nobody_can_see_are_refused() {
    let auth = AuthService::start();
    let admin = auth.token();
    for email in [
        "ann\r\nBcc: eve@example.com",
        "ann\n@example.com",
        "ann@example.com\n",
        "ann\0@example.com",
        "ann@example.com\0",
        "\u{7f}ann@example.com",
        "ann\u{85}@example.com",
        "a nn@example.com",
        "ann\u{200b}@example.com",
        "ann\u{202e}@example.com",
        "ann\u{feff}@example.com",
        "",
        " ",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "a@b@c",
        "ann@example..com",
        &format!("{}@example.com", "a".repeat(243)),
        &format!("{}@example.com", "ü".repeat(130)),
    ] {
        auth.try_create(&admin, email).expect_problem(422, "unprocessable");
        auth.try_login(email, LONG_PASSWORD).expect_problem(401, "invalid_credentials");
    }
    assert_eq!(auth.api_get("/stats", &admin).json()["users"], 1);
}

#[test]
fn odd_addresses_are_kept_as_given_and_each_is_somebody_else() {
    let auth = AuthService::start();
    let admin = auth.token();
    let long = format!("{}@example.com", "l".repeat(188));
    let odd = [
        "ann@example.com",
        "аnn@example.com",
        "ann@exаmple.com",
        "ann@example.com.evil.org",
        "a=b@example.com",
        "=cmd|'/c'!a1@example.com",
        "+ann@example.com",
        "-ann@example.com",
        "o'neil@example.com",
        "a\"b@example.com",
        "<script>@example.com",
        "a%00b@example.com",
        "a;b@example.com",
        "a,b@example.com",
        "a\\b@example.com",
        "ﬁ@example.com",
        "ß@example.com",
        "ı@example.com",
        "i@example.com",
        "ann@example.рф",
        &long,
    ];
    for email in odd {
        let id = auth.create(&admin, email);
        let shown = auth.api_get(&format!("/users/{id}"), &admin).expect(200).json();
        assert_eq!(shown["email"], email);
        let session = auth.login_answer(email, LONG_PASSWORD)["session"].clone();
        assert_eq!(session["user"]["username"], email);
        assert_eq!(session["user"]["id"], id.as_str(), "somebody else's session");
    }
    auth.try_create(&admin, "а\u{301}nn@example.com").expect(201);
    let taken = ["SS@example.com", "fi@example.com", "ａnn@example.com", "ann@example.xn--p1ai"];
    for email in [&taken[..], &[&long.to_uppercase()]].concat() {
        auth.try_create(&admin, email).expect_problem(409, "conflict");
    }
}

#[test]
fn sql_in_any_field_is_text_or_refused() {
    let auth = AuthService::start();
    let admin = auth.token();
    for (n, sql) in SQL.into_iter().enumerate() {
        let new = json!({"email": format!("u{n}@example.com"), "password": format!("{sql} {n} lantern quiet"),
            "first_name": sql, "last_name": sql});
        let user = auth.api("POST", "/users", &admin, Some(&new)).expect(201).json();
        assert_eq!((&user["first_name"], &user["last_name"]), (&json!(sql), &json!(sql)));
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        let changed = auth.api_put(&path, &admin, &json!({"first_name": format!("{sql}{sql}")}));
        assert_eq!(changed.expect(200).json()["first_name"], format!("{sql}{sql}"));
        auth.api_put(&path, &admin, &json!({"roles": [sql]})).expect_problem(422, "unprocessable");
        auth.try_create(&admin, &format!("{sql}@example.com")).expect(422);
        auth.try_login(sql, sql).expect(401);
        auth.try_login(&format!("u{n}@example.com"), sql).expect(401);
        let path = format!("/users?q={}", percent_encoded(sql));
        let found = auth.api_get(&path, &admin).expect(200).json();
        assert_eq!(found["users"].as_array().unwrap().len(), 1, "{sql}: {found}");
        auth.api_get(
            &format!("/users/{}", sql.replace([' ', '/', '%', '\\', '?', '"'], "")),
            &admin,
        )
        .expect_problem(404, "not_found");
    }
    let stats = auth.api_get("/stats", &admin).json();
    assert_eq!(stats["users"], SQL.len() + 1);
}

#[test]
fn names_are_stored_as_given_or_refused() {
    let auth = AuthService::start();
    let admin = auth.token();
    let id = auth.create(&admin, "ann@example.com");
    let path = format!("/users/{id}");
    let hundred = "ü".repeat(100);
    for name in [
        "Zoë",
        "李小龍",
        "<b>Ann</b>",
        "O'Neil \"the\" 3rd",
        "a=b&c=d",
        "two  spaces",
        "💃",
        &hundred,
        "می\u{200c}خواهم",
        "{{7*7}}",
        "$(id)",
        "%0d%0a",
        "null",
        "\\u0000",
    ] {
        let change = json!({"first_name": name, "last_name": name});
        let changed = auth.api_put(&path, &admin, &change).expect(200).json();
        assert_eq!((&changed["first_name"], &changed["last_name"]), (&json!(name), &json!(name)));
        assert_eq!(auth.api_get(&path, &admin).json(), changed);
    }
    let spaced = json!({"first_name": "\u{a0}two  spaces ", "last_name": "\u{3000} "});
    let changed = auth.api_put(&path, &admin, &spaced).expect(200).json();
    assert_eq!(
        (&changed["first_name"], &changed["last_name"]),
        (&json!("two  spaces"), &json!(null))
    );
    let before = auth.api_get(&path, &admin).json();
    for name in
        ["a\r\nb", "a\nb", "a\0b", "\u{1b}[31m", "a\u{202e}b", &"x".repeat(101), &"x".repeat(200)]
    {
        for field in ["first_name", "last_name"] {
            let change: Value = [(field.to_owned(), json!(name))].into_iter().collect();
            auth.api_put(&path, &admin, &change).expect_problem(422, "unprocessable");
        }
        let new =
            json!({"email": "eve@example.com", "password": LONG_PASSWORD, "first_name": name});
        auth.api("POST", "/users", &admin, Some(&new)).expect_problem(422, "unprocessable");
    }
    assert_eq!(auth.api_get(&path, &admin).json(), before);
}
