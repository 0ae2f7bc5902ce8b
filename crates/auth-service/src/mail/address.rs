//! From a user name to an address that mail reaches.

use lettre::Address;

/// The address as a mail server is given it: the domain in ASCII, the part before it as it was typed.
/// `None` for a user name that no mail can be sent to.
pub(super) fn of_user(name: &str) -> Option<Address> {
    let (local, _) = name.trim().rsplit_once('@')?;
    let folded = users::fold_name(name);
    let (_, domain) = folded.rsplit_once('@')?;
    // What could end a line or an address stands in none, whatever a parser makes of it.
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '[');
    if local.contains(odd) || !domain.is_ascii() || domain.contains(odd) {
        return None;
    }
    Address::new(local, domain).ok()
}

/// Whether somebody may ask for mail to a user name. Not to one in quotes: `"ann"`, `"a\nn"` and `ann` are
/// one mailbox, which would have an account and a limit of mails for each way to write it.
pub(crate) fn is_deliverable(name: &str) -> bool {
    !name.contains('"') && of_user(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> Option<String> {
        of_user(name).map(|address| address.to_string())
    }

    #[test]
    fn a_domain_is_written_in_ascii_and_the_rest_as_it_is() {
        for (name, address) in [
            (" Ann@Example.com ", "Ann@example.com"),
            ("ann@Bücher.example", "ann@xn--bcher-kva.example"),
            ("René@example.com", "René@example.com"),
            ("a+b=c'd@example.com", "a+b=c'd@example.com"),
        ] {
            assert_eq!(written(name).as_deref(), Some(address), "{name}");
        }
    }

    #[test]
    fn what_could_be_read_as_more_than_one_address_is_none() {
        let long = format!("{}@example.com", "a".repeat(65));
        for name in [
            "",
            "ann",
            "a,b@example.com",
            "a\r\nRCPT TO:<b@example.com>@example.com",
            "a>@example.com",
            "<a@example.com>",
            "a;b@example.com",
            "a:b@example.com",
            "\"a>b\"@example.com",
            "a b@example.com",
            "a(b)@example.com",
            "a\\b@example.com",
            ".a@example.com",
            // No header can be written with an address in brackets.
            "ann@[192.0.2.1]",
            "ann@[IPv6:2001:db8::1]",
            &long,
        ] {
            assert_eq!(written(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_mailbox_is_asked_for_in_one_spelling() {
        for name in ["\"ann\"@example.com", "\"a\\nn\"@example.com", "\"\"@example.com"] {
            assert!(!is_deliverable(name), "{name}");
        }
        assert!(written("\"ann\"@example.com").is_some(), "an admin's account gets its mails");
        assert!(is_deliverable("a.nn+x@example.com"));
    }
}
