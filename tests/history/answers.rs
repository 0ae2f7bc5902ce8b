//! What an answer says of the session whose token was presented.

use serde_json::Value;
use testkit::Answer;

use crate::events::{Endpoint, Outcome, View};
use crate::site::{OWNERS, owner_name};

/// How an answer is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    Validation,
    /// Of the token at this place.
    Batch(usize),
    ForwardAuth,
    Session,
    Data,
    Introspection,
    Login,
    Ending,
}

impl Reading {
    /// Of a use at this endpoint.
    pub(crate) const fn of(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Validation => Self::Validation,
            Endpoint::Batch => Self::Batch(0),
            Endpoint::ForwardAuth => Self::ForwardAuth,
            Endpoint::Session => Self::Session,
            Endpoint::Data => Self::Data,
        }
    }

    /// `None` for an answer that there should not be.
    pub(crate) fn outcome(self, answer: &Answer) -> Option<Outcome> {
        if answer.status >= 500 {
            return (answer.status == 503).then_some(Outcome::Unknown);
        }
        match (self, answer.status) {
            (Self::Validation, 200) => verdict(&answer.json()),
            (Self::Batch(at), 200) => verdict(&answer.json()["results"][at]),
            (Self::Introspection, 200) => introspected(&answer.json()),
            (Self::ForwardAuth, 200) => {
                let owner = Some(owner(answer.header("remote-user")));
                Some(Outcome::True(View { owner, ..View::default() }))
            }
            (Self::Session, 200) => Some(Outcome::True(view(&answer.json()))),
            (Self::Data, 200) => Some(Outcome::True(data(&answer.json()["data"]))),
            (Self::Login, 200) => Some(Outcome::True(view(&answer.json()["session"]))),
            (Self::Ending, 200 | 204) => Some(Outcome::True(View::default())),
            (Self::ForwardAuth | Self::Session | Self::Data | Self::Login, 401) => {
                Some(Outcome::False)
            }
            _ => None,
        }
    }
}

/// What one verdict says; `None` where it says neither yes nor no, nor that nobody knows.
pub(crate) fn verdict(verdict: &Value) -> Option<Outcome> {
    if verdict["error"] == "unavailable" {
        return Some(Outcome::Unknown);
    }
    let is_alive = verdict["authenticated"].as_bool()?;
    Some(if is_alive { Outcome::True(view(&verdict["session"])) } else { Outcome::False })
}

fn introspected(answer: &Value) -> Option<Outcome> {
    let is_active = answer["active"].as_bool()?;
    let owner = Some(owner(answer["username"].as_str()));
    let view = View { owner, ..View::default() };
    Some(if is_active { Outcome::True(view) } else { Outcome::False })
}

/// The business service shows whose it is beside the session.
fn data(data: &Value) -> View {
    View { owner: Some(owner(data["user"]["username"].as_str())), ..view(&data["session"]) }
}

fn view(session: &Value) -> View {
    View {
        owner: Some(owner(session["user"]["username"].as_str())),
        uses: session["refresh_count"].as_u64(),
        expires_in: session["expires_in"].as_u64(),
    }
}

/// Whose name this is; a number that nobody has where it is nobody's.
fn owner(name: Option<&str>) -> usize {
    let found = (0..OWNERS).find(|owner| Some(owner_name(*owner).as_str()) == name);
    found.unwrap_or(OWNERS)
}
