//! What axe-core says of every page, in light and dark, wide and narrow; and that nothing is wider
//! than a phone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::browser::chromium::{Chromium, skip_without_chromium};
use crate::harness::{DEMO, Launch};

/// The source of axe-core: where `AXE_CORE` says, or among npm's global packages.
pub(crate) fn axe_core() -> Option<String> {
    let named = std::env::var_os("AXE_CORE").map(PathBuf::from);
    let path = named.or_else(|| {
        let root = Command::new("npm").args(["root", "--global"]).output().ok()?;
        let root = String::from_utf8(root.stdout).ok()?;
        Some(PathBuf::from(root.trim()).join("axe-core/axe.min.js"))
    });
    path.and_then(|path| fs::read_to_string(path).ok())
}

/// The serious violations of the page that is open.
fn violations(browser: &Chromium, axe: &str) -> Vec<String> {
    let script = format!(
        "{axe};\nconst done = arguments[arguments.length - 1];\n\
         axe.run(document).then(result => done(result), error => done(String(error)));"
    );
    let found = browser.run(&script);
    let rules_that_hold = found["passes"].as_array().map_or(0, Vec::len);
    assert!(rules_that_hold > 10, "axe has not looked at the page: {found}");
    let found = found["violations"].as_array().expect("a list of violations");
    let serious = found
        .iter()
        .filter(|violation| !matches!(violation["impact"].as_str(), Some("minor" | "moderate")));
    serious.map(describe).collect()
}

/// Adds what is wrong with the page that is open, in light and dark, wide and narrow.
pub(crate) fn check_page(browser: &Chromium, axe: &str, name: &str, found: &mut Vec<String>) {
    for (width, colours) in [(1000, "light"), (1000, "dark"), (360, "light")] {
        browser.show_as(width, colours);
        let problems = violations(browser, axe).into_iter();
        found.extend(problems.map(|problem| format!("{name} at {width}, {colours}: {problem}")));
        if too_wide(browser) {
            found.push(format!("{name} is wider than {width}"));
        }
    }
}

fn describe(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let nodes_found: Vec<String> = nodes.map(|node| node["html"].to_string()).collect();
    format!("{}: {} at {}", violation["id"], violation["help"], nodes_found.join(", "))
}

fn too_wide(browser: &Chromium) -> bool {
    let script = "arguments[0](document.documentElement.scrollWidth > window.innerWidth)";
    browser.run(script) == Value::Bool(true)
}

#[test]
fn no_page_has_a_serious_violation_and_none_is_wider_than_a_phone() {
    if skip_without_chromium() {
        return;
    }
    let Some(axe) = axe_core() else {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "axe-core is not installed");
        eprintln!("skipped: axe-core is not installed");
        return;
    };
    let mut process = Launch::pair().var("AUTH_SESSION_TTL", "10m").start();
    let mut url = |name| format!("http://localhost:{}", process.listener(name).port);
    let (auth, business) = (url("public"), url("business"));
    let mut browser = Chromium::start_with_scripts();
    // The check's own styles break the policy of the pages that it looks at.
    browser.expect_violations();
    let mut found = Vec::new();
    let mut check = |browser: &Chromium, name: &str| check_page(browser, &axe, name, &mut found);
    browser.open(&format!("{auth}/login?next=/account"));
    check(&browser, "login");
    browser.log_in((DEMO.0, "wrong"));
    check(&browser, "login again");
    browser.log_in(DEMO);
    check(&browser, "account");
    browser.type_into("#token-name", "a token with quite a long name");
    browser.press("form[action='/account/tokens'] button");
    check(&browser, "token");
    let sessions = ["/admin/sessions", "/admin/sessions?ip=x", "/admin/sessions/end?kind=sliding"];
    let others = ["/account?done=name", "/admin/users", "/admin/users/new", "/nowhere"];
    for page in sessions.into_iter().chain(others) {
        browser.open(&format!("{auth}{page}"));
        check(&browser, page);
    }
    browser.open(&format!("{auth}/admin/users"));
    browser.press("h3 a");
    check(&browser, "user");
    browser.press("a[href$='/roles']");
    check(&browser, "roles");
    browser.open(&format!("{business}/notes"));
    browser.type_into("#note", "milk");
    browser.press("main button");
    for page in ["/notes", "/dashboard", "/protected"] {
        browser.open(&format!("{business}{page}"));
        check(&browser, page);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_broken_policy_would_be_seen() {
    if skip_without_chromium() {
        return;
    }
    let mut process = Launch::pair().start();
    let port = process.listener("public").port;
    let mut browser = Chromium::start_with_scripts();
    browser.expect_violations();
    browser.open(&format!("http://localhost:{port}/login"));
    assert_eq!(browser.violations(), [""; 0]);
    browser.run("document.body.setAttribute('style', 'color: red'); arguments[0]()");
    assert_eq!(browser.violations().len(), 1);
}
