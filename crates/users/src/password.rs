//! A password on its way to being hashed: wiped when dropped, shown nowhere.

use std::fmt;

use zeroize::Zeroizing;

/// A password as it was given: nothing is cut, trimmed or normalised.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self(Zeroizing::new(password))
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self::from(password.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show_itself() {
        assert!(!format!("{:?}", Password::from("a secret of mine")).contains("secret"));
    }
}
