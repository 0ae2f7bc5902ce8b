//! What a reply to a validation says, packed or in JSON: an answer for each question, or none.

use auth_api_types::{Results, Verdict, packed};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Answer;
use crate::transport::Reply;

/// The longest reply that is read, and how much longer it may be for each further question. One
/// verdict has a few hundred bytes.
pub(crate) const MAX_ANSWER: usize = 256 * 1024;
pub(crate) const MAX_FURTHER: usize = 8 * 1024;

/// The verdicts, if there are as many as questions: otherwise they cannot be matched to them.
pub(crate) fn read_verdicts(reply: &Reply, questions: usize) -> Option<Vec<Option<Answer>>> {
    match reply.body_of(StatusCode::OK, packed::MEDIA_TYPE) {
        Some(body) => {
            packed::read_verdicts(body, questions).map(|read| read.map(Answer::read).collect())
        }
        None => reply.json().and_then(|body| read_json(body, questions)),
    }
}

fn read_json(body: &[u8], questions: usize) -> Option<Vec<Option<Answer>>> {
    // The whole body is checked to be UTF-8 once, instead of each string in it.
    let body = std::str::from_utf8(body).ok()?;
    if questions == 1 {
        let verdict = Verdict::read_written(body).or_else(|| serde_json::from_str(body).ok())?;
        return Some(vec![Answer::read(verdict)]);
    }
    let written = Results::read_written(body, questions);
    let answers: Vec<_> = match written.map_or_else(|| serde_json::from_str(body), Ok) {
        Ok(Results { results }) => results.into_iter().map(Answer::read).collect(),
        // A verdict that cannot be parsed leaves its own question unanswered, and no other.
        Err(_) => serde_json::from_str::<RawResults<'_>>(body)
            .ok()?
            .results
            .into_iter()
            .map(|one| serde_json::from_str(one.get()).ok().and_then(Answer::read))
            .collect(),
    };
    (answers.len() == questions).then_some(answers)
}

/// The verdicts of a batch, each not parsed beyond being JSON.
#[derive(Deserialize)]
struct RawResults<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}
