//! Which files the repository consists of: what git knows or would add, so that what lies about
//! on somebody's disk breaks no rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A text file, by its path from the root.
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What may stand at the root.
const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "crates",
    "deploy",
    "docker-compose.yml",
    "docs",
    "fuzz",
    "postman",
    "tests",
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The paths of all files; from the disk where this is no git repository.
pub(crate) fn repository() -> BTreeSet<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    let mut paths = BTreeSet::new();
    match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            paths.extend(text.split_terminator('\0').map(str::to_owned));
            // What is deleted but not yet committed is still listed.
            paths.retain(|path| root().join(path).exists());
        }
        _ => walk("", &mut paths),
    }
    assert!(paths.contains("Cargo.toml"), "the repository was not found");
    paths
}

fn walk(directory: &str, paths: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
        let is_directory = entry.file_type().unwrap().is_dir();
        if is_directory && !["target", ".git", "node_modules"].contains(&name.as_str()) {
            walk(&path, paths);
        } else if !is_directory && !name.starts_with("reinflate.db") {
            paths.insert(path);
        }
    }
}

/// Every Rust file.
pub(crate) fn rust_sources() -> Vec<Found> {
    let sources = texts(&["rs"]);
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The files with one of these extensions; an empty one stands for files without any.
pub(crate) fn texts(extensions: &[&str]) -> Vec<Found> {
    let wanted = |path: &String| {
        let extension = Path::new(path).extension().unwrap_or_default();
        extensions.iter().any(|wanted| extension == *wanted)
    };
    let paths = repository().into_iter().filter(wanted);
    let read = |path: String| {
        let text = fs::read_to_string(root().join(&path)).ok()?;
        Some(Found { path, text })
    };
    paths.filter_map(read).collect()
}

/// The top-level entry of this path, where it is none that the repository has.
pub(crate) fn stranger(path: &str) -> Option<String> {
    let top = path.split('/').next().unwrap_or(path);
    let known = TOP_LEVEL.contains(&top) || top.starts_with('.');
    (!known).then(|| top.to_owned())
}
