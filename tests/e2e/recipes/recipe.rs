//! A recipe of the documentation as a running process.

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
    probe: [&'static str; 2],
}

pub(super) const FLASK: Kind = Kind {
    framework: "flask",
    ending: "py",
    programs: &["python3", "/usr/bin/python3"],
    probe: ["-c", "import flask"],
};

pub(super) const EXPRESS: Kind = Kind {
    framework: "express",
    ending: "js",
    programs: &["node"],
    probe: ["-e", "require('express')"],
};

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
        let mut command = command(program);
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

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Where Debian keeps the modules of Node.
    command.env("NODE_PATH", "/usr/share/nodejs").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const DOCUMENTS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protect-your-service.md"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/your-own-users.md"),
];

/// The code block of the documentation whose first line names this file.
pub(super) fn code(file: &str) -> String {
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
