//! A question as JSON, and the HTTP request that carries one or many of them.
//!
//! Each caller serialises its own question before the questions are joined: one that cannot be
//! serialised fails for its caller alone, and none can make the body of the others unreadable.

use auth_api_types::json::member;
use bytes::Bytes;
use http::HeaderValue;

use crate::{AuthUnavailable, Question};

/// The most bytes of a request's body: as many as the auth service reads.
pub(crate) const MAX_BODY: usize = 128 * 1024;

const OPEN: &[u8] = br#"{"tokens":["#;
const CLOSE: &[u8] = b"]}";

/// One question in one buffer: its JSON, then the headers that it has when it is sent alone.
pub(crate) struct Message {
    bytes: Vec<u8>,
    json: usize,
    request_id: usize,
}

impl Message {
    /// Serialises the question: a body of its own, or an item of `tokens`.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unclear`] if it is longer than the auth service reads.
    pub(crate) fn new(question: &Question<'_>) -> Result<Self, AuthUnavailable> {
        let (id, trace) = (
            question.request_id.unwrap_or_default().as_bytes(),
            question.traceparent.unwrap_or_default().as_bytes(),
        );
        let rough = question.token.len() + 2 * id.len() + trace.len() + 64;
        let mut bytes = Vec::with_capacity(rough);
        member(&mut bytes, b"{\"token\":", question.token);
        if !question.touch {
            member(&mut bytes, b",\"touch\":", &false);
        }
        if let Some(client) = &question.client {
            bytes.extend_from_slice(b",\"client\":");
            serde_json::to_writer(&mut bytes, client).map_err(|_| AuthUnavailable::Unclear)?;
        }
        if let Some(request_id) = question.request_id {
            member(&mut bytes, b",\"request_id\":", request_id);
        }
        bytes.push(b'}');
        let json = bytes.len();
        if json > MAX_BODY {
            return Err(AuthUnavailable::Unclear);
        }
        bytes.extend_from_slice(id);
        let request_id = bytes.len();
        bytes.extend_from_slice(trace);
        Ok(Self { bytes, json, request_id })
    }

    /// The bytes that it takes in the body of a batch, the comma before it included.
    pub(crate) const fn weight(&self) -> usize {
        self.json + 1
    }
}

/// The greatest weight of one batch's questions: the first has no comma before it.
pub(crate) const MAX_WEIGHT: usize = MAX_BODY - OPEN.len() - CLOSE.len() + 1;

/// One request to the auth service: its body, and the headers of a question that is sent alone.
pub(crate) struct ValidateRequest {
    pub(crate) body: Bytes,
    pub(crate) headers: [(&'static str, Option<HeaderValue>); 2],
    pub(crate) questions: usize,
}

impl ValidateRequest {
    /// The request of one question.
    pub(crate) fn single(mut message: Message) -> Self {
        let headers = [
            ("x-request-id", header(&message.bytes[message.json..message.request_id])),
            ("traceparent", header(&message.bytes[message.request_id..])),
        ];
        message.bytes.truncate(message.json);
        Self { body: message.bytes.into(), headers, questions: 1 }
    }

    /// The request of these questions. A header cannot name the requests and traces of many: each
    /// item has its request's id, and the traces end here.
    pub(crate) fn from_messages(messages: Vec<Message>) -> Self {
        let messages = match <[Message; 1]>::try_from(messages) {
            Ok([message]) => return Self::single(message),
            Err(messages) => messages,
        };
        let items: usize = messages.iter().map(|message| message.json + 1).sum();
        let mut body = Vec::with_capacity(OPEN.len() + items + CLOSE.len());
        body.extend_from_slice(OPEN);
        for (nth, message) in messages.iter().enumerate() {
            if nth > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&message.bytes[..message.json]);
        }
        body.extend_from_slice(CLOSE);
        Self {
            body: body.into(),
            headers: [("x-request-id", None), ("traceparent", None)],
            questions: messages.len(),
        }
    }
}

fn header(text: &[u8]) -> Option<HeaderValue> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(token: &str) -> Message {
        Message::new(&Question::new(token)).unwrap()
    }

    #[test]
    fn whatever_a_token_holds_a_call_stays_readable_and_each_item_itself() {
        let tokens =
            ["", "\"", "\\", "\0\u{1}\u{7f}", "]}", "\"},{", "ä\u{2028}😀\u{fffd}", "\r\n"];
        let request =
            ValidateRequest::from_messages(tokens.iter().map(|token| message(token)).collect());
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let items: Vec<_> = body["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["token"].as_str().unwrap())
            .collect();
        assert_eq!(items, tokens);
    }

    #[test]
    fn a_call_of_what_may_leave_together_is_as_long_as_the_auth_service_reads() {
        for length in [500, 4096, 40_000] {
            let weight = message(&"x".repeat(length)).weight();
            let fit = MAX_WEIGHT / weight;
            let request = |count| {
                ValidateRequest::from_messages(
                    (0..count).map(|_| message(&"x".repeat(length))).collect(),
                )
            };
            assert!(request(fit).body.len() <= MAX_BODY, "{length}");
            assert!(request(fit + 1).body.len() > MAX_BODY, "{length}");
        }
    }

    #[test]
    fn the_longest_question_travels_alone_and_a_longer_one_not_at_all() {
        let overhead = message("").json;
        let max_bytes = message(&"x".repeat(MAX_BODY - overhead));
        assert_eq!(ValidateRequest::from_messages(vec![max_bytes]).body.len(), MAX_BODY);
        let longer = "x".repeat(MAX_BODY - overhead + 1);
        assert!(Message::new(&Question::new(&longer)).is_err());
    }
}
