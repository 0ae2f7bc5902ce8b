//! Hiding what must not be shown of a value.

/// What stands in the place of anything secret.
pub(super) const MASK: &str = "****";

/// Parameters of a URL's query that take a secret.
const SECRET_PARAMETERS: [&str; 6] = ["password=", "passwd=", "pwd=", "secret=", "token=", "key="];

/// The text with every password of a URL in it masked: `redis://ann:****@host/0`.
///
/// It errs on the side of hiding: whatever stands between a URL's first `:` and its last `@` is
/// taken for a password, since people forget to escape theirs; so is a user name alone in front of
/// `@`, where some URLs carry a token.
pub fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        let (url, next) = after.split_at(next_url(after));
        out.push_str(scheme);
        out.push_str(&mask_query(&mask_authority(url)));
        rest = next;
    }
    out.push_str(rest);
    out
}

/// Where the next URL of a list begins: after a comma that a scheme follows.
fn next_url(text: &str) -> usize {
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.match_indices("://")
        .map(|(at, _)| text[..at].trim_end_matches(scheme).len())
        .find(|start| text[..*start].trim_end().ends_with(','))
        .unwrap_or(text.len())
}

fn mask_authority(url: &str) -> String {
    let Some((info, rest)) = url.rsplit_once('@') else {
        return url.to_owned();
    };
    match info.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}@{rest}"),
        None => format!("{MASK}@{rest}"),
    }
}

fn mask_query(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let masked: Vec<String> = query.split('&').map(mask_parameter).collect();
    format!("{path}?{}", masked.join("&"))
}

fn mask_parameter(parameter: &str) -> String {
    let lower = parameter.to_ascii_lowercase();
    match SECRET_PARAMETERS.iter().find_map(|name| lower.find(name).map(|at| at + name.len())) {
        Some(end) => format!("{}{MASK}", &parameter[..end]),
        None => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_masked_wherever_it_stands() {
        for (given, shown) in [
            ("postgres://ann:geheim@db/app", "postgres://ann:****@db/app"),
            ("redis://:geheim@db:6379/0", "redis://:****@db:6379/0"),
            ("redis://geheim@db", "redis://****@db"),
            ("postgres://ann:ge/h@i://m?#, x@db/app", "postgres://ann:****@db/app"),
            (
                "postgres://db/app?x=1&password=geheim&y=2",
                "postgres://db/app?x=1&password=****&y=2",
            ),
            ("postgres://db/app?sslPassword=geheim", "postgres://db/app?sslPassword=****"),
            ("http://a:x@h1,http://b:y@h2", "http://a:****@h1,http://b:****@h2"),
            ("http://h1, http://b:y@h2", "http://h1, http://b:****@h2"),
            ("redis-cluster://u:p@h:1,h:2", "redis-cluster://u:****@h:1,h:2"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("http://host:80/path?q=1", "http://host:80/path?q=1"),
        ] {
            assert_eq!(mask_urls(given), shown, "{given}");
        }
    }
}
