//! Tickets: what a mail lets its reader do, once. They open no session and are no tokens: nothing that
//! takes the one takes the other.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::UsersError;

const PREFIX: &str = "rft_";
const RANDOM_BYTES: usize = 32;

/// A ticket: `rft_` and 43 characters. It is in the mail and, until that is sent, in its row; what is
/// stored for good is its digest. Wiped when dropped, shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(Zeroizing<String>);

/// What a ticket is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketPurpose {
    /// Setting another password.
    Reset,
    /// Having the account that was signed up for.
    SignUp,
    /// Taking another address as the user name.
    ChangeAddress,
}

impl Ticket {
    /// The ticket that is written like this, if it is written like one.
    pub fn read(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok().map(Zeroizing::new)?;
        (bytes.len() == RANDOM_BYTES).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The ticket itself, for the mail that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn make() -> Result<Self, UsersError> {
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(random.as_mut_slice())
            .map_err(|_| UsersError::Unavailable("the system gives no randomness".to_owned()))?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", encoded.as_str()))))
    }

    /// What it is stored by.
    pub(crate) fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(hidden)")
    }
}

impl TicketPurpose {
    /// How it is stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::SignUp => "sign_up",
            Self::ChangeAddress => "change_address",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Reset, Self::SignUp, Self::ChangeAddress]
            .into_iter()
            .find(|purpose| purpose.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_was_made_and_in_no_other_form() {
        let ticket = Ticket::make().unwrap();
        let text = ticket.expose();
        assert_eq!((text.len(), &text[..4]), (47, "rft_"));
        assert_eq!(Ticket::read(text).as_ref(), Some(&ticket));
        assert_ne!(Ticket::make().unwrap(), ticket);
        let token = text.replacen("rft_", "rfl_", 1);
        for other in ["", "rft_", &text[..46], &format!("{text}A"), &token, &text[4..]] {
            assert_eq!(Ticket::read(other), None, "{other}");
        }
        assert_eq!(Ticket::read(&format!(" {text}")), None);
        assert!(!format!("{ticket:?}").contains(&text[4..10]));
    }
}
