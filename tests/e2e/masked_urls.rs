//! A secret within a URL reaches no log, no error and no `config print`, wherever in it it stands.

use crate::harness::{Launch, Output};

const SECRET: &str = "hunter";

#[track_caller]
fn expect_nothing(output: &Output, setting: &str, value: &str) {
    assert!(!format!("{output:?}").contains(SECRET), "{setting}={value}: {output:?}");
}

fn config_print(launch: &Launch) -> Output {
    launch.clone().arg("config").arg("print").run()
}

#[test]
fn of_a_url_that_is_understood_only_what_is_harmless_is_printed() {
    for (value, shown) in [
        ("postgres://ann:hunter2@db/users", "postgres://****@db/users"),
        ("postgres://hunter2@db:5433/users", "postgres://****@db:5433/users"),
        ("postgres://db/users?password=hunter2", "postgres://db/users?****"),
        (
            "postgres://db/users?pass=hunter2&sslmode=require",
            "postgres://db/users?****&sslmode=require",
        ),
        ("postgres://db/users?sslpassword=hunter2", "postgres://db/users?****"),
        ("postgres://db/users?options=-cx=hunter2", "postgres://db/users?****"),
        ("postgres://db/users?hunter2", "postgres://db/users?****"),
    ] {
        let output = config_print(&Launch::auth().var("AUTH_DATABASE_URL", value));
        expect_nothing(&output, "AUTH_DATABASE_URL", value);
        let line = format!("AUTH_DATABASE_URL={shown}  # variable");
        assert!(output.lines().contains(&&*line), "{line}: {output:?}");
    }
}

#[test]
fn a_url_that_is_refused_is_masked_in_the_line_that_says_so() {
    let auth = Launch::auth();
    for (launch, setting, values) in [
        (
            &auth,
            "AUTH_DATABASE_URL",
            &[
                "postgres:ann:hunter2@db/users",
                "postgres:/ann:hunter2@db/users",
                "postgres//ann:hunter2@db/users",
                "postgres:hunter2",
                "ann:hunter2@db:5432/users",
                "host=db password=hunter2",
                "postgres://ann:hunter2",
                "postgres://ann:12#hunter2@db/users",
                "postgres://ann:12/hunter2@db/users",
                "sqlite:users.db?key=hunter2",
            ][..],
        ),
        (
            &auth,
            "AUTH_SESSION_STORE",
            &[
                "redis:hunter2@db",
                "redis:/:hunter2@db",
                "redis://db/0?password=hunter2",
                "redis://ann:hunter2",
                "redis-cluster://a:1,hunter2:b",
                "hunter2@db",
            ],
        ),
        (
            &auth,
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &[
                "http://ann:hunter2@h",
                "http:ann:hunter2@h",
                "http://h?token=hunter2",
                "h?k=hunter2",
            ],
        ),
        (
            &auth,
            "AUTH_PUBLIC_URL",
            &["https://ann:hunter2@h", "https:hunter2@h", "https://h#hunter2"],
        ),
        (&auth, "AUTH_ALLOWED_ORIGINS", &["https://h,https://ann:hunter2@i"]),
        (&Launch::business(1), "BUSINESS_AUTH_URL", &["http://ann:hunter2@h", "ann:hunter2@h:1"]),
    ] {
        for value in values {
            let output = launch.clone().var(setting, *value).run();
            assert_eq!((output.code, output.lines().len()), (Some(2), 1), "{value}: {output:?}");
            assert!(output.lines()[0].contains(setting), "{value}: {output:?}");
            assert!(output.lines()[0].contains("****"), "{value}: {output:?}");
            expect_nothing(&output, setting, value);
        }
    }
    let output = auth.arg("--database-url").arg("postgres:hunter2").run();
    assert!(output.lines()[0].starts_with("auth-service: --database-url: \"****\""), "{output:?}");
}

#[test]
fn what_the_driver_does_not_understand_is_not_logged_by_it() {
    let url = "postgres://ann@127.0.0.1:1/users?pass=hunter2&sslpassword=hunter2&hunter2";
    let launch = Launch::auth().var("AUTH_DATABASE_URL", url).var("RUST_LOG", "trace");
    for output in [launch.run(), launch.arg("users").arg("list").run()] {
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains("postgres://127.0.0.1:1/users"), "{output:?}");
        expect_nothing(&output, "AUTH_DATABASE_URL", url);
    }
}
