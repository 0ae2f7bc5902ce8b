//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::pinning::cores;
use crate::process::installed;

/// One line a fact.
pub(crate) fn facts(repository: &Path) -> Vec<(&'static str, String)> {
    let cpu = proc_line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = proc_line("/proc/meminfo", "MemTotal")
        .and_then(|kib| kib.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let hypervisor = fs::read_to_string("/proc/cpuinfo")
        .is_ok_and(|text| text.lines().any(|l| l.starts_with("flags") && l.contains("hypervisor")));
    let suffix = if hypervisor { ", a virtual machine" } else { "" };
    let mut facts = vec![
        ("processor", format!("{cpu}, {} cores{suffix}", cores())),
        ("memory", memory.map_or_else(String::new, |kib| format!("{} GiB", kib / (1 << 20)))),
        ("kernel", format!("Linux {}", kernel.trim())),
        ("revision", revision(repository)),
        ("rustc", first_line("rustc", &["--version"])),
        ("axum", locked(repository, "axum")),
        ("axum-login", locked(&repository.join("benches/yardsticks"), "axum-login")),
        ("tower-sessions", locked(&repository.join("benches/yardsticks"), "tower-sessions")),
        (
            "tower-sessions-redis-store",
            locked(&repository.join("benches/yardsticks"), "tower-sessions-redis-store"),
        ),
        ("wrk", first_line("wrk", &["--version"])),
        ("Redis", first_line("redis-server", &["--version"])),
        ("nginx", first_line("nginx", &["-v"])),
        ("Python", first_line("python3", &["--version"])),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The commit, and whether something was changed since.
fn revision(repository: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--", "crates", "Cargo.lock"]);
    let suffix = if changed.is_none_or(|list| list.is_empty()) { "" } else { " and changes" };
    git(&["rev-parse", "--short", "HEAD"]).map_or_else(String::new, |commit| commit + suffix)
}

fn proc_line(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The first line of what a command says about itself, wherever it says it.
fn first_line(command: &str, arguments: &[&str]) -> String {
    let Some(path) = installed(command) else {
        return String::new();
    };
    let Ok(output) = Command::new(path).args(arguments).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    line.split(" [").next().unwrap_or_default().split(" sha=").next().unwrap_or_default().to_owned()
}

/// The version of a package in a lock file.
fn locked(directory: &Path, package: &str) -> String {
    let text = fs::read_to_string(directory.join("Cargo.lock")).unwrap_or_default();
    let mark = format!("name = \"{package}\"\nversion = \"");
    let rest = text.split_once(&mark).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().to_owned()
}
