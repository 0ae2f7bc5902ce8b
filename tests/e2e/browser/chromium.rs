//! A real browser: Debian's Chromium behind its chromedriver, a fresh profile each time.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::support::block_on;
use thirtyfour::{BrowserLogEntry, LoggingPrefsLogLevel};

use crate::harness::{Listener, TIMEOUT, eventually, skip_unless_installed};

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A name that is not this machine's, for what browsers do only where they trust the network.
    "--host-resolver-rules=MAP plain.example 127.0.0.1",
];

/// A running browser. Dropping it ends it, and fails the test where a page broke its own policy.
pub(crate) struct Chromium {
    driver: WebDriver,
    chromedriver: Child,
    violations_expected: bool,
    _profile: TempDir,
}

/// Whether there is no browser here; the test that asks is then skipped, or fails.
pub(crate) fn skip_without_chromium() -> bool {
    skip_unless_installed("chromium") || skip_unless_installed("chromedriver")
}

impl Chromium {
    /// A browser with scripts switched off.
    pub(crate) fn start() -> Self {
        Self::with_prefs(&json!({"profile.managed_default_content_settings.javascript": 2}))
    }

    /// One in which a test may run scripts of its own.
    pub(crate) fn start_with_scripts() -> Self {
        Self::with_prefs(&json!({}))
    }

    fn with_prefs(prefs: &Value) -> Self {
        // The client's HTTP library wants a provider, though nothing here is encrypted. An error
        // only says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let profile = TempDir::with_prefix("reinflate-browser-").expect("a temporary directory");
        let port = free_port();
        let chromedriver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let listener = Listener { port };
        eventually("chromedriver listens", TIMEOUT, || listener.try_connect().ok());
        let capabilities = capabilities(&profile, prefs).expect("plain values");
        let url = format!("http://127.0.0.1:{port}");
        let driver = block_on(WebDriver::new(url, capabilities)).expect("the browser starts");
        Self { driver, chromedriver, violations_expected: false, _profile: profile }
    }

    pub(crate) fn open(&self, url: &str) {
        block_on(self.driver.goto(url)).expect("the page opens");
    }

    pub(crate) fn back(&self) {
        block_on(self.driver.back()).expect("there is a page to go back to");
    }

    pub(crate) fn url(&self) -> String {
        block_on(self.driver.current_url()).expect("a page is open").to_string()
    }

    pub(crate) fn title(&self) -> String {
        block_on(self.driver.title()).expect("a page is open")
    }

    /// What the page shows.
    pub(crate) fn text(&self) -> String {
        let body = async { self.driver.find(By::Tag("body")).await?.text().await };
        block_on(body).expect("a page is open")
    }

    /// Types into the field that this selector finds.
    #[track_caller]
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let typed = async {
            let field = self.driver.find(By::Css(selector)).await?;
            field.clear().await?;
            field.send_keys(text).await
        };
        block_on(typed).unwrap_or_else(|error| panic!("{selector}: {error}\n{}", self.text()));
    }

    /// Presses what this selector finds, and waits until another page is there.
    #[track_caller]
    pub(crate) fn press(&self, selector: &str) {
        let pressed = async {
            let page = self.driver.find(By::Tag("html")).await?;
            self.driver.find(By::Css(selector)).await?.click().await?;
            Ok::<_, WebDriverError>(page)
        };
        let page = block_on(pressed)
            .unwrap_or_else(|error| panic!("{selector}: {error}\n{}", self.text()));
        eventually("another page", TIMEOUT, || {
            let there = block_on(page.is_present());
            (!there.unwrap_or(false)).then_some(())
        });
    }

    /// Sends keys to whatever has the focus.
    pub(crate) fn keys(&self, keys: impl Into<TypingData>) {
        block_on(self.driver.action_chain().send_keys(keys).perform()).expect("keys are sent");
    }

    /// Fills in the login page that is open.
    #[track_caller]
    pub(crate) fn log_in(&self, (username, password): (&str, &str)) {
        self.type_into("#username", username);
        self.type_into("#password", password);
        self.press("main button");
    }

    /// The value of the session cookie.
    pub(crate) fn cookie(&self) -> Option<String> {
        let cookie = block_on(self.driver.get_named_cookie("reinflate")).ok()?;
        Some(cookie.value)
    }

    /// Shows pages as on a screen of this width, to somebody who likes them light or dark.
    pub(crate) fn show_as(&self, width: u32, colours: &str) {
        let metrics =
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        let feature = json!({"name": "prefers-color-scheme", "value": colours});
        for (method, parameters) in [
            ("Emulation.setDeviceMetricsOverride", metrics),
            ("Emulation.setEmulatedMedia", json!({"features": [feature]})),
        ] {
            block_on(self.driver.cdp().send_raw(method, parameters)).expect("the browser obeys");
        }
    }

    /// Runs a script that calls its last argument back.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        let returned = block_on(self.driver.execute_async(script, vec![]));
        returned.unwrap_or_else(|error| panic!("{error}")).json().clone()
    }

    /// Writes what it shows to a file of this name, where `SCREENSHOTS` names a directory.
    pub(crate) fn keep_screenshot(&self, name: &str) {
        if let Some(directory) = std::env::var_os("SCREENSHOTS") {
            self.show_as(1000, "light");
            let path = PathBuf::from(directory).join(name);
            block_on(self.driver.screenshot(&path)).expect("the screenshot is written");
        }
    }

    /// Writes a picture of the page that is open.
    pub(crate) fn picture(&self, path: &std::path::Path) {
        block_on(self.driver.screenshot(path)).expect("a picture is taken");
    }

    /// What the console has said since the last call.
    pub(crate) fn console(&self) -> Vec<BrowserLogEntry> {
        block_on(self.driver.browser_log()).expect("the console can be read")
    }

    /// The console's complaints about the pages' policies since the last call.
    pub(crate) fn violations(&self) -> Vec<String> {
        let complaints = self.console().into_iter().filter(|entry| {
            entry.source.as_deref() == Some("security")
                || entry.message.contains("Content Security Policy")
                || entry.message.contains("Refused to")
        });
        complaints.map(|entry| entry.message).collect()
    }

    /// Says that this browser will see pages break their policies.
    pub(crate) fn expect_violations(&mut self) {
        self.violations_expected = true;
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let violations = self.violations();
        let ended = block_on(self.driver.clone().quit());
        // Fails only where it has ended already.
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
        if !thread::panicking() {
            ended.expect("the browser ends");
            assert!(self.violations_expected || violations.is_empty(), "{violations:?}");
        }
    }
}

fn capabilities(
    profile: &TempDir,
    prefs: &Value,
) -> WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
    capabilities.add_experimental_option("prefs", prefs)?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities)
}

/// A port that is free now. A process that takes it in between makes the test fail, not pass.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener").port()
}
