//! An HTTP answer and the assertions that tests make about it.

use std::fmt;

use serde_json::Value;

/// Status, headers in their order with lower-case names, and the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Fails, showing the whole answer, unless it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Fails unless it is this error, in the form that every error has.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{member} is missing: {self:?}");
        }
        self
    }

    /// Fails unless the `WWW-Authenticate` header is exactly this.
    #[track_caller]
    pub fn expect_challenge(self, challenge: &str) -> Self {
        assert_eq!(self.all("www-authenticate"), [challenge], "{self:?}");
        self
    }

    /// Fails unless the `WWW-Authenticate` header is a Bearer challenge with this error.
    #[track_caller]
    pub fn expect_challenge_error(self, error: &str) -> Self {
        let challenge = self.header("www-authenticate").unwrap_or_default();
        let start = format!("Bearer realm=\"reinflate\", error=\"{error}\"");
        assert!(challenge.starts_with(&start), "{self:?}");
        self
    }

    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Everything but what differs from one request to the next.
    pub fn without_id_and_date(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        self
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, lossily.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", self.text())
    }
}
