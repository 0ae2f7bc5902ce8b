//! Secrets that are read again while the process runs: on SIGHUP, and where a file that holds one
//! has changed.
//!
//! INVARIANT: all or none. Nothing is replaced before every secret was read and accepted; what is
//! refused leaves the ones in force as they are.

use std::sync::LazyLock;
use std::time::Duration;

use http_server::Lifecycle;
use prometheus_client::metrics::counter::Counter;
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

use crate::settings::{BadSetting, Settings};
use crate::telemetry::ALWAYS;

/// How often the files are looked at. A change is taken at the second look that sees it, so that
/// the operator may count on ten seconds.
const INTERVAL: Duration = Duration::from_secs(2);

static FAILURES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Puts secrets in force that were read and accepted; it cannot fail.
pub type Replace = Box<dyn FnOnce() + Send>;

/// What a process does with secrets that were read again: accepts them all, or says what is wrong.
pub struct Secrets(Box<Accept>);

type Accept = dyn Fn(&Settings) -> Result<Replace, BadSetting> + Send + Sync;

impl Secrets {
    /// `accept` reads each secret that can be replaced, changes nothing yet, and gives what puts
    /// them in force.
    pub fn new(
        accept: impl Fn(&Settings) -> Result<Replace, BadSetting> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(accept))
    }

    /// Reads each of them.
    ///
    /// # Errors
    ///
    /// The first that is not acceptable.
    pub fn accept(&self, settings: &Settings) -> Result<Replace, BadSetting> {
        (self.0)(settings)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

/// How often secrets were read again and refused.
pub(crate) fn failures() -> Counter {
    FAILURES.clone()
}

/// Reads the secrets of `settings` again until the process ends.
pub(crate) async fn watch(
    secrets: Secrets,
    settings: Settings,
    mut hang_ups: Signal,
    lifecycle: Lifecycle,
) {
    let stopped = lifecycle.token();
    let mut watcher = Watcher::new(secrets, settings);
    let mut looks = interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_requested = tokio::select! {
            () = stopped.cancelled() => return,
            _ = hang_ups.recv() => true,
            _ = looks.tick(), if watcher.in_force.has_secret_files() => false,
        };
        let settings = watcher.in_force.clone();
        // A file may be on a disk that is slow, or far away.
        let read = tokio::task::spawn_blocking(move || settings.read_secrets_again()).await;
        match read {
            Ok(read) if is_requested => watcher.take(read),
            Ok(read) => watcher.observe(read),
            Err(error) => tracing::error!(%error, "secrets could not be read again"),
        }
    }
}

/// What the files gave.
type Read = Result<Settings, BadSetting>;

struct Watcher {
    secrets: Secrets,
    in_force: Settings,
    /// What was read last.
    latest: Read,
    /// What was put in force, or refused, last.
    taken: Read,
}

impl Watcher {
    fn new(secrets: Secrets, in_force: Settings) -> Self {
        let (latest, taken) = (Ok(in_force.clone()), Ok(in_force.clone()));
        Self { secrets, in_force, latest, taken }
    }

    /// Takes what two looks in a row have seen: whoever writes a file may be in the midst of it.
    fn observe(&mut self, read: Read) {
        let is_settled = is_same(&read, &self.latest);
        self.latest = read;
        if is_settled && !is_same(&self.latest, &self.taken) {
            self.take(self.latest.clone());
        }
    }

    /// Puts in force what was read, or says why not.
    fn take(&mut self, read: Read) {
        self.latest.clone_from(&read);
        self.taken.clone_from(&read);
        let accepted = read.and_then(|settings| Ok((self.secrets.accept(&settings)?, settings)));
        match accepted {
            Ok((replace, settings)) => {
                replace();
                let changed = settings.changed_since(&self.in_force).join(", ");
                self.in_force = settings;
                let changed = if changed.is_empty() { "none of them" } else { &changed };
                tracing::info!(target: ALWAYS, changed, "secrets were read again");
            }
            Err(bad) => {
                FAILURES.inc();
                tracing::error!(target: ALWAYS, "secrets were read again and none was replaced: {bad}");
            }
        }
    }
}

fn is_same(one: &Read, other: &Read) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.changed_since(other).is_empty(),
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use clap::Command;
    use parking_lot::Mutex;

    use super::*;
    use crate::settings::{Optional, Parser, Setting, TEXT};

    const ONE: Optional<String> = Setting::secret("X_ONE", TEXT, "One");
    const TWO: Optional<String> = Setting::secret(
        "X_TWO",
        Parser::new("no blank", |text| (!text.contains(' ')).then(|| text.to_owned())),
        "Two",
    );

    /// Two secrets in files, what takes them, and what is in force.
    struct Fixture {
        directory: PathBuf,
        watcher: Watcher,
        in_force: Arc<Mutex<Vec<String>>>,
    }

    impl Fixture {
        fn new(name: &str) -> Self {
            let name = format!("server-runtime-reload-{}-{name}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir_all(&directory).unwrap();
            for (name, secret) in [("one", "1"), ("two", "2")] {
                fs::write(directory.join(name), secret).unwrap();
            }
            let table = [ONE.row(), TWO.row()];
            let matches = Settings::command(Command::new("thing"), &table).get_matches_from(["x"]);
            let env = |name: &str| match name {
                "X_ONE_FILE" => Some(OsString::from(directory.join("one"))),
                "X_TWO_FILE" => Some(OsString::from(directory.join("two"))),
                _ => None,
            };
            let settings = Settings::read(&table, &matches, &env).unwrap();
            let in_force = Arc::new(Mutex::new(vec!["1".to_owned(), "2".to_owned()]));
            let replaced = Arc::clone(&in_force);
            let secrets = Secrets::new(move |settings| {
                let both = [settings.get(&ONE)?, settings.get(&TWO)?].map(Option::unwrap);
                let replaced = Arc::clone(&replaced);
                Ok(Box::new(move || *replaced.lock() = both.to_vec()))
            });
            Self { directory, watcher: Watcher::new(secrets, settings), in_force }
        }

        fn write(&self, name: &str, secret: &str) {
            fs::write(self.directory.join(name), secret).unwrap();
        }

        fn look(&mut self) {
            let read = self.watcher.in_force.read_secrets_again();
            self.watcher.observe(read);
        }

        fn hang_up(&mut self) {
            let read = self.watcher.in_force.read_secrets_again();
            self.watcher.take(read);
        }

        fn in_force(&self) -> [String; 2] {
            self.in_force.lock().clone().try_into().unwrap()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    #[test]
    fn a_changed_file_is_taken_at_the_second_look_and_at_once_on_request() {
        let mut fixture = Fixture::new("taken");
        fixture.write("one", "11");
        fixture.look();
        assert_eq!(fixture.in_force(), ["1", "2"]);
        fixture.look();
        assert_eq!(fixture.in_force(), ["11", "2"]);
        fixture.write("two", "22");
        fixture.hang_up();
        assert_eq!(fixture.in_force(), ["11", "22"]);
    }

    #[test]
    fn a_file_that_is_being_written_is_not_taken_half() {
        let mut fixture = Fixture::new("half");
        for part in ["", "a", "abc"] {
            fixture.write("one", part);
            fixture.look();
            assert_eq!(fixture.in_force(), ["1", "2"]);
        }
        fixture.look();
        assert_eq!(fixture.in_force(), ["abc", "2"]);
    }

    #[test]
    fn one_that_is_refused_leaves_all_as_they_are_and_is_counted_once() {
        let mut fixture = Fixture::new("refused");
        let before = failures().get();
        fixture.write("one", "11");
        fixture.write("two", "2 2");
        for _ in 0..5 {
            fixture.look();
        }
        assert_eq!(fixture.in_force(), ["1", "2"]);
        fixture.write("two", "22");
        fixture.look();
        fixture.look();
        assert_eq!(fixture.in_force(), ["11", "22"]);
        fs::remove_file(fixture.directory.join("one")).unwrap();
        fixture.look();
        fixture.look();
        assert_eq!(fixture.in_force(), ["11", "22"]);
        // Other tests of this process count too.
        assert!(failures().get() >= before + 2);
    }

    #[test]
    fn a_file_behind_a_symbolic_link_may_be_exchanged_with_the_link() {
        let mut fixture = Fixture::new("link");
        let (path, link) = (fixture.directory.join("next"), fixture.directory.join("link"));
        fixture.write("next", "11");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        fs::rename(&link, fixture.directory.join("one")).unwrap();
        fixture.look();
        fixture.look();
        assert_eq!(fixture.in_force(), ["11", "2"]);
    }

    #[test]
    fn a_pipe_is_read_once() {
        let mut fixture = Fixture::new("pipe");
        let path = fixture.directory.join("one");
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        fixture.write("two", "22");
        fixture.hang_up();
        assert_eq!(fixture.in_force(), ["1", "22"]);
    }
}
