//! A recipe of the documentation as a running process.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Listener, TIMEOUT, eventually, unused_port};

/// Whose recipes, and how to run them.
pub(super) struct Kind {
    framework: &'static str,
    ending: &'static str,
    /// Programs that may run them, the first that has the framework.
    programs: &'static [&'static str],
    /// Arguments that fail where the framework is missing.
    probe: &'static [&'static str],
    /// Arguments that make a program of a file, where it is not run as it is.
    build: Option<&'static [&'static str]>,
}

pub(super) const FLASK: Kind = Kind {
    framework: "flask",
    ending: "py",
    programs: &["python3", "/usr/bin/python3"],
    probe: &["-c", "import flask"],
    build: None,
};

pub(super) const EXPRESS: Kind = Kind {
    framework: "express",
    ending: "js",
    programs: &["node"],
    probe: &["-e", "require('express')"],
    build: None,
};

pub(super) const GO: Kind = Kind {
    framework: "go",
    ending: "go",
    programs: &["go"],
    probe: &["version"],
    build: Some(&["build", "-o", BUILT]),
};

/// What a recipe that is built is called.
const BUILT: &str = "recipe";

/// It ends with its owner.
pub(super) struct Recipe {
    pub(super) listener: Listener,
    child: Child,
    _home: TempDir,
}

impl Recipe {
    /// `None` where the framework is not installed, unless `REQUIRE_ALL` is set.
    pub(super) fn start(
        kind: &Kind,
        name: &str,
        settings: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Option<Self> {
        let program = kind.program()?;
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        let file = format!("{}_{name}.{}", kind.framework, kind.ending);
        std::fs::write(home.path().join(&file), code(&file)).expect("it can be written");
        let port = unused_port();
        let mut command = match kind.build {
            Some(arguments) => built(program, arguments, &file, home.path()),
            None => command(program),
        };
        command.arg(&file).current_dir(home.path()).env("PORT", port.to_string());
        command.envs(settings);
        let child = command.stdin(Stdio::null()).spawn().expect("the recipe starts");
        let recipe = Self { listener: Listener { port }, child, _home: home };
        eventually("the recipe accepts", TIMEOUT, || recipe.listener.try_connect().ok());
        Some(recipe)
    }
}

impl Drop for Recipe {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kind {
    fn program(&self) -> Option<&'static str> {
        let has_it = |program: &&&str| {
            let probe = command(program).args(self.probe).output();
            probe.is_ok_and(|output| output.status.success())
        };
        let found = self.programs.iter().find(has_it).copied();
        if found.is_none() {
            let framework = self.framework;
            assert!(std::env::var_os("REQUIRE_ALL").is_none(), "{framework} is not installed");
            eprintln!("skipped: {framework} is not installed");
        }
        found
    }
}

/// The command that runs what the program makes of a file: with what it has itself, and without a network.
fn built(program: &str, arguments: &[&str], file: &str, home: &Path) -> Command {
    let mut build = Command::new(program);
    build.args(arguments).arg(file).current_dir(home);
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");
    build.env("GOCACHE", cache).env("GOPROXY", "off").env("GOFLAGS", "-mod=mod");
    let output = build.env("CGO_ENABLED", "0").output().expect("the program runs");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    command(&home.join(BUILT).display().to_string())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Where Debian keeps the modules of Node.
    command.env("NODE_PATH", "/usr/share/nodejs").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const DOCUMENTS: [&str; 4] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protect-your-service.md"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/your-own-users.md"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md"),
];

/// The code block of the documentation whose first line names this file.
pub(crate) fn code(file: &str) -> String {
    let documents =
        DOCUMENTS.map(|path| std::fs::read_to_string(path).expect("the documentation is there"));
    let blocks = documents.iter().flat_map(|text| text.split("\n```").skip(1).step_by(2));
    let named = |block: &&str| {
        let first = block.lines().nth(1).unwrap_or_default();
        first.trim_start_matches(['#', '/', ' ']) == file
    };
    let mut blocks = blocks;
    let block = blocks.find(named);
    let block = block.unwrap_or_else(|| panic!("the documentation has no {file}"));
    block.split_once('\n').expect("a language").1.to_owned()
}
