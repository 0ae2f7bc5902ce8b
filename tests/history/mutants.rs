//! Seeded faults: a patch each under `mutants/`, of which the check that it names must fail.
//!
//! ```text
//! cargo test --test history -- --ignored --nocapture seeded_faults     # all of them
//! MUTANTS=cached-yes,use-rounded-up cargo test --test history -- --ignored --nocapture seeded_faults
//! ```
//!
//! They are put one by one into a copy of the latest commit, under `target/mutants`, which is built
//! there with everything from before, so that one costs what has changed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use std::{env, fs};

use serde_json::{Value, json};
use testkit::now;

/// What stands before the check in a patch.
const CHECK: &str = "Check: ";
/// How many there are at least.
const LEAST: usize = 30;

/// One seeded fault.
struct Mutant {
    name: String,
    /// What is wrong with it, in a sentence.
    fault: String,
    check: Check,
    patch: PathBuf,
}

/// The tests of which one must fail.
#[derive(Clone, PartialEq, Eq)]
struct Check {
    variables: Vec<(String, String)>,
    suite: String,
    filters: Vec<String>,
}

/// What became of a mutant.
struct Killed {
    /// By which tests, and in a history by which property.
    by: String,
    /// How many requests a history needed.
    requests: Option<u64>,
    took: Duration,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    let directory = fs::read_dir(root().join("tests/history/mutants")).unwrap();
    let mut paths: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(Mutant::read).collect()
}

impl Mutant {
    fn read(patch: PathBuf) -> Self {
        let text = fs::read_to_string(&patch).unwrap();
        let name = patch.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut lines = text.lines();
        let fault = lines.next().unwrap_or_default().to_owned();
        let check = lines.next().and_then(|line| Check::parse(line.strip_prefix(CHECK)?));
        let check = check.unwrap_or_else(|| panic!("{name}: its second line names no check"));
        Self { name, fault, check, patch }
    }

    /// Whether it fits the tree in `directory`, or, where `check` is not set, its being put in.
    fn apply(&self, directory: &Path, arguments: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.arg("apply").arg("-C1").args(arguments).arg(&self.patch).current_dir(directory);
        git.output().unwrap()
    }
}

impl Check {
    /// `NAME=value … SUITE FILTER …`
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_variable = |word: &&&str| word.contains('=');
        let variables = words.iter().take_while(is_variable).filter_map(|word| {
            word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        let variables: Vec<_> = variables.collect();
        let (suite, filters) = words[variables.len()..].split_first()?;
        let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        Some(Self { variables, suite: (*suite).to_owned(), filters })
    }

    /// Its tests, in the tree there.
    fn command(&self, tree: &Path, only_build: bool) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.arg("test").current_dir(tree).env("CARGO_TARGET_DIR", tree.with_file_name("target"));
        cargo.env("CARGO_INCREMENTAL", "1").env("CARGO_TERM_COLOR", "never");
        // With the root package beside it, a crate's dependencies have the features that they have
        // for all, and are built once.
        match self.suite.as_str() {
            "e2e" | "history" => cargo.args(["--test", &self.suite]),
            "auth-client" => {
                cargo.args(["-p", "auth-client", "-p", "reinflate", "--test", "client"])
            }
            package => cargo.args(["-p", package, "-p", "reinflate", "--lib"]),
        };
        if only_build {
            cargo.arg("--no-run");
        }
        cargo.arg("--").args(&self.filters);
        cargo.envs(self.variables.iter().map(|(name, value)| (name, value)));
        cargo
    }

    fn build(&self, tree: &Path) -> Result<(), String> {
        let built = self.command(tree, true).output().unwrap();
        if built.status.success() { Ok(()) } else { Err(text(&built.stderr)) }
    }

    /// The tests find nothing in the tree as it is.
    fn assert_holds(&self, tree: &Path) {
        self.build(tree).unwrap_or_else(|error| panic!("the copy does not compile: {error}"));
        let output = self.command(tree, false).env("HISTORY_SECONDS", "10").output().unwrap();
        let shown = text(&output.stdout);
        let failed = failed_tests(&shown);
        assert!(output.status.success(), "{} fails without a fault: {failed:?}", self.suite);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
}

/// A copy of the latest commit, in which only what has changed since is new.
fn copy() -> PathBuf {
    let tree = root().join("target/mutants/tree");
    if !tree.join(".git").exists() {
        fs::create_dir_all(tree.parent().unwrap()).unwrap();
        let from = root().to_str().unwrap();
        git(root(), &["clone", "-q", "--shared", "--no-checkout", from, tree.to_str().unwrap()]);
    }
    git(&tree, &["fetch", "-q", "origin", "HEAD"]);
    git(&tree, &["checkout", "-q", "--force", "--detach", "FETCH_HEAD"]);
    tree
}

/// The tests that failed, by their names.
fn failed_tests(output: &str) -> Vec<&str> {
    let named = |line: &'_ str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.len())
    };
    let lines = output.lines().filter_map(|line| Some(&line[5..5 + named(line)?]));
    lines.collect()
}

/// What stands right before these words.
fn number_before(output: &str, words: &str) -> Option<u64> {
    let before = &output[..output.find(words)?];
    before.rsplit(' ').next()?.parse().ok()
}

/// The property that a history broke.
fn broken_property(output: &str) -> Option<String> {
    let (_, violation) = output.split_once("among them [")?;
    Some(violation.trim_start().split(" of session").next()?.to_owned())
}

/// Puts it in and runs its check; `None` where that found nothing.
fn try_out(mutant: &Mutant, tree: &Path) -> Option<Killed> {
    let applied = mutant.apply(tree, &[]);
    assert!(applied.status.success(), "{}: {}", mutant.name, text(&applied.stderr));
    let built = mutant.check.build(tree);
    let began = now();
    let tried = built.map(|()| mutant.check.command(tree, false).output().unwrap());
    let took = began.elapsed();
    git(tree, &["checkout", "-q", "--force", "HEAD"]);
    let output = tried.unwrap_or_else(|error| panic!("{} does not compile: {error}", mutant.name));
    if output.status.success() {
        return None;
    }
    let shown = text(&output.stdout) + &text(&output.stderr);
    let failed = failed_tests(&shown);
    let others = failed.len().saturating_sub(1);
    let test = failed.first().map_or("the process".to_owned(), |name| format!("`{name}`"));
    let by = match broken_property(&shown) {
        Some(property) => format!("{test}, property {property}"),
        None if others > 0 => format!("{test} and {others} more"),
        None => test,
    };
    Some(Killed { by, requests: number_before(&shown, " requests"), took })
}

/// Takes the outcome in beside those of earlier runs, for the document.
fn store(mutant: &Mutant, killed: Option<&Killed>) {
    let path = root().join("target/reliability/mutants.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let stored = fs::read_to_string(&path).ok();
    let mut all: Value =
        stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(json!({}));
    all[&mutant.name] = json!({
        "fault": mutant.fault,
        "suite": mutant.check.suite,
        "killed_by": killed.map(|killed| &killed.by),
        "requests": killed.and_then(|killed| killed.requests),
        "seconds": killed.map(|killed| killed.took.as_secs_f64()),
    });
    fs::write(path, format!("{all:#}\n")).unwrap();
}

#[test]
fn every_seeded_fault_still_fits_the_tree() {
    let mutants = mutants();
    assert!(mutants.len() >= LEAST, "there are {}", mutants.len());
    for mutant in mutants {
        let fits = mutant.apply(root(), &["--check"]);
        let why = text(&fits.stderr);
        let name = &mutant.name;
        assert!(
            fits.status.success(),
            "the code that tests/history/mutants/{name}.patch puts a fault into has changed: put \
             the same fault into the new code ({why})"
        );
        assert!(mutant.fault.ends_with('.'), "{name} says what is wrong in a sentence");
    }
}

#[test]
#[ignore = "it builds the product thirty times"]
fn seeded_faults_are_found() {
    let wanted = env::var("MUTANTS").ok();
    let wanted: Option<Vec<&str>> = wanted.as_deref().map(|names| names.split(',').collect());
    let chosen = mutants()
        .into_iter()
        .filter(|mutant| wanted.as_ref().is_none_or(|names| names.contains(&mutant.name.as_str())));
    let mut chosen: Vec<Mutant> = chosen.collect();
    // Those of one package one after the other, so that nothing is built twice.
    chosen.sort_by_key(|mutant| mutant.check.suite.clone());
    assert!(!chosen.is_empty(), "there is none of that name");
    let (tree, mut tried, mut survivors) = (copy(), Vec::new(), Vec::new());
    for mutant in &chosen {
        if !tried.contains(&mutant.check) {
            mutant.check.assert_holds(&tree);
            tried.push(mutant.check.clone());
        }
        let killed = try_out(mutant, &tree);
        store(mutant, killed.as_ref());
        let Some(Killed { by, requests, took }) = killed else {
            eprintln!("{}: SURVIVED", mutant.name);
            survivors.push(&mutant.name);
            continue;
        };
        let after = requests.map(|requests| format!(" after {requests} requests"));
        eprintln!("{}: {by}{} in {took:.1?}", mutant.name, after.unwrap_or_default());
    }
    assert!(survivors.is_empty(), "no test has found {survivors:?}");
}

#[test]
fn what_a_run_has_found_is_read_from_its_output() {
    let output = "test a::b ... ok\ntest sessions_in_memory ... FAILED\n\
        HISTORY_SEED=7, sweeps every 1s: 2 violations after 4711 requests, [1, 0] by property, \
        among them [\n    3 (LogoutIsFinal) of session 9: it lives\n]";
    assert_eq!(failed_tests(output), ["sessions_in_memory"]);
    assert_eq!(number_before(output, " requests"), Some(4711));
    assert_eq!(broken_property(output).as_deref(), Some("3 (LogoutIsFinal)"));
    let check = Check::parse("A=1 B=2 history sessions_in_memory").unwrap();
    assert_eq!((check.variables.len(), check.suite.as_str()), (2, "history"));
    assert_eq!(check.filters, ["sessions_in_memory"]);
    assert!(Check::parse("A=1").is_none());
}
