//! Mints tokens for programs: sessions of their own, which outlive the one that minted them.

use std::sync::Arc;
use std::time::Duration;

use server_runtime::settings::duration;
use session::{Holder, Issued, Kind, Mint, Scopes, SessionError};
use uuid::Uuid;

use super::access::require_admin;
use super::caller::Caller;
use super::login::{subject, undo_if_changed};
use super::{Domain, Error, Fault, Field};

/// The longest name of a token, in characters.
const NAME_CHARS: usize = 100;

/// The token that somebody wants.
pub(crate) struct NewToken {
    /// What a use does to it; by default nothing.
    pub(crate) kind: Option<Kind>,
    /// How long it lives, as people write a duration.
    pub(crate) ttl: Option<String>,
    pub(crate) name: Option<String>,
    /// What it is narrowed to; all that the role may where nothing is named.
    pub(crate) scopes: Option<Vec<String>>,
}

/// Mints what is wanted, if the caller may.
pub(crate) async fn mint(
    domain: &Domain,
    caller: &Caller,
    wanted: NewToken,
) -> Result<Issued, Error> {
    let mint = read(wanted, caller)?;
    issue(domain, caller, None, mint).await
}

/// Mints what is wanted for a service user, for an admin who has logged in recently.
pub(crate) async fn mint_for_service(
    domain: &Domain,
    caller: &Caller,
    user: Uuid,
    wanted: NewToken,
) -> Result<Issued, Error> {
    require_admin(&caller.session)?;
    let user = domain.users.get(user).await?.ok_or(Error::NotFound)?;
    if !user.service {
        return Err(Error::Forbidden("a person mints their own tokens"));
    }
    if user.disabled {
        return Err(Error::Forbidden("the service user is disabled"));
    }
    let mint = read(wanted, caller)?;
    let holder = Holder { subject: Arc::new(subject(&user)), role: 0, generation: user.generation };
    let issued = issue(domain, caller, Some(&holder), mint).await?;
    if undo_if_changed(domain, &user, &issued, &caller.client).await? {
        return Err(Error::Conflict("the service user was changed meanwhile"));
    }
    Ok(issued)
}

fn read(wanted: NewToken, caller: &Caller) -> Result<Mint, Field> {
    Ok(Mint {
        kind: wanted.kind.unwrap_or(Kind::Fixed),
        ttl: wanted.ttl.as_deref().map(|text| lifetime("ttl", text)).transpose()?,
        name: wanted.name.map(name).transpose()?,
        scopes: wanted.scopes.as_deref().map(scopes).transpose()?,
        origin: caller.client.origin(),
        request_id: caller.client.request_id.clone(),
    })
}

/// Counts the token before it is made. One that may have been made stays counted.
async fn issue(
    domain: &Domain,
    caller: &Caller,
    holder: Option<&Holder>,
    mint: Mint,
) -> Result<Issued, Error> {
    let attempt = domain.throttle.admit_mint(caller.session.subject.id).await?;
    let (sessions, maker) = (&domain.sessions, &caller.session);
    let minted = match holder {
        Some(holder) => sessions.mint_for(holder, maker, caller.presented, mint).await,
        None => sessions.mint(maker, caller.presented, mint).await,
    };
    match minted {
        Ok(issued) => Ok(issued),
        Err(error) => {
            if !matches!(error, SessionError::Store(_)) {
                domain.throttle.mint_refused(attempt).await;
            }
            Err(error.into())
        }
    }
}

/// A duration that is longer than can be counted is past any maximum.
pub(super) fn lifetime(field: &'static str, text: &str) -> Result<Duration, Field> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let too_long = || unit.len() < text.len() && duration(&format!("1{unit}")).is_some();
    let wrong = Fault::Unreadable("must be a duration such as 300ms, 30s or 12h");
    duration(text)
        .or_else(|| too_long().then_some(Duration::MAX))
        .ok_or_else(|| Field::new(field, wrong))
}

fn scopes(names: &[String]) -> Result<Scopes, Field> {
    let rule = "names 1 to 32 scopes of 1 to 64 characters of a-z, 0-9, ':', '.', '_', '/' and '-'";
    Scopes::parse(names).ok_or_else(|| Field::new("scopes", Fault::Rule(rule.to_owned())))
}

fn name(name: String) -> Result<Arc<str>, Field> {
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        let rule = format!("may have {NAME_CHARS} characters, and no control characters");
        return Err(Field::new("name", Fault::Rule(rule)));
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(text: &str) -> Result<Duration, Field> {
        lifetime("ttl", text)
    }

    #[test]
    fn what_is_longer_than_can_be_counted_is_a_duration_all_the_same() {
        for text in ["99999999999999999999d", "18446744073709551615ms", "400000d"] {
            assert_eq!(ttl(text), Ok(Duration::MAX), "{text}");
        }
        assert_eq!(ttl("90d"), Ok(Duration::from_hours(24 * 90)));
        for text in ["", "d", "99999999999999999999", "99999999999999999999w", "-1d", "1.5h"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }
}
