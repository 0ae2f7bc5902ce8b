//! What people do, in a real browser with scripts switched off.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::browser::chromium::{Chromium, skip_without_chromium};
use crate::harness::{DEMO, Launch, Listener, Process, TIMEOUT, eventually, let_time_pass};

/// Both services in one process, as people first meet them.
struct Pair {
    _process: Process,
    auth: String,
    business: String,
}

impl Pair {
    fn start() -> Self {
        Self::launch(&Launch::pair())
    }

    fn launch(launch: &Launch) -> Self {
        let mut process = launch.start();
        let mut url = |name| format!("http://localhost:{}", process.listener(name).port);
        let (auth, business) = (url("public"), url("business"));
        Self { _process: process, auth, business }
    }

    /// A browser that has logged in and sees the dashboard.
    fn browser(&self) -> Chromium {
        let browser = Chromium::start();
        browser.open(&format!("{}/dashboard", self.business));
        browser.log_in(DEMO);
        assert_eq!(browser.url(), format!("{}/dashboard", self.business));
        browser
    }
}

/// Another site: one page at every path.
fn other_site(page: String) -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Listener { port }
}

fn uses(browser: &Chromium) -> u64 {
    let text = browser.text();
    let mut lines = text.lines().skip_while(|line| *line != "Uses");
    lines.nth(1).and_then(|uses| uses.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn from_the_dashboard_to_the_login_and_back_and_out() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::start();
    let browser = Chromium::start();
    browser.open(&format!("{}/dashboard", pair.business));
    assert!(browser.url().starts_with(&format!("{}/login?next=", pair.auth)), "{}", browser.url());
    assert!(browser.text().contains(&format!("You go on to {}/dashboard", pair.business)));
    browser.log_in((DEMO.0, "wrong"));
    assert!(browser.text().contains("The user name or the password is wrong"));
    browser.type_into("#password", DEMO.1);
    browser.press("main button");
    assert_eq!(browser.url(), format!("{}/dashboard", pair.business));
    assert!(browser.text().contains("Welcome jsf.fusco!"));
    let before = uses(&browser);
    browser.press("main button");
    assert_eq!(uses(&browser), before + 1);

    browser.press(".bar button");
    assert_eq!(browser.url(), format!("{}/login", pair.auth));
    assert_eq!(browser.cookie(), None);
    for _ in 0..3 {
        browser.back();
        assert!(!browser.text().contains("Welcome"), "{}", browser.text());
    }
    browser.open(&format!("{}/dashboard", pair.business));
    assert!(browser.url().starts_with(&format!("{}/login?next=", pair.auth)));
}

#[test]
fn the_back_button_shows_nothing_of_the_account_after_the_logout() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::start();
    let browser = pair.browser();
    for page in ["/account", "/admin/users"] {
        browser.open(&format!("{}{page}", pair.auth));
        assert!(browser.text().contains(DEMO.0));
    }
    browser.press(".bar button");
    assert_eq!(browser.url(), format!("{}/login", pair.auth));
    for _ in 0..4 {
        browser.back();
        let text = browser.text();
        assert!(!text.contains("Your account") && !text.contains("Create a user"), "{text}");
    }
}

#[test]
fn one_browser_ends_the_session_of_another() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::launch(&Launch::pair().var("AUTH_SESSION_TTL", "10m"));
    let (here, there) = (pair.browser(), pair.browser());
    here.open(&format!("{}/account", pair.auth));
    let text = here.text();
    assert_eq!(text.matches("Last used").count(), 2, "{text}");
    here.press("li:nth-of-type(2) form[action$='/end'] button");
    assert!(here.text().contains("The session has ended."), "{}", here.text());
    there.press("main button");
    assert!(there.url().starts_with(&format!("{}/login?next=", pair.auth)), "{}", there.url());
    here.open(&format!("{}/dashboard", pair.business));
    assert!(here.text().contains("Welcome"));
}

#[test]
fn a_new_password_replaces_the_cookie_and_ends_the_others() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::launch(&Launch::pair().var("AUTH_SESSION_TTL", "10m"));
    let (here, there) = (pair.browser(), pair.browser());
    here.open(&format!("{}/account", pair.auth));
    let before = here.cookie();
    assert!(before.is_some());
    here.type_into("#current-password", DEMO.1);
    here.type_into("#new-password", "nine red kettles whistle");
    here.press("form[action='/account/password'] button");
    assert!(here.text().contains("Your password was changed"), "{}", here.text());
    assert!(here.cookie().is_some() && here.cookie() != before);
    there.press("main button");
    assert!(there.url().starts_with(&format!("{}/login", pair.auth)), "{}", there.url());
    there.log_in(DEMO);
    assert!(there.text().contains("is wrong"), "{}", there.text());
    there.log_in((DEMO.0, "nine red kettles whistle"));
    assert!(there.text().contains("Welcome"), "{}", there.text());
}

#[test]
fn a_session_that_is_left_alone_dies_and_one_that_is_used_does_not() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::launch(&Launch::pair().var("AUTH_SESSION_TTL", "12s"));
    let browser = pair.browser();
    // In all longer than a session lasts that is not used, and each far shorter.
    for _ in 0..4 {
        let_time_pass(Duration::from_millis(3_500));
        browser.press("main button");
        assert!(browser.text().contains("Welcome"), "{}", browser.text());
    }
    assert!(!browser.text().contains("It has run out"), "{}", browser.text());
    // The page's clock starts after the session's: what has run out for it is over.
    eventually("the page says that it has run out", TIMEOUT, || {
        browser.text().contains("It has run out").then_some(())
    });
    browser.press("main button");
    assert!(browser.url().starts_with(&format!("{}/login?next=", pair.auth)), "{}", browser.url());
}

#[test]
fn a_form_of_another_site_is_refused() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::start();
    let browser = pair.browser();
    let page = format!(
        "<title>off</title><script>document.title = 'on'</script>\
         <form method=post action='{0}/login'><input name=username value='{1}'>\
         <input name=password value='{2}'><button id=login>x</button></form>\
         <form method=post action='{0}/logout'><button id=logout>x</button></form>\
         <form method=post action='{3}/notes'><input name=note value=x><button id=note>x</button></form>",
        pair.auth, DEMO.0, DEMO.1, pair.business
    );
    let site = other_site(page);
    for button in ["#login", "#logout", "#note"] {
        browser.open(&format!("http://127.0.0.1:{}/", site.port));
        assert_eq!(browser.title(), "off", "scripts are switched off");
        browser.press(button);
        assert!(browser.text().contains("cross_site_request"), "{button}: {}", browser.text());
    }
    browser.open(&format!("{}/dashboard", pair.business));
    assert!(browser.text().contains("Welcome"), "{}", browser.text());
}

#[test]
fn without_encryption_and_under_another_name_forms_work_too() {
    if skip_without_chromium() {
        return;
    }
    // Such a browser says nothing of where a request comes from but its `Origin`.
    let mut process = Launch::pair().var("AUTH_ALLOWED_HOSTS", "plain.example").start();
    let auth = format!("http://plain.example:{}", process.listener("public").port);
    let browser = Chromium::start();
    browser.open(&format!("{auth}/account"));
    browser.log_in(DEMO);
    assert_eq!(browser.url(), format!("{auth}/account"));
    browser.press(".bar button");
    assert_eq!(browser.url(), format!("{auth}/login"));
}

#[test]
fn a_name_that_somebody_had_resolve_to_this_machine_shows_nothing() {
    if skip_without_chromium() {
        return;
    }
    let mut process = Launch::pair().start();
    let browser = Chromium::start();
    for name in ["public", "business"] {
        let port = process.listener(name).port;
        for path in ["/", "/login", "/dashboard", "/docs"] {
            browser.open(&format!("http://plain.example:{port}{path}"));
            let text = browser.text();
            assert!(text.contains("misdirected_request"), "{path}: {text}");
        }
    }
}

#[test]
fn the_keyboard_is_enough() {
    if skip_without_chromium() {
        return;
    }
    let pair = Pair::start();
    let browser = Chromium::start();
    browser.open(&format!("{}/login", pair.auth));
    let (tab, enter) = (thirtyfour::Key::Tab, thirtyfour::Key::Enter);
    // The name has the focus already.
    browser.keys(DEMO.0);
    browser.keys(tab.value().to_string());
    browser.keys(DEMO.1);
    browser.keys(enter.value().to_string());
    eventually("the account opens", TIMEOUT, || browser.url().ends_with("/account").then_some(()));
    // The first stop leads past the navigation.
    browser.keys(tab.value().to_string());
    browser.keys(enter.value().to_string());
    eventually("the content is jumped to", TIMEOUT, || {
        browser.url().ends_with("#main").then_some(())
    });
}
