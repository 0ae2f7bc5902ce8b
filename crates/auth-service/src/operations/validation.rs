//! Whether tokens are alive: for backends, many at a time; for OAuth clients, who only look; for
//! proxies, one by one.

use session::{Intent, Kind, Outcome, Presented, SeenAt, Session, Token, Verdict};

use super::access::Demand;
use super::{Domain, Error};

/// One token to validate.
pub(crate) struct Question<'a> {
    pub(crate) token: &'a str,
    pub(crate) intent: Intent,
    pub(crate) seen: SeenAt,
}

/// The store's answer to each question, in order; only well-formed tokens reach it, in one batch.
/// None for the others. A store that does not answer is an error for all of them.
pub(crate) async fn validate<'a, E>(
    domain: &Domain,
    questions: impl ExactSizeIterator<Item = Result<Question<'a>, E>>,
) -> Result<Vec<Option<Outcome>>, E> {
    let count = questions.len();
    let mut batch = Vec::with_capacity(count);
    let mut seen = Vec::with_capacity(count);
    let mut malformed = Vec::new();
    for (at, question) in questions.enumerate() {
        let question = question?;
        if let Ok((id, digest)) = Token::read(question.token) {
            batch.push(Presented { id, digest, intent: question.intent });
            seen.push(question.seen);
        } else {
            malformed.push(at);
        }
    }
    for _ in &malformed {
        domain.figures.count_malformed();
    }
    let outcomes = domain.sessions.validate(&batch, &seen).await;
    report_failures(&outcomes);
    for outcome in &outcomes {
        domain.figures.count_validation(outcome);
    }
    let mut outcomes = outcomes.into_iter();
    if malformed.is_empty() {
        // The memory of the one list serves the other as well.
        return Ok(outcomes.map(Some).collect());
    }
    let mut malformed = malformed.into_iter().peekable();
    let answer = |at| if malformed.next_if_eq(&at).is_some() { None } else { outcomes.next() };
    Ok((0..count).map(answer).collect())
}

/// The session that a token opens, without using it.
///
/// A single-use token opens none here: it is good once, and this is no use of it. Whoever let it
/// pass by this answer alone would let it pass for ever.
pub(crate) async fn look(domain: &Domain, token: &str) -> Result<Option<Session>, Error> {
    let Ok((id, digest)) = Token::read(token) else {
        return Ok(None);
    };
    let presented = Presented { id, digest, intent: Intent::Look };
    match domain.sessions.validate_one(presented, SeenAt::default()).await? {
        Verdict::Alive(session) if session.kind != Kind::SingleUse => Ok(Some(session)),
        Verdict::Alive(_) | Verdict::Dead(_) => Ok(None),
    }
}

/// The session of a token that a proxy was sent, if it lives and does all that is demanded.
pub(crate) async fn admit(
    domain: &Domain,
    presented: Presented,
    seen: SeenAt,
    demand: &Demand<'_>,
) -> Result<Session, Error> {
    let outcome = domain.sessions.validate_one(presented, seen).await;
    domain.figures.count_validation(&outcome);
    match outcome? {
        Verdict::Alive(session) => demand.check(&session).map(|()| session),
        Verdict::Dead(dead) => Err(dead.into()),
    }
}

/// A failing store is one line in the log, not one a token.
fn report_failures(outcomes: &[Outcome]) {
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    if let Some(error) = errors.next() {
        tracing::error!(%error, tokens = errors.count() + 1, "the session store failed");
    }
}
