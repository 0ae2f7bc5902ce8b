//! The settings of webhooks: what is refused, in one line that names it, and `webhooks test`.

use super::receiver::{Mode, Receiver, SECRET, posting_to};
use crate::harness::{AuthService, Launch, Output, TIMEOUT};
use crate::redis::nodes::Site;

const URL: &str = "https://app.example.com/hook";

fn refused(launch: &Launch, parts: &[&str]) {
    let output = launch.clone().arg("config").arg("check").run();
    assert_eq!((output.code, output.lines().len()), (Some(2), 1), "{output:?}");
    for part in parts {
        assert!(output.stderr.contains(part), "{part}: {output:?}");
    }
}

#[test]
fn a_setting_that_cannot_be_meant_ends_the_start() {
    let good = posting_to(URL, Launch::auth());
    let check = good.clone().arg("config").arg("check").run();
    assert_eq!(check.code, Some(0), "{check:?}");
    for url in [
        "app.example.com",
        "ftp://a.example.com",
        "https://a.example.com,",
        "http://a,http://a",
        "http://127.0.0.1:0/hook",
    ] {
        refused(&good.clone().var("AUTH_WEBHOOK_URL", url), &["AUTH_WEBHOOK_URL"]);
    }
    let one_bad = "https://app.example.com/geheimnis,ftp://app.example.com/geheimnis";
    let output = good.clone().var("AUTH_WEBHOOK_URL", one_bad).run();
    assert!(output.stderr.contains("\"https://app.example.com/****,"), "{output:?}");
    assert!(!output.stderr.contains("geheimnis"), "{output:?}");
    refused(&good.clone().without("AUTH_WEBHOOK_SECRET"), &["AUTH_WEBHOOK_SECRET", "whsec_"]);
    for secret in ["geheimnis-geheimnis-geheimnis", "whsec_Z2VoZWlt", "whsec_"] {
        refused(&good.clone().var("AUTH_WEBHOOK_SECRET", secret), &["AUTH_WEBHOOK_SECRET"]);
        let output = good.clone().var("AUTH_WEBHOOK_SECRET", secret).run();
        assert!(secret == "whsec_" || !output.stderr.contains(secret), "{output:?}");
    }
    for types in ["session", "session.ended:nothing", "webhook.skipped"] {
        refused(&good.clone().var("AUTH_WEBHOOK_TYPES", types), &["AUTH_WEBHOOK_TYPES"]);
    }
    let never = good.clone().var("AUTH_WEBHOOK_TYPES", "session.ended,user.*:login");
    refused(&never, &["AUTH_WEBHOOK_TYPES", "login is one of session.issued", "never of user.*"]);
}

#[test]
fn a_key_of_another_type_where_the_position_of_a_url_should_be_ends_the_start_and_is_named() {
    let (Some(site), receiver) = (Site::open(), Receiver::start()) else { return };
    let launch = receiver.of(site.node());
    let mut auth = AuthService::launch(&launch);
    auth.signal("TERM");
    assert!(auth.wait_for_end(TIMEOUT).success());
    let key = site.redis.cli(&["--raw", "KEYS", "known:checkpoint:webhook:*"]);
    assert_eq!(site.redis.cli(&["DEL", &key]), "1", "{key}");
    site.redis.cli(&["LPUSH", &key, "1"]);
    let output = launch.run();
    assert_eq!(output.code, Some(1), "{output:?}");
    let named = format!("how far URL 1 is cannot be read: the key {key} holds");
    assert!(output.stderr.contains(&named), "{output:?}");
}

#[test]
fn what_is_printed_hides_the_secret_and_of_urls_all_but_the_origin() {
    let url = "https://ann:geheimnis@app.example.com/geheimnis?geheimnis";
    let launch = posting_to(url, Launch::auth());
    let output = launch.arg("config").arg("print").run();
    assert_eq!(output.code, Some(0), "{output:?}");
    let all = output.lines().join("\n");
    assert!(!all.contains("geheimnis") && !all.contains(&SECRET[6..]), "{all}");
}

fn test(urls: &str) -> Output {
    posting_to(urls, Launch::auth()).arg("webhooks").arg("test").run()
}

#[test]
fn a_test_post_says_what_each_url_answered() {
    let (good, bad) = (Receiver::start(), Receiver::start());
    let output = test(&good.url());
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .stdout
            .contains(&format!("1 http://127.0.0.1:{}: taken, it answered 204", good.port))
    );
    let post = good.taken().remove(0);
    assert!(post.is_signed_by(SECRET) && post.json()["type"] == "webhook.test", "{post:?}");
    bad.set(Mode::Answer(302, format!("Location: {}\r\n", good.url())));
    let output = test(&format!("{},{},http://127.0.0.1:1/x?geheimnis", bad.url(), good.url()));
    assert_eq!(output.code, Some(1), "{output:?}");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines[0].ends_with("not taken, it answered 302"), "{output:?}");
    assert!(lines[1].contains("taken, it answered 204"), "{output:?}");
    assert!(lines[2].starts_with("3 http://127.0.0.1:1: not taken, "), "{output:?}");
    assert!(!output.lines().join("").contains("geheimnis"), "{output:?}");
    assert!(output.stderr.contains("2 of 3 URLs did not take the example"), "{output:?}");
    let output = Launch::auth().arg("webhooks").arg("test").run();
    assert_eq!((output.code, output.lines().len()), (Some(2), 1), "{output:?}");
}
