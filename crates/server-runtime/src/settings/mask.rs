//! Hiding what must not be shown of a value: of a URL only what is known to be harmless is shown.

/// What stands in the place of anything secret.
pub(super) const MASK: &str = "****";

/// Parameters of a URL's query whose values open nothing. `options` and `sslkey` are none of them:
/// either may hold a secret.
const HARMLESS: [&str; 20] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "mode",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "statement-cache-capacity",
    "target_session_attrs",
    "tls",
];

/// The text, with all that is not known to be harmless masked where it holds a URL:
/// `redis://****@host/0`.
pub fn mask_urls(text: &str) -> String {
    if text.contains("://") { mask_url(text) } else { text.to_owned() }
}

/// The text, which is to be a URL or several: scheme, hosts, ports, path and harmless parameters
/// are shown, everything else is masked. A word, an address or a path is shown as well, since that
/// is what people mistake for a URL; what looks like neither is masked as a whole.
///
/// It errs on the side of hiding: whatever stands before a URL's last `@` is taken for a user and a
/// password, since people forget to escape theirs.
pub fn mask_url(text: &str) -> String {
    mask_each(text, mask_one)
}

/// The same, of which paths are not shown either: one may open what it leads to.
pub(super) fn mask_url_and_path(text: &str) -> String {
    mask_each(text, |url| {
        let masked = mask_one(url);
        let Some((scheme, rest)) = masked.split_once("://") else { return MASK.to_owned() };
        match rest.split_once('/') {
            Some((host, path)) if !path.is_empty() => format!("{scheme}://{host}/{MASK}"),
            _ => masked,
        }
    })
}

/// Masks each URL of a list by itself.
fn mask_each(text: &str, mask: fn(&str) -> String) -> String {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(comma) = next_url(rest) {
        pieces.push(mask(&rest[..comma]));
        rest = &rest[comma + 1..];
    }
    pieces.push(mask(rest));
    pieces.join(",")
}

/// The comma after which the next URL of a list begins: a scheme follows it.
fn next_url(text: &str) -> Option<usize> {
    let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.match_indices("://").find_map(|(at, _)| {
        let before = text[..at].trim_end_matches(scheme).trim_end();
        before.strip_suffix(',').map(str::len)
    })
}

fn mask_one(url: &str) -> String {
    let indented = url.len() - url.trim_start().len();
    let (blank, url) = url.split_at(indented);
    let masked = match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}", mask_rest(rest)),
        Some(_) => MASK.to_owned(),
        None => mask_without_scheme(url),
    };
    format!("{blank}{masked}")
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// What follows `scheme://`.
fn mask_rest(rest: &str) -> String {
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let (hosts, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !hosts.split(',').all(|host| is_host(host.trim())) {
        return MASK.to_owned();
    }
    format!("{user}{hosts}{}", mask_path(rest))
}

/// A path with its query and fragment.
fn mask_path(rest: &str) -> String {
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let path = if path.chars().all(is_plain) { path } else { "/****" };
    let Some(query) = query.strip_prefix('?') else {
        let fragment = if query.is_empty() { String::new() } else { format!("#{MASK}") };
        return format!("{path}{fragment}");
    };
    let masked: Vec<&str> = query.split('&').map(mask_parameter).collect();
    format!("{path}?{}", masked.join("&"))
}

/// A parameter of which even the name may be the rest of a secret.
fn mask_parameter(parameter: &str) -> &str {
    match parameter.split_once('=') {
        Some((name, value)) if HARMLESS.contains(&name) && value.chars().all(is_plain) => parameter,
        _ => MASK,
    }
}

/// `memory`, `users.db`, `127.0.0.1:8080` and `sqlite:PATH` are shown.
fn mask_without_scheme(text: &str) -> String {
    for scheme in ["sqlite:", "file:"] {
        if let Some(path) = text.strip_prefix(scheme) {
            return format!("{scheme}{}", mask_file(path));
        }
    }
    let (address, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let plain = |c: char| is_plain(c) || c == ' ';
    let shown = text.split(',').all(|item| item.trim().chars().all(plain) && !item.contains(':'))
        || is_host(address) && path.chars().all(plain);
    if shown { text.to_owned() } else { MASK.to_owned() }
}

/// A file may be called anything; its parameters may not.
fn mask_file(path: &str) -> String {
    match path.split_once('?') {
        Some((path, query)) => format!("{path}{}", mask_path(&format!("?{query}"))),
        None => path.to_owned(),
    }
}

/// A name or an address, with a port or without.
fn is_host(text: &str) -> bool {
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(&byte))
            && port.strip_prefix(':').map_or(port.is_empty(), is_port);
    }
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    is_port(port) && name.chars().all(|c| c.is_alphanumeric() || "-._*%".contains(c))
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-._~%/*".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_what_is_harmless_is_shown() {
        for (given, shown) in [
            ("postgres://ann:geheim@db/app", "postgres://****@db/app"),
            ("redis://:geheim@db:6379/0", "redis://****@db:6379/0"),
            ("redis://geheim@db", "redis://****@db"),
            ("postgres://ann:ge/h@i://m?#, x@db/app", "postgres://****@db/app"),
            ("postgres://ann:ge?heim@db/app", "postgres://****@db/app"),
            ("postgres://ann:geheim", "postgres://****"),
            ("postgres://ann:ge/heim", "postgres://****"),
            ("postgres://ann:ge?heim=x", "postgres://****"),
            ("postgres://ann:ge#heim", "postgres://****"),
            ("postgres://db/app#geheim", "postgres://db/app#****"),
            ("postgres://db/a pp", "postgres://db/****"),
            ("postgres://db/app?pass=geheim", "postgres://db/app?****"),
            ("postgres://db/app?sslpassword=geheim", "postgres://db/app?****"),
            ("postgres://db/app?%70assword=geheim", "postgres://db/app?****"),
            ("postgres://db/app?geheim", "postgres://db/app?****"),
            ("postgres://db/app?options=-c%20x=geheim", "postgres://db/app?****"),
            ("postgres://db/app?SSLMODE=geheim", "postgres://db/app?****"),
            ("postgres://db/app?sslmode=;geheim", "postgres://db/app?****"),
            (
                "postgres://db/app?sslmode=require&password=geheim&sslrootcert=/etc/ca.pem",
                "postgres://db/app?sslmode=require&****&sslrootcert=/etc/ca.pem",
            ),
            ("postgres://%2Fvar%2Frun/app?host=/tmp", "postgres://%2Fvar%2Frun/app?host=/tmp"),
            ("http://a:x@h1,http://b:y@h2", "http://****@h1,http://****@h2"),
            ("http://h1, http://b:y@h2", "http://h1, http://****@h2"),
            ("redis-cluster://u:p@h:1,h:2", "redis-cluster://****@h:1,h:2"),
            ("redis://[::1]:6379/0?password=geheim", "redis://[::1]:6379/0?****"),
            ("smtp://ann:geheim@mx:25?tls=none", "smtp://****@mx:25?tls=none"),
            ("http://host:80/path?q=geheim", "http://host:80/path?****"),
            ("ge heim://host", "****"),
        ] {
            assert_eq!(mask_url(given), shown, "{given}");
            assert_eq!(mask_urls(given), shown, "{given}");
        }
    }

    #[test]
    fn a_path_that_may_open_something_is_not_shown() {
        for (given, shown) in [
            ("https://a.example/", "https://a.example/"),
            ("https://a.example:8443", "https://a.example:8443"),
            ("https://ann:x@a.example/geheim?geheim", "https://****@a.example/****"),
            ("https://a/geheim, ftp://b/geheim,http://c", "https://a/****, ftp://b/****,http://c"),
            ("https://a?geheim", "https://a?****"),
            ("/geheim", "****"),
            ("a.example/geheim", "****"),
        ] {
            assert_eq!(mask_url_and_path(given), shown, "{given}");
        }
    }

    #[test]
    fn what_is_no_url_is_shown_where_it_is_a_word_an_address_or_a_path() {
        for given in [
            "",
            "memory",
            "memroy",
            "users.db",
            "not a url",
            "/var/lib/users.db",
            "127.0.0.1:80",
            "localhost:8080/path",
            "sqlite::memory:",
            "sqlite:/var/lib/a b:c.db?mode=rwc",
            "file:/var/mail",
        ] {
            assert_eq!(mask_url(given), given);
        }
        for (given, shown) in [
            ("postgres:ann:geheim@db/app", "****"),
            ("postgres:geheim", "****"),
            ("postgres//ann:geheim@db/app", "****"),
            ("postgres:/ann:geheim@db/app", "****"),
            ("redis:geheim@db", "****"),
            ("ann:geheim@db:5432/app", "****"),
            ("ann@db", "****"),
            ("host=db password=geheim", "****"),
            ("db:5432/app?password=geheim", "****"),
            ("db?geheim", "****"),
            ("geheim#", "****"),
            ("sqlite:a.db?key=geheim", "sqlite:a.db?****"),
        ] {
            assert_eq!(mask_url(given), shown, "{given}");
        }
        for given in ["info,sqlx=warn", "javascript:alert", "Ann <a@b.c>", "10/5m"] {
            assert_eq!(mask_urls(given), given, "no URL, and no setting for one");
        }
    }
}
