//! What people do with mail, in a real browser with scripts switched off; and how its pages and mails
//! look.

use std::fs;
use std::path::PathBuf;

use super::mailbox::{Letter, Mailbox};
use crate::browser::accessibility::{axe_core, check_page};
use crate::browser::chromium::{Chromium, skip_without_chromium};
use crate::harness::{AuthService, LONG_PASSWORD};

const EVE: &str = "eve@example.com";
const NEW: &str = "eight blue kettles hum along";

/// A service with open sign-up, and where browsers find it.
fn start(mailbox: &Mailbox) -> (AuthService, String) {
    let auth = AuthService::launch_on_a_file(mailbox.launch().var("AUTH_SIGNUP", "open"));
    let url = format!("http://localhost:{}", auth.public.port);
    auth.keep_secret(LONG_PASSWORD);
    auth.keep_secret(NEW);
    (auth, url)
}

/// The page that a mail leads to, where it says the public URL of before the port was known.
fn follow(browser: &Chromium, url: &str, letter: &Letter) {
    browser.open(&format!("{url}{}", letter.link()));
}

#[test]
fn from_the_sign_up_to_a_forgotten_password_and_back() {
    if skip_without_chromium() {
        return;
    }
    let mailbox = Mailbox::new();
    let (auth, url) = start(&mailbox);
    let browser = Chromium::start();
    browser.open(&format!("{url}/login"));
    browser.press("a[href='/signup']");
    browser.type_into("#email", EVE);
    browser.type_into("#new-password", LONG_PASSWORD);
    browser.press("main button");
    assert!(browser.text().contains("Look at your mail"), "{}", browser.text());
    browser.open(&format!("{url}/login"));
    browser.log_in((EVE, LONG_PASSWORD));
    assert!(browser.text().contains("is wrong"), "not before it is verified");

    let letter = mailbox.newest_to(EVE, 1);
    auth.keep_secret(&letter.ticket());
    follow(&browser, &url, &letter);
    browser.type_into("#password", "something else entirely");
    browser.press("main button");
    assert!(browser.text().contains("not the password that was chosen"), "{}", browser.text());
    browser.type_into("#password", LONG_PASSWORD);
    browser.press("main button");
    assert!(browser.text().contains("The address is confirmed"), "{}", browser.text());
    browser.log_in((EVE, LONG_PASSWORD));
    assert_eq!(browser.url(), format!("{url}/account"));

    let elsewhere = Chromium::start();
    elsewhere.open(&format!("{url}/login"));
    elsewhere.press("a[href='/password/forgot']");
    elsewhere.type_into("#email", EVE);
    elsewhere.press("main button");
    let letter = mailbox.newest_to(EVE, 2);
    auth.keep_secret(&letter.ticket());
    follow(&elsewhere, &url, &letter);
    elsewhere.type_into("#new-password", "short");
    elsewhere.press("main button");
    assert!(elsewhere.text().contains("at least 15"), "{}", elsewhere.text());
    elsewhere.type_into("#new-password", NEW);
    elsewhere.press("main button");
    assert!(elsewhere.text().contains("Your password was set"), "{}", elsewhere.text());
    follow(&elsewhere, &url, &letter);
    assert!(elsewhere.text().contains("This link does nothing any more"));

    browser.open(&format!("{url}/account"));
    assert!(browser.url().contains("/login?next="), "the old session is dead: {}", browser.url());
    browser.log_in((EVE, NEW));
    assert_eq!(browser.url(), format!("{url}/account"));
}

/// Where a browser trusts nothing but what it says of itself: plain HTTP on another host.
#[test]
fn the_forms_work_over_plain_http_and_the_ticket_is_in_no_referer() {
    if skip_without_chromium() {
        return;
    }
    let mailbox = Mailbox::new();
    let launch = mailbox.launch().var("AUTH_SIGNUP", "open").var("AUTH_ALLOWED_HOSTS", "*");
    let auth = AuthService::launch_on_a_file(launch);
    let url = format!("http://plain.example:{}", auth.public.port);
    let browser = Chromium::start_with_scripts();
    browser.open(&format!("{url}/signup"));
    browser.type_into("#email", EVE);
    browser.type_into("#new-password", LONG_PASSWORD);
    browser.press("main button");
    let letter = mailbox.newest_to(EVE, 1);
    follow(&browser, &url, &letter);
    browser.type_into("#password", LONG_PASSWORD);
    browser.press("main button");
    assert!(browser.text().contains("The address is confirmed"), "{}", browser.text());
    let referrer = browser.run("arguments[0](document.referrer)");
    assert_eq!(referrer, format!("{url}/"), "without the path and the ticket");
}

/// What is wrong with the pages that were looked at, and pictures of them where `MAIL_PICTURES` says.
struct Inspection {
    axe: String,
    pictures: Option<PathBuf>,
    found: Vec<String>,
}

impl Inspection {
    fn look_at(&mut self, browser: &Chromium, name: &str) {
        check_page(browser, &self.axe, name, &mut self.found);
        let Some(directory) = &self.pictures else { return };
        for (width, colours) in [(900, "light"), (360, "dark")] {
            browser.show_as(width, colours);
            browser.picture(&directory.join(format!("{name}-{width}-{colours}.png")));
        }
    }

    fn sign_up(&mut self, browser: &Chromium, url: &str, mailbox: &Mailbox) {
        browser.open(&format!("{url}/login"));
        self.look_at(browser, "login");
        browser.open(&format!("{url}/signup"));
        self.look_at(browser, "signup");
        browser.type_into("#email", EVE);
        browser.type_into("#new-password", "short");
        browser.press("main button");
        self.look_at(browser, "signup-again");
        browser.type_into("#new-password", LONG_PASSWORD);
        browser.press("main button");
        self.look_at(browser, "requested");
        follow(browser, url, &mailbox.newest_to(EVE, 1));
        self.look_at(browser, "verify");
        browser.type_into("#password", LONG_PASSWORD);
        browser.press("main button");
        self.look_at(browser, "verified");
        browser.log_in((EVE, LONG_PASSWORD));
        self.look_at(browser, "account");
    }

    fn recover(&mut self, browser: &Chromium, url: &str, mailbox: &Mailbox) {
        browser.open(&format!("{url}/password/forgot"));
        self.look_at(browser, "forgot");
        browser.type_into("#email", EVE);
        browser.press("main button");
        let letter = mailbox.newest_to(EVE, 2);
        follow(browser, url, &letter);
        self.look_at(browser, "reset");
        browser.type_into("#new-password", NEW);
        browser.press("main button");
        follow(browser, url, &letter);
        self.look_at(browser, "over");
        browser.open(&format!("{url}/email/verify?ticket=rft_x"));
        self.look_at(browser, "unknown");
    }

    fn read(&mut self, browser: &Chromium, mailbox: &Mailbox) {
        mailbox.newest_to(EVE, 3);
        let home = tempfile::tempdir().unwrap();
        for (n, letter) in mailbox.letters().iter().enumerate() {
            let path = home.path().join(format!("{n}.html"));
            fs::write(&path, &letter.html).unwrap();
            browser.open(&format!("file://{}", path.display()));
            self.look_at(browser, &format!("mail-{n}"));
        }
    }
}

#[test]
fn no_page_or_mail_has_a_serious_violation_and_none_is_wider_than_a_phone() {
    if skip_without_chromium() {
        return;
    }
    let Some(axe) = axe_core() else {
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "axe-core is not installed");
        eprintln!("skipped: axe-core is not installed");
        return;
    };
    let mailbox = Mailbox::new();
    let (_auth, url) = start(&mailbox);
    let mut browser = Chromium::start_with_scripts();
    browser.expect_violations();
    let pictures = std::env::var_os("MAIL_PICTURES").map(PathBuf::from);
    let mut inspection = Inspection { axe, pictures, found: Vec::new() };
    inspection.sign_up(&browser, &url, &mailbox);
    inspection.recover(&browser, &url, &mailbox);
    inspection.read(&browser, &mailbox);
    assert!(inspection.found.is_empty(), "{}", inspection.found.join("\n"));
}
