//! Which crate may know which, read from the manifests. An arrow points down or it is a mistake.

use std::fs;

use super::files::root;

/// A crate's name and what it depends on outside of its tests; `true` for what a feature must
/// switch on.
pub(crate) struct Manifest {
    name: String,
    dependencies: Vec<(String, bool)>,
}

/// What a crate may depend on only where its row says so, beside the other crates of the workspace.
const GUARDED: &[&str] = &[
    "axum",
    "axum-extra",
    "cookie",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "redis",
    "reqwest",
    "sqlx",
    "tokio",
    "tower",
    "tower-http",
];

/// What each crate may know. Where a name begins with `?`, only a feature may switch it on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("auth-api-types", &[]),
    ("auth-http", &["auth-api-types", "http"]),
    ("batching", &["tokio"]),
    ("clock", &[]),
    ("httpdate", &[]),
    ("wiping-alloc", &[]),
    // No rule names it: it is for tests alone.
    ("testkit", &["tokio"]),
    ("session", &["batching", "clock", "redis", "sqlx", "tokio"]),
    ("users", &["clock", "sqlx", "tokio"]),
    (
        "http-server",
        &["axum", "http", "http-body", "hyper", "hyper-util", "tokio", "tower", "wiping-alloc"],
    ),
    (
        "server-runtime",
        &["auth-http", "axum", "clock", "http", "http-server", "reqwest", "tokio", "tower"],
    ),
    (
        "auth-client",
        &[
            "auth-api-types",
            "auth-http",
            "?axum",
            "batching",
            "clock",
            "http",
            "reqwest",
            "tokio",
            "tower",
        ],
    ),
    (
        "auth-service",
        &[
            "auth-api-types",
            "auth-http",
            "axum",
            "clock",
            "cookie",
            "http",
            "reqwest",
            "server-runtime",
            "session",
            "tokio",
            "tower-http",
            "users",
            "wiping-alloc",
        ],
    ),
    (
        "business-service",
        &[
            "auth-api-types",
            "auth-client",
            "auth-http",
            "axum",
            "clock",
            "http",
            "server-runtime",
            "tokio",
            "tower-http",
        ],
    ),
    (
        "pair",
        &[
            "auth-api-types",
            "auth-client",
            "auth-service",
            "axum",
            "business-service",
            "clock",
            "server-runtime",
            "tokio",
        ],
    ),
];

/// The manifests of all crates below the root package.
pub(crate) fn manifests() -> Vec<Manifest> {
    let directories = fs::read_dir(root().join("crates")).unwrap();
    let paths = directories.map(|entry| entry.unwrap().path().join("Cargo.toml"));
    paths
        .filter(|path| path.exists())
        .map(|path| read(&fs::read_to_string(path).unwrap()))
        .collect()
}

/// The dependencies of a crate that no rule allows; also a crate that no rule knows.
pub(crate) fn violations(manifest: &Manifest) -> Vec<String> {
    let name = &manifest.name;
    let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| crate_name == name) else {
        return vec![format!("{name} has no rule")];
    };
    let is_guarded = |dependency: &str| {
        GUARDED.contains(&dependency) || ALLOWED.iter().any(|(name, _)| *name == dependency)
    };
    let is_allowed = |dependency: &str, optional: bool| {
        let by_feature = |rule: &str| rule.strip_prefix('?') == Some(dependency) && optional;
        allowed.iter().any(|rule| *rule == dependency || by_feature(rule))
    };
    let bad = manifest.dependencies.iter().filter(|(dependency, optional)| {
        is_guarded(dependency) && !is_allowed(dependency, *optional)
    });
    bad.map(|(dependency, _)| format!("{name} must not know {dependency}")).collect()
}

fn read(text: &str) -> Manifest {
    let mut manifest = Manifest { name: String::new(), dependencies: Vec::new() };
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if let Some(dependency) = section.strip_prefix("dependencies.") {
                manifest.dependencies.push((dependency.to_owned(), false));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let key = key.trim().split('.').next().unwrap_or_default();
        let is_dependency = section == "dependencies"
            || section == "build-dependencies"
            || section.starts_with("target.") && section.ends_with(".dependencies");
        if section == "package" && key == "name" {
            value.trim().trim_matches('"').clone_into(&mut manifest.name);
        } else if is_dependency && !line.starts_with('#') {
            manifest.dependencies.push((key.to_owned(), value.contains("optional = true")));
        }
    }
    manifest
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let of = |name: &str, dependencies: &str| {
        violations(&read(&format!("[package]\nname = \"{name}\"\n\n{dependencies}\n")))
    };
    assert_eq!(
        of("session", "[dependencies]\nusers.workspace = true"),
        ["session must not know users"]
    );
    assert_eq!(of("users", "[dependencies.axum]\nversion = \"1\""), ["users must not know axum"]);
    assert_eq!(
        of("clock", "[target.'cfg(unix)'.dependencies]\ntokio = \"1\""),
        ["clock must not know tokio"]
    );
    assert_eq!(of("auth-client", "[dependencies]\naxum.workspace = true").len(), 1);
    assert!(
        of("auth-client", "[dependencies]\naxum = { workspace = true, optional = true }")
            .is_empty()
    );
    assert!(of("users", "[dev-dependencies]\naxum.workspace = true").is_empty());
    assert_eq!(of("unheard-of", ""), ["unheard-of has no rule"]);
}
