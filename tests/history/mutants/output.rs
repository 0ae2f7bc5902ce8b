//! What a run of tests has found, from what it wrote.

/// By which tests something was found, and in a history by which property.
pub(super) fn found(output: &str) -> String {
    let failed = failed_tests(output);
    let others = failed.len().saturating_sub(1);
    let test = failed.first().map_or("the process".to_owned(), |name| format!("`{name}`"));
    match broken_property(output) {
        Some(property) => format!("{test}, property {property}"),
        None if others > 0 => format!("{test} and {others} more"),
        None => test,
    }
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
pub(super) fn number_before(output: &str, words: &str) -> Option<u64> {
    let before = &output[..output.find(words)?];
    before.rsplit(' ').next()?.parse().ok()
}

/// The property that a history broke.
fn broken_property(output: &str) -> Option<String> {
    let (_, violation) = output.split_once("among them [")?;
    Some(violation.trim_start().split(" of session").next()?.to_owned())
}

#[test]
fn what_a_run_has_found_is_read_from_its_output() {
    let output = "test a::b ... ok\ntest sessions_in_memory ... FAILED\n\
        HISTORY_SEED=7 HISTORY_SWEEP=1s HISTORY_CAP=0 HISTORY_BOUND=no: 2 violations after 4711 requests, [1, 0] by property, \
        among them [\n    3 (LogoutIsFinal) of session 9: it lives\n]";
    assert_eq!(failed_tests(output), ["sessions_in_memory"]);
    assert_eq!(number_before(output, " requests"), Some(4711));
    assert_eq!(found(output), "`sessions_in_memory`, property 3 (LogoutIsFinal)");
    assert_eq!(found("test a ... FAILED\ntest b ... FAILED"), "`a` and 1 more");
    assert_eq!(found("killed"), "the process");
}
