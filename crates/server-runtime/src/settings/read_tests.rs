//! What a setting is read from, and how its errors read.

use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Command;

use super::*;
use crate::settings::{DURATION, Optional, Parser, SOCKET_ADDR, TEXT};

crate::settings_table! {
    TABLE;

    TTL: Setting<Duration> =
        Setting::new("X_TTL", DURATION, "How long").with_flag("ttl").with_default("30s");
    STORE: Optional<String> = Setting::new("X_STORE", TEXT, "Where").with_flag("store");
    ADDR: Setting<SocketAddr> =
        Setting::new("X_ADDR", SOCKET_ADDR, "Where").with_flag("addr").with_default("127.0.0.1:1");
    KEY: Optional<String> = Setting::secret("X_KEY", TEXT, "What opens it");
    THE_PORT: Optional<u16> = PORT;
}

/// The same settings, read by a parser that takes nothing.
const NO_STORE: Optional<()> = Setting::new("X_STORE", Parser::new("nothing", |_| None), "Where");
const NO_KEY: Optional<()> = Setting::new("X_KEY", Parser::new("nothing", |_| None), "What");

fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Settings, BadSetting> {
    let env: Vec<(String, OsString)> =
        env.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    read_raw(args, env)
}

fn read_raw(args: &[&str], env: Vec<(String, OsString)>) -> Result<Settings, BadSetting> {
    let args = ["thing"].iter().chain(args);
    let matches = Settings::command(Command::new("thing"), TABLE).get_matches_from(args);
    let env = move |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    Settings::read(TABLE, &matches, &env)
}

fn ttl(settings: &Settings) -> Result<u64, BadSetting> {
    settings.get(&TTL).map(|ttl| ttl.as_secs())
}

/// A file of the test's own, deleted when dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &[u8]) -> Self {
        let name = format!("server-runtime-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_flag_wins_over_the_variable_and_the_variable_over_the_default() {
    let both = read(&["--ttl", "1s"], &[("X_TTL", "2s")]).unwrap();
    assert_eq!(ttl(&both).unwrap(), 1);
    let variable = read(&[], &[("X_TTL", "2s")]).unwrap();
    assert_eq!(ttl(&variable).unwrap(), 2);
    let neither = read(&[], &[]).unwrap();
    assert_eq!(ttl(&neither).unwrap(), 30);
    assert!(both.is_set(&TTL) && variable.is_set(&TTL) && !neither.is_set(&TTL));
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let settings = read(&[], &[("X_TTL", ""), ("X_STORE", ""), ("X_KEY", "")]).unwrap();
    assert_eq!(ttl(&settings).unwrap(), 30);
    assert_eq!(settings.get(&STORE).unwrap(), None);
    assert!(!settings.is_set(&KEY));
}

#[test]
fn a_bad_value_is_one_line_that_names_the_setting_as_it_was_given() {
    let flag = ttl(&read(&["--ttl", "30"], &[]).unwrap()).unwrap_err().to_string();
    assert!(
        flag.starts_with("--ttl: \"30\" is not acceptable") && flag.ends_with(DURATION.accepted),
        "{flag}"
    );
    let variable = ttl(&read(&[], &[("X_TTL", "a\nb\u{1b}")]).unwrap()).unwrap_err().to_string();
    assert!(variable.starts_with("X_TTL: \"a\\nb\\u{1b}\""), "{variable}");
    assert!(!variable.contains('\n'));
    let long = ttl(&read(&[], &[("X_TTL", &"x".repeat(5000))]).unwrap()).unwrap_err().to_string();
    assert!(long.len() < 400, "{long}");
}

#[test]
fn a_password_within_a_url_is_masked_in_errors_and_in_print() {
    let settings = read(&["--store", "redis://ann:geheim@db"], &[]).unwrap();
    let error = settings.get(&NO_STORE).unwrap_err().to_string();
    assert!(error.contains("redis://****@db"), "{error}");
    assert!(settings.print().contains("X_STORE=redis://****@db  # flag\n"));
    assert!(!format!("{error}{}{settings:?}", settings.print()).contains("geheim"));
}

#[test]
fn a_secret_is_never_shown() {
    let settings = read(&[], &[("X_KEY", "geheim")]).unwrap();
    assert_eq!(settings.get(&KEY).unwrap().unwrap(), "geheim");
    let error = settings.get(&NO_KEY).unwrap_err().to_string();
    assert!(error.starts_with("X_KEY: \"****\" is not"), "{error}");
    assert!(settings.print().contains("X_KEY=****  # variable\n"));
    assert!(!format!("{error}{}{settings:?}", settings.print()).contains("geheim"));
}

#[test]
fn a_secret_may_come_from_a_file_without_its_last_line_break() {
    for (name, content) in [("lf", "ge heim\n"), ("crlf", "ge heim\r\n"), ("none", "ge heim")] {
        let file = File::new(name, content.as_bytes());
        let settings = read(&[], &[("X_KEY_FILE", file.path())]).unwrap();
        assert_eq!(settings.get(&KEY).unwrap().unwrap(), "ge heim");
        let error = settings.get(&NO_KEY).unwrap_err().to_string();
        assert!(error.starts_with("X_KEY_FILE: \"****\""), "{error}");
        assert!(settings.print().contains("X_KEY=****  # file\n"));
    }
}

#[test]
fn a_secret_given_twice_is_refused() {
    let error = read(&[], &[("X_KEY", "geheim"), ("X_KEY_FILE", "/x")]).unwrap_err().to_string();
    assert_eq!(error, "X_KEY and X_KEY_FILE are both set; give one");
}

#[test]
fn a_secret_file_that_gives_no_secret_is_refused_by_name() {
    let missing = read(&[], &[("X_KEY_FILE", "/nowhere/at/all")]).unwrap_err().to_string();
    assert!(missing.starts_with("X_KEY_FILE: \"/nowhere/at/all\" cannot be read"), "{missing}");
    let directory = read(&[], &[("X_KEY_FILE", "/")]).unwrap_err().to_string();
    assert!(directory.starts_with("X_KEY_FILE: \"/\" cannot be read"), "{directory}");
    for (name, content) in
        [("empty", &b"\n"[..]), ("latin1", b"\xe9"), ("long", &"x".repeat(70_000).into_bytes())]
    {
        let file = File::new(name, content);
        let error = read(&[], &[("X_KEY_FILE", file.path())]).unwrap_err().to_string();
        assert!(error.starts_with("X_KEY_FILE: "), "{error}");
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn only_a_secret_has_a_file() {
    let settings = read(&[], &[("X_TTL_FILE", "/nowhere")]).unwrap();
    assert_eq!(ttl(&settings).unwrap(), 30);
}

#[test]
fn a_value_that_is_not_utf_8_is_refused_by_name() {
    let raw = |name: &str| vec![(name.to_owned(), OsString::from_vec(vec![b'a', 0xff]))];
    let plain = read_raw(&[], raw("X_TTL")).unwrap_err().to_string();
    assert!(plain.starts_with("X_TTL: \"a\u{fffd}\"") && plain.ends_with("UTF-8"), "{plain}");
    let secret = read_raw(&[], raw("X_KEY")).unwrap_err().to_string();
    assert!(secret.starts_with("X_KEY: \"****\""), "{secret}");
}

#[test]
fn a_setting_that_lost_its_default_is_named_where_it_is_missing() {
    let row = Row { default: None, ..TTL.row() };
    let matches = Settings::command(Command::new("thing"), &[row]).get_matches_from(["thing"]);
    let mut settings = Settings::read(&[row], &matches, &|_| None).unwrap();
    let error = ttl(&settings).unwrap_err().to_string();
    assert_eq!(error, format!("X_TTL is not set; it takes {}", DURATION.accepted));
    settings.set_default(&TTL, "5s");
    assert_eq!(ttl(&settings).unwrap(), 5);
}

#[test]
fn a_setting_of_another_table_is_an_error_and_no_setting_that_is_absent() {
    const STRANGE: Optional<String> = Setting::new("Y_NAME", TEXT, "Of another process");
    let error = read(&[], &[("Y_NAME", "y")]).unwrap().get(&STRANGE).unwrap_err().to_string();
    assert_eq!(error, "Y_NAME is no setting of this process");
}

#[test]
fn a_default_worked_out_later_yields_to_what_was_given() {
    let mut settings = read(&[], &[("X_TTL", "2s")]).unwrap();
    settings.set_default(&TTL, "5s");
    settings.set_default(&STORE, "memory");
    assert_eq!(ttl(&settings).unwrap(), 2);
    assert_eq!(settings.get(&STORE).unwrap().unwrap(), "memory");
    assert!(!settings.is_set(&STORE));
    assert!(settings.print().contains("X_STORE=memory  # default\n"));
}

#[test]
fn the_platforms_port_holds_only_where_the_address_is_absent() {
    let addr = |args: &[&str], env: &[(&str, &str)]| {
        read(args, env).unwrap().public_addr(&ADDR).map(|a| a.to_string())
    };
    assert_eq!(addr(&[], &[]).unwrap(), "127.0.0.1:1");
    assert_eq!(addr(&[], &[("PORT", "5000")]).unwrap(), "0.0.0.0:5000");
    assert_eq!(addr(&["--addr", "[::1]:2"], &[("PORT", "5000")]).unwrap(), "[::1]:2");
    assert!(addr(&[], &[("PORT", "65536")]).unwrap_err().to_string().starts_with("PORT: "));
    assert!(addr(&[], &[("X_ADDR", "x")]).unwrap_err().to_string().starts_with("X_ADDR: "));
}

#[test]
fn the_callers_own_refusal_names_the_setting_too() {
    let settings = read(&["--ttl", "9d"], &[]).unwrap();
    let error = settings.refuse(&TTL, "at most X_MAX, 7d").to_string();
    assert_eq!(error, "--ttl: \"9d\" is not acceptable; it takes at most X_MAX, 7d");
}
