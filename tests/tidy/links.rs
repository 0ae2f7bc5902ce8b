//! Links in Markdown that should lead to a file of the repository.

use std::collections::BTreeSet;

use super::files::Found;

/// The links of a document that lead to no file or directory among `paths`.
pub(crate) fn broken(document: &Found, paths: &BTreeSet<String>) -> Vec<String> {
    let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut broken = Vec::new();
    for target in targets(&document.text) {
        let path = resolve(directory, target);
        let below = format!("{path}/");
        let exists =
            path.is_empty() || paths.contains(&path) || paths.iter().any(|p| p.starts_with(&below));
        if !exists {
            broken.push(format!("{}: {target}", document.path));
        }
    }
    broken
}

/// The targets of `[text](target)` outside code blocks, without those that lead elsewhere.
fn targets(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let links = prose.flat_map(|prose| prose.split("](").skip(1));
    let targets = links.filter_map(|link| link.split(')').next());
    let paths = targets.map(|target| target.split('#').next().unwrap_or(target));
    paths
        .filter(|path| !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:"))
        .collect()
}

fn resolve(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn a_link_to_nowhere_is_found() {
    let paths = BTreeSet::from(["README.md".to_owned(), "docs/a.md".to_owned()]);
    let document = |text: &str| Found { path: "docs/a.md".to_owned(), text: text.to_owned() };
    assert_eq!(broken(&document("[x](b.md)"), &paths), ["docs/a.md: b.md"]);
    assert_eq!(broken(&document("[x](../docs/c.md#part)"), &paths), ["docs/a.md: ../docs/c.md"]);
    let good = "[x](a.md) [x](../README.md#top) [x](#here) [x](https://example.com) [x](../docs)\n\
                ```\n[x](b.md)\n```\n";
    assert!(broken(&document(good), &paths).is_empty());
}
