//! What belongs to an alert: a section of the runbook that its link leads to, a case in the unit
//! tests of the rules in which it fires and, where the documentation names it, its being there.

use std::fs;

use super::files::root;

const RUNBOOK: &str = "https://github.com/reinflate/reinflate/blob/main/docs/runbook.md";

/// An alert of a rules file, and where its `runbook_url` leads.
#[derive(Debug, PartialEq, Eq)]
struct Alert {
    name: String,
    runbook: String,
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The files of `deploy/prometheus` that end so, one after the other.
fn all_of(suffix: &str) -> String {
    let entries = fs::read_dir(root().join("deploy/prometheus")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(suffix));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn alerts(rules: &str) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    for line in rules.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alerts.push(Alert { name: name.to_owned(), runbook: String::new() });
        } else if let Some(url) = line.strip_prefix("runbook_url: ") {
            url.clone_into(&mut alerts.last_mut().unwrap().runbook);
        }
    }
    alerts
}

/// The alerts that fire in some case of a file of tests.
fn fired(tests: &str) -> Vec<&str> {
    let mut fired = Vec::new();
    let mut alert = "";
    for line in tests.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("alertname: ") {
            alert = name;
        } else if line == "exp_alerts:" {
            fired.push(alert);
        }
    }
    fired
}

/// What an alert lacks: its name, and what it should have.
fn lacks(alerts: &[Alert], tests: &str, runbook: &str) -> Vec<String> {
    let fired = fired(tests);
    let mut lacks = Vec::new();
    for Alert { name, runbook: url } in alerts {
        if !fired.contains(&name.as_str()) {
            lacks.push(format!("{name}: a test in which it fires"));
        }
        if *url != format!("{RUNBOOK}#{}", name.to_lowercase()) {
            lacks.push(format!("{name}: a runbook_url that leads to its section"));
        }
        if !runbook.lines().any(|line| line.strip_prefix("## ") == Some(name)) {
            lacks.push(format!("{name}: a section of the runbook"));
        }
    }
    for section in runbook.lines().filter_map(|line| line.strip_prefix("## ")) {
        if !alerts.iter().any(|alert| alert.name == section) {
            lacks.push(format!("{section}: an alert, since the runbook has a section for it"));
        }
    }
    lacks
}

#[test]
fn each_alert_has_a_test_and_a_section_of_the_runbook() {
    let alerts = alerts(&all_of(".rules.yml"));
    assert!(alerts.len() >= 15, "the rules were not found");
    let lacks = lacks(&alerts, &all_of(".test.yml"), &read("docs/runbook.md"));
    super::assert_none("an alert lacks", &lacks);
}

#[test]
fn each_alert_that_the_metrics_table_names_is_there() {
    let rules = alerts(&all_of(".rules.yml"));
    let text = read("docs/operating.md");
    let named = text.split("**alert** (`").skip(1).filter_map(|rest| rest.split_once('`'));
    let named: Vec<&str> = named.map(|(name, _)| name).collect();
    assert!(named.len() >= 5, "the table was not found");
    let missing = named.iter().filter(|name| !rules.iter().any(|alert| alert.name == **name));
    let missing: Vec<String> = missing.map(ToString::to_string).collect();
    super::assert_none("an alert that is documented and not there", &missing);
}

#[test]
fn what_an_alert_lacks_is_found() {
    let url = format!("runbook_url: {RUNBOOK}#a");
    let rules = format!("- alert: A\n  {url}\n- alert: B\n  {url}\n");
    let tests =
        "- { eval_time: 1m, alertname: B, exp_alerts: [] }\n  alertname: A\n  exp_alerts:\n";
    let found = lacks(&alerts(&rules), tests, "# R\n## A\n## C\n");
    let about = |name: &str| found.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!((about("A:"), about("B:"), about("C:")), (0, 3, 1), "{found:?}");
}
