//! A look into the users' file, and a hand on it, from another process: `sqlite3` must be installed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a query prints.
#[track_caller]
pub(crate) fn query(database: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(database)
        .arg(sql)
        .output()
        .expect("sqlite3 starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim_end()
        .to_owned()
}

/// A database that another process keeps to itself, until dropped.
pub(crate) struct Held {
    process: Child,
}

impl Held {
    /// Nobody else may write.
    pub(crate) fn for_writing(database: &Path) -> Self {
        Self::by(database, "BEGIN IMMEDIATE;")
    }

    /// Nobody else may read either.
    pub(crate) fn altogether(database: &Path) -> Self {
        // In WAL mode readers go on unless the whole file is taken out of sharing.
        Self::by(
            database,
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; \
             UPDATE users SET disabled = disabled WHERE 0;",
        )
    }

    #[track_caller]
    fn by(database: &Path, sql: &str) -> Self {
        let mut process = Command::new("sqlite3")
            .args(["-bail", "-cmd", ".timeout 10000"])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 starts");
        let input = process.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{sql}\nSELECT 'held';").expect("sqlite3 reads");
        let output = process.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "held"), "the lock was not given");
        Self { process }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
