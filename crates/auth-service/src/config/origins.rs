//! Settings that are origins of pages: of sites, and of the shells of native applications.

use server_runtime::settings::list;

use super::parse::url;

/// Origins of sites, separated by commas.
pub(super) fn of_sites(text: &str) -> Option<Vec<String>> {
    list(text, origin)
}

/// Origins of sites and of native shells, separated by commas.
pub(super) fn of_sites_and_shells(text: &str) -> Option<Vec<String>> {
    list(text, |item| origin(item).or_else(|| shell_origin(item)))
}

/// An origin as browsers write it ([RFC 6454 §6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)).
fn origin(text: &str) -> Option<String> {
    let url = url(text)?;
    let written = url.origin().ascii_serialization();
    let exact = url.path() == "/" && text.trim_end_matches('/').eq_ignore_ascii_case(&written);
    (exact && !written.contains('*')).then_some(written)
}

/// The origin of a native shell, `capacitor://localhost`, kept as it is written: such schemes have
/// no rules of their own. Those that browsers know otherwise are no shell's.
fn shell_origin(text: &str) -> Option<String> {
    const NO_SHELL: [&str; 12] = [
        "http",
        "https",
        "ws",
        "wss",
        "ftp",
        "file",
        "filesystem",
        "blob",
        "data",
        "javascript",
        "about",
        "null",
    ];
    let (scheme, authority) = text.strip_suffix('/').unwrap_or(text).split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let fits =
        begins && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let host_fits = !host.is_empty() && host.bytes().all(named);
    let port_fits = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (fits && host_fits && port_fits && !NO_SHELL.contains(&&*scheme))
        .then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        assert_eq!(origin("https://app.example.com").unwrap(), "https://app.example.com");
        assert_eq!(origin("http://localhost:8090/").unwrap(), "http://localhost:8090");
        for bad in [
            "*",
            "example.com",
            "https://a.example/path",
            "ftp://a.example",
            "https://u@a.example",
            "https://*.example.com",
            "https://*",
            "capacitor://localhost",
            "null",
        ] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_origin_of_a_native_shell_has_a_scheme_of_its_own_and_no_path() {
        for (text, expected) in [
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost/", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://My.App:8080", "app://My.App:8080"),
            ("Chrome-Extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(shell_origin(text).as_deref(), Some(expected), "{text}");
        }
        for bad in [
            "capacitor:",
            "capacitor://",
            "capacitor:///",
            "capacitor:localhost",
            "capacitor://localhost/path",
            "capacitor://localhost//",
            "capacitor://localhost?a",
            "capacitor://u@localhost",
            "capacitor://localhost:",
            "capacitor://localhost:x",
            "capacitor://localhost:65536",
            "capacitor://*",
            "app://*.example.com",
            "://localhost",
            "1app://localhost",
            "a b://localhost",
            "file://localhost",
            "javascript://localhost",
            "data://x",
            "blob://x",
            "wss://a.example",
            "https://*.example.com",
            "null",
            "null://",
            "null://x",
            "*",
        ] {
            assert_eq!(shell_origin(bad), None, "{bad}");
        }
    }
}
