//! Seeded faults: a patch each under `mutants/`, of which the check that it names must fail.
//!
//! ```text
//! cargo test --test history -- --ignored --nocapture seeded_faults     # all of them
//! MUTANTS=cached-yes,use-rounded-up cargo test --test history -- --ignored --nocapture seeded_faults
//! MUTANT_RUNS=5 cargo test --test history -- --ignored --nocapture seeded_faults  # each check so often
//! ```
//!
//! They are put one by one into a copy of the latest commit, under `target/mutants`, which is built
//! there with everything from before, so that one costs what has changed. What became of each is
//! stored as soon as it is known, beside what is known of the others.

mod output;

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
enum Fate {
    Killed(Killed),
    Survived,
    /// It was not tried, and why.
    Untried(String),
}

/// How a mutant was found.
struct Killed {
    /// By which tests, and in a history by which property.
    by: String,
    /// How many requests a history needed.
    requests: Option<u64>,
    took: Duration,
    /// In how many runs, and of how many.
    runs: (u64, u64),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    let directory = fs::read_dir(root().join("tests/history/mutants")).unwrap();
    let paths = directory.map(|entry| entry.unwrap().path());
    let is_patch = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "patch");
    let mut paths: Vec<PathBuf> = paths.filter(is_patch).collect();
    paths.sort();
    paths.into_iter().map(Mutant::read).collect()
}

/// Those that `MUTANTS` names, or all; those of one package one after the other, so that nothing is
/// built twice.
fn chosen() -> Vec<Mutant> {
    let mut chosen = mutants();
    if let Ok(names) = env::var("MUTANTS") {
        let names: Vec<&str> = names.split(',').collect();
        chosen.retain(|mutant| names.contains(&mutant.name.as_str()));
        assert_eq!(chosen.len(), names.len(), "MUTANTS names one that there is not");
    }
    chosen.sort_by_key(|mutant| mutant.check.suite.clone());
    chosen
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

    /// Puts it in, runs its check, and takes it out again.
    fn try_out(&self, tree: &Path) -> Fate {
        let applied = self.apply(tree, &[]);
        if !applied.status.success() {
            return Fate::Untried(format!("it does not fit: {}", text(&applied.stderr)));
        }
        let built = self.check.build(tree);
        let fate = match built {
            Ok(()) => self.check.fate(tree),
            Err(error) => Fate::Untried(format!("it does not compile: {error}")),
        };
        git(tree, &["checkout", "-q", "--force", "HEAD"]);
        fate
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
        // What this process was told by its own Cargo is no part of that build.
        cargo.env_remove("CARGO_MANIFEST_DIR");
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
        // A test that is skipped finds nothing.
        cargo.env("REQUIRE_ALL", "1");
        cargo.envs(self.variables.iter().map(|(name, value)| (name, value)));
        cargo
    }

    fn build(&self, tree: &Path) -> Result<(), String> {
        let built = self.command(tree, true).output().unwrap();
        if built.status.success() { Ok(()) } else { Err(text(&built.stderr)) }
    }

    /// Whether its tests find nothing in the tree as it is, and what they find otherwise.
    fn holds(&self, tree: &Path) -> Result<(), String> {
        self.build(tree).map_err(|error| format!("the copy does not compile: {error}"))?;
        let output = self.command(tree, false).env("HISTORY_SECONDS", "10").output().unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        if output.status.success() {
            let has_run =
                output::number_before(&shown, " passed;").is_some_and(|passed| passed > 0);
            return if has_run { Ok(()) } else { Err("its check is no test".to_owned()) };
        }
        Err(format!("its check fails without it: {}\n{shown}", output::found(&shown)))
    }

    /// What its tests make of the tree as it is, so many times.
    fn fate(&self, tree: &Path) -> Fate {
        let runs = env::var("MUTANT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
        let mut killed: Option<Killed> = None;
        for _ in 0..runs {
            let began = now();
            let output = self.command(tree, false).output().unwrap();
            if output.status.success() {
                continue;
            }
            let (took, shown) = (began.elapsed(), text(&output.stdout) + &text(&output.stderr));
            let killed = killed.get_or_insert_with(|| Killed {
                by: output::found(&shown),
                requests: output::number_before(&shown, " requests"),
                took,
                runs: (0, runs),
            });
            killed.runs.0 += 1;
        }
        killed.map_or(Fate::Survived, Fate::Killed)
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

/// Takes it in beside those of earlier runs, for the document.
fn store(mutant: &Mutant, fate: &Fate) {
    let path = root().join("target/reliability/mutants.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let stored = fs::read_to_string(&path).ok();
    let mut all: Value =
        stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(json!({}));
    let rows = all.as_object_mut().unwrap();
    let killed = match fate {
        Fate::Killed(killed) => Some(killed),
        Fate::Survived => None,
        // Nothing is known of it, nor is what was known before still true.
        Fate::Untried(_) => return drop(rows.remove(&mutant.name)),
    };
    let row = json!({
        "fault": mutant.fault,
        "suite": mutant.check.suite,
        "killed_by": killed.map(|killed| &killed.by),
        "requests": killed.and_then(|killed| killed.requests),
        "seconds": killed.map(|killed| killed.took.as_secs_f64()),
        "runs": killed.map(|killed| killed.runs),
    });
    rows.insert(mutant.name.clone(), row);
    // Whoever stops a run loses nothing of what it has stored.
    let new = path.with_extension("new");
    fs::write(&new, format!("{all:#}\n")).unwrap();
    fs::rename(new, path).unwrap();
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
    let (chosen, tree) = (chosen(), copy());
    // What holds without a fault, all in one build of each suite.
    let mut checks: Vec<(&Check, Result<(), String>)> = Vec::new();
    for Mutant { check, .. } in &chosen {
        if checks.iter().all(|(known, _)| *known != check) {
            checks.push((check, check.holds(&tree)));
            eprintln!("{} checks were tried without a fault", checks.len());
        }
    }
    let (mut survivors, mut untried) = (Vec::new(), Vec::new());
    for (at, mutant) in chosen.iter().enumerate() {
        let (_, holds) = checks.iter().find(|(check, _)| **check == mutant.check).unwrap();
        let fate = match holds {
            Ok(()) => mutant.try_out(&tree),
            Err(why) => Fate::Untried(why.clone()),
        };
        store(mutant, &fate);
        let said = match fate {
            Fate::Killed(Killed { by, requests, took, runs: (found, runs) }) => {
                let after = requests.map(|requests| format!(" after {requests} requests"));
                let after = after.unwrap_or_default();
                format!("{by}{after} in {took:.1?}, {found} of {runs} runs")
            }
            Fate::Survived => {
                survivors.push(&mutant.name);
                "SURVIVED".to_owned()
            }
            Fate::Untried(why) => {
                untried.push(&mutant.name);
                format!("NOT TRIED, {why}")
            }
        };
        eprintln!("{} of {}: {}: {said}", at + 1, chosen.len(), mutant.name);
    }
    assert!(survivors.is_empty(), "no test has found {survivors:?}; not tried: {untried:?}");
    assert!(untried.is_empty(), "all that were tried were found; not tried: {untried:?}");
}

#[test]
fn a_check_is_read_from_its_line() {
    let check = Check::parse("A=1 B=2 history sessions_in_memory").unwrap();
    assert_eq!((check.variables.len(), check.suite.as_str()), (2, "history"));
    assert_eq!(check.filters, ["sessions_in_memory"]);
    assert!(Check::parse("A=1").is_none());
}
