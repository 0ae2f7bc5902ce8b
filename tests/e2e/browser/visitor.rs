//! A browser without a screen: it keeps the session cookie, says what browsers say of where a
//! request comes from, and follows nothing by itself.

use testkit::percent_encoded;

use crate::harness::{Answer, Listener, Request};

/// What browsers would like to have.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Somebody who looks at pages.
pub(crate) struct Visitor {
    listener: Listener,
    /// The session cookie's name and value.
    pub(crate) cookie: Option<(String, String)>,
    agent: String,
}

impl Visitor {
    pub(crate) fn of(listener: Listener) -> Self {
        Self {
            listener,
            cookie: None,
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
                .to_owned(),
        }
    }

    pub(crate) fn with_agent(self, agent: &str) -> Self {
        Self { agent: agent.to_owned(), ..self }
    }

    /// The same visitor at another listener.
    pub(crate) fn at(&self, listener: Listener) -> Self {
        Self { listener, cookie: self.cookie.clone(), agent: self.agent.clone() }
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(Request::get(target).header("Sec-Fetch-Site", "none"))
    }

    /// Presses the button of a form with these fields.
    pub(crate) fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(target, fields).header("Sec-Fetch-Site", "same-origin"))
    }

    /// Logs in by the form.
    #[track_caller]
    pub(crate) fn log_in(&mut self, username: &str, password: &str) -> &mut Self {
        self.post("/login", &[("username", username), ("password", password)]).expect(303);
        assert!(self.cookie.is_some(), "no cookie came");
        self
    }

    /// The token within the cookie.
    #[track_caller]
    pub(crate) fn token(&self) -> &str {
        self.cookie.as_ref().map(|(_, token)| token.as_str()).expect("a session cookie")
    }

    /// Sends what else a browser might, with the cookie.
    pub(crate) fn send(&mut self, request: Request) -> Answer {
        let mut request = request
            .header("Accept", ACCEPT)
            .header("Sec-Fetch-Mode", "navigate")
            .header("User-Agent", &self.agent);
        if let Some((name, value)) = &self.cookie {
            request = request.header("Cookie", format!("{name}={value}"));
        }
        let answer = self.listener.send(request);
        for line in answer.all("set-cookie") {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            let is_set = !value.is_empty();
            self.cookie = is_set.then(|| (name.to_owned(), value.to_owned()));
        }
        answer
    }
}

/// A form as a browser sends it.
pub(crate) fn form(target: &str, fields: &[(&str, &str)]) -> Request {
    let pair = |(name, value): &(&str, &str)| {
        format!("{}={}", percent_encoded(name), percent_encoded(value))
    };
    let pairs: Vec<String> = fields.iter().map(pair).collect();
    Request::post(target).form(&pairs.join("&"))
}
