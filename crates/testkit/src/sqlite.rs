//! Queries and locks on the users' file, from another process: `sqlite3` must be installed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a query prints.
#[track_caller]
pub fn query(database: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(database)
        .arg(sql)
        .output()
        .expect("sqlite3 starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// A database that another process has locked, until dropped.
pub struct Held {
    process: Child,
}

impl Held {
    /// Locked for writing; in WAL mode others may read.
    #[track_caller]
    pub fn for_writing(database: &Path) -> Self {
        let mut process = Command::new("sqlite3")
            .args(["-bail", "-cmd", ".timeout 10000"])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 starts");
        let input = process.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "BEGIN IMMEDIATE;\nSELECT 'held';").expect("sqlite3 reads");
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
