//! Users from elsewhere: each kind of hash, what is refused, and a second run.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{AuthService, Launch, query, skip_unless_installed};

/// The password of all these hashes, which other implementations made.
const PASSWORD: &str = "ten thousand balloons";

/// With the salt before the password, as simple systems keep it, and as the usual libraries do.
const HASHES: [&str; 15] = [
    "80f381f4dfc373e8be49ed1198a11d8f81ced7e0a96802e417c04f99e749b088",
    "80F381F4DFC373E8BE49ED1198A11D8F81CED7E0A96802E417C04F99E749B088",
    "sha256$NaCl$6b9e4117fc15e8ae3da5c81e98195b2103c4b0609aef3d938d7ad1a46a89b1cb",
    "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$d6NADfMPE531vzi4GuVmoPSZ53uEvBzzQdkmHsoVziM",
    "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$d6NADfMPE531vzi4GuVmoPSZ53uEvBzzQdkmHsoVziM",
    "$pbkdf2-sha256$1000$....................$2IgLbIEBnk94LAzoj6rIEJwJBJSfvKv.Kce82y2PqIs",
    "$2a$04$D/4SrFx0QZv/U5JWEM4HyulPDGhTqHODzqIx1PlCBe6I6D6ZrBIpq",
    "$2b$04$JlNnIPeJv1asKmRcQbTxQuNukHniwvwnOvTjkdFMwlVfxaX1/MBQy",
    "$2y$04$abcdefghijklmnopqrstuujtXMPW75tQJiPKG9HArcGVRyO.qlbsK",
    "$argon2i$v=19$m=64,t=2,p=1$c29tZSBzYWx0IG9mIDE2IQ$pXbc3KoPMwkBLKy+jkcBBFuXjjmzu7LSH2d8X01IfnU",
    "$argon2d$v=16$m=32,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$ayQePorlntUzBfhSMIxsWH67erz8bcj+XFkpYVFXFqk",
    "$argon2d$m=32,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$ayQePorlntUzBfhSMIxsWH67erz8bcj+XFkpYVFXFqk",
    "$argon2id$v=19$m=64,t=3,p=2$c29tZSBzYWx0IG9mIDE2IQ$E6eIu2McQobXVWbfYnmekyQpPcESTJNzKyyf+xsltag",
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIDE2IQ$olTD4IoOwCLfaLJ6U9N5azzWQ+UxXgbclBaKXYCpH/g",
    "$argon2id$v=19$m=16,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$7/hyE9kCYph59/+6xJbhrQ",
];

fn import(auth: &AuthService, name: &str, text: &str, more: &[&str]) -> (Option<i32>, Value) {
    let file = file(auth, name, text);
    let arguments = [&["import", file.to_str().unwrap(), "-o", "json"], more].concat();
    let output = auth.try_users_command(&arguments, "");
    let report = serde_json::from_str(&output.stdout);
    (output.code, report.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

fn file(auth: &AuthService, name: &str, text: &str) -> PathBuf {
    let path = auth.database().with_file_name(name);
    fs::write(&path, text).unwrap();
    path
}

fn counts(report: &Value) -> [u64; 3] {
    ["created", "already_there", "refused"].map(|what| report[what].as_u64().unwrap())
}

#[test]
fn each_kind_of_hash_logs_in_and_is_argon2id_afterwards() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    // Fifteen wrong passwords from here are no attack.
    let auth =
        AuthService::launch_on_a_file(Launch::auth().var("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0"));
    let rows: Vec<String> = HASHES
        .iter()
        .enumerate()
        .map(|(n, hash)| format!("u{n}@example.com,\"{hash}\",F{n},\"L, {n}\",team;user,false\n"))
        .collect();
    let header = "email,password_hash,first_name,last_name,roles,disabled\n";
    let (code, report) = import(&auth, "users.csv", &format!("{header}{}", rows.concat()), &[]);
    assert_eq!((code, counts(&report)), (Some(0), [15, 0, 0]), "{report}");
    let stored = |n: usize| {
        let sql = format!("SELECT password_hash FROM users WHERE email_key = 'u{n}@example.com'");
        query(&auth.database(), &sql)
    };
    for (n, hash) in HASHES.into_iter().enumerate() {
        let name = format!("u{n}@example.com");
        assert_eq!(stored(n), hash);
        auth.try_login(&name, "three blue teapots sing").expect_problem(401, "invalid_credentials");
        assert_eq!(stored(n), hash, "a wrong password replaces nothing");
        let session = auth.login_answer(&name, PASSWORD)["session"].clone();
        assert_eq!(
            (&session["role"], &session["user"]["roles"]),
            (&json!("team"), &json!(["team", "user"]))
        );
        let replaced = stored(n);
        assert!(
            replaced.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash} became {replaced}"
        );
        auth.login(&name, PASSWORD);
        assert_eq!(stored(n), replaced, "once is enough");
    }
}

#[test]
fn the_same_file_again_changes_nothing() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let text =
        format!("email,password_hash\na@example.com,{}\nb@example.com,{}\n", HASHES[0], HASHES[2]);
    assert_eq!(counts(&import(&auth, "users.csv", &text, &[]).1), [2, 0, 0]);
    auth.login("a@example.com", PASSWORD);
    let admin = auth.token();
    let list = || auth.api_get("/users", &admin).expect(200).json();
    let before = list();
    let more = format!("{text}A@EXAMPLE.com,{}\nc@example.com,{}\n", "0".repeat(64), HASHES[6]);
    let (code, report) = import(&auth, "users.csv", &more, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [1, 3, 0]), "who is there already is no error");
    assert_eq!(list()["users"].as_array().unwrap()[..3], before["users"].as_array().unwrap()[..]);
    for name in ["a@example.com", "b@example.com", "c@example.com"] {
        auth.login(name, PASSWORD);
    }
}

#[test]
fn json_lines_are_imported_as_well() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let rows = [
        json!({"email": "a@example.com", "password_hash": HASHES[7], "roles": "team;user", "first_name": "A, \"a\""}),
        json!({"email": "b@example.com", "password_hash": HASHES[2], "roles": ["admin", "user"], "disabled": true}),
    ];
    let text = format!("{}\n\n{}", rows[0], rows[1]);
    assert_eq!(counts(&import(&auth, "users.jsonl", &text, &[]).1), [2, 0, 0]);
    assert_eq!(counts(&import(&auth, "users.txt", &text, &["--format", "jsonl"]).1), [0, 2, 0]);
    assert_eq!(auth.login_answer("a@example.com", PASSWORD)["session"]["role"], "team");
    auth.try_login("b@example.com", PASSWORD).expect_problem(401, "invalid_credentials");
    auth.users_command(&["enable", "b@example.com"]);
    assert_eq!(auth.login_answer("b@example.com", PASSWORD)["session"]["role"], "admin");
    let unnamed = file(&auth, "users.txt", &text);
    let output = auth.try_users_command(&["import", unnamed.to_str().unwrap()], "");
    assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
    assert!(output.stderr.contains("--format"), "{output:?}");
}

#[test]
fn a_refused_row_is_named_with_its_line_and_its_reason_and_the_others_are_imported() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let secret = "s3cret-hash-of-somebody";
    let good = HASHES[0];
    let text = format!(
        "email,password_hash,roles,disabled,first_name\n\
         good@example.com,{good},user,0,G\n\
         nonsense,{good},user,0,\n\
         hash@example.com,{secret},user,0,\n\
         costly@example.com,$2b$31$JlNnIPeJv1asKmRcQbTxQuNukHniwvwnOvTjkdFMwlVfxaX1/MBQy,user,0,\n\
         huge@example.com,\"$argon2id$v=19$m=4194304,t=2,p=1$c29tZSBzYWx0IG9mIDE2IQ$olTD4IoOwCLfaLJ6U9N5azzWQ+UxXgbclBaKXYCpH/g\",user,0,\n\
         role@example.com,{good},a b,0,\n\
         flag@example.com,{good},user,maybe,\n\
         name@example.com,{good},user,0,\"a\0b\"\n\
         few@example.com,{good}\n\
         both@example.com,{good},\"admin,user\",0,\n\
         last@example.com,{good},,,\n"
    );
    let (code, report) = import(&auth, "users.csv", &text, &[]);
    assert_eq!((code, counts(&report)), (Some(1), [2, 0, 9]), "{report}");
    let reasons = report["reasons"].as_array().unwrap();
    let lines: Vec<u64> = reasons.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(!report.to_string().contains(secret) && !report.to_string().contains(good), "{report}");
    for (row, part) in reasons.iter().zip([
        "name@domain",
        "kind",
        "cost",
        "256 MiB",
        "role",
        "disabled",
        "control",
        "fields",
        "separated by ';'",
    ]) {
        assert!(row["reason"].as_str().unwrap().contains(part), "{row}");
    }
    for name in ["good@example.com", "last@example.com"] {
        auth.login(name, PASSWORD);
    }
    let plain = file(&auth, "users.csv", &text);
    let output = auth.try_users_command(&["import", plain.to_str().unwrap()], "");
    assert!(
        output.stdout.contains("line 3: ")
            && output.stdout.contains("created 0, already there 2, refused 9"),
        "{output:?}"
    );
}

#[test]
fn a_file_that_is_none_is_one_line() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    for (name, text) in
        [("users.csv", ""), ("users.csv", "name,hash\na,b\n"), ("users.csv", "\u{0}\u{1}")]
    {
        let path = file(&auth, name, text);
        let output = auth.try_users_command(&["import", path.to_str().unwrap()], "");
        assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
        assert!(output.stderr.contains("users.csv"), "it says which: {output:?}");
    }
    let output = auth.try_users_command(&["import", "/no/such/file.csv"], "");
    assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
}

#[test]
fn accounts_that_are_disabled_in_a_column_by_another_writing_come_in_disabled() {
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let (a, b) = (HASHES[0], HASHES[2]);
    let text = format!(
        "\u{feff}\"E-Mail\",Password Hash,Disabled,id\na@example.com,{a},true,7\nb@example.com,{b},no,8\n"
    );
    let (code, report) = import(&auth, "users.csv", &text, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [2, 0, 0]), "{report}");
    assert_eq!(report["ignored"], json!(["\"id\""]));
    auth.try_login("a@example.com", PASSWORD).expect_problem(401, "invalid_credentials");
    auth.login("b@example.com", PASSWORD);

    for (column, meant) in
        [("disable", "disabled"), ("is_disabled", "disabled"), ("role", "roles"), ("mail", "email")]
    {
        let text = format!("email,password_hash,{column}\nc@example.com,{a},true\n");
        let file = file(&auth, "near.csv", &text);
        let output = auth.try_users_command(&["import", file.to_str().unwrap()], "");
        assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
        let message =
            format!("line 1: the column \"{column}\" is not understood: if {meant} is meant");
        assert!(output.stderr.contains(&message), "{output:?}");
    }
    let rows = [
        json!({"E-Mail": "d@example.com", "passwordHash": a, "DISABLED": true, "notes": 1}),
        json!({"email": "e@example.com", "password_hash": a, "disable": true}),
    ];
    let (code, report) = import(&auth, "users.jsonl", &format!("{}\n{}", rows[0], rows[1]), &[]);
    assert_eq!((code, counts(&report)), (Some(1), [1, 0, 1]), "{report}");
    assert_eq!(
        (&report["reasons"][0]["line"], &report["ignored"]),
        (&json!(2), &json!(["\"notes\""]))
    );
    auth.try_login("d@example.com", PASSWORD).expect_problem(401, "invalid_credentials");
    auth.try_login("e@example.com", PASSWORD).expect_problem(401, "invalid_credentials");
}

#[test]
fn a_hash_that_costs_too_much_is_refused_and_where_it_is_stored_never_computed() {
    if skip_unless_installed("sqlite3") {
        return;
    }
    let auth = AuthService::launch_on_a_file(Launch::auth());
    let argon2 = "$argon2id$v=19$m=1048576,t=50,p=1$c29tZSBzYWx0IG9mIDE2IQ$7/hyE9kCYph59/+6xJbhrQ";
    let bcrypt = HASHES[7].replace("$04$", "$15$");
    let row = |name: &str, hash: &str| format!("{name}@example.com,\"{hash}\"\n");
    let text = format!(
        "email,password_hash\n{}{}{}",
        row("a", argon2),
        row("b", &bcrypt),
        row("c", HASHES[0])
    );
    let (code, report) = import(&auth, "users.csv", &text, &[]);
    assert_eq!((code, counts(&report)), (Some(1), [1, 0, 2]), "{report}");
    for (at, figure) in ["1048576 KiB of memory times 50 passes, beyond 256 MiB", "cost 15, and 14"]
        .iter()
        .enumerate()
    {
        assert!(report["reasons"][at]["reason"].as_str().unwrap().contains(figure), "{report}");
    }
    let sql = format!(
        "UPDATE users SET password_hash = '{argon2}' WHERE email = 'c@example.com' RETURNING id"
    );
    let id = query(&auth.database(), &sql);
    auth.try_login("c@example.com", PASSWORD).expect_problem(401, "invalid_credentials");
    let lines = auth.log_lines_with("never computed", 1);
    for part in ["ERROR", &id, "1048576 KiB", "users passwd"] {
        assert!(lines[0].contains(part), "{part} in {lines:?}");
    }
    let failures = auth.metric(r#"auth_logins_total{result="failure"}"#);
    assert_eq!(failures, Some(1.0));
    auth.keep_secret("eight purple trams ring");
    let done = auth.try_users_command(&["passwd", "c@example.com"], "eight purple trams ring");
    assert_eq!(done.code, Some(0), "{done:?}");
    auth.login("c@example.com", "eight purple trams ring");
}
