//! A question in its packed form, and the HTTP request that carries one or many of them: packed, or as
//! JSON where the service does not know that form.
//!
//! Each caller serialises its own question before the questions are joined: one that cannot be
//! serialised fails for its caller alone, and none can make the body of the others unreadable.

use auth_api_types::{ItemOrToken, packed};
use bytes::Bytes;
use http::HeaderValue;

use crate::{AuthUnavailable, Question};

/// The most bytes of a request's body: as many as the auth service reads.
pub(crate) const MAX_BODY: usize = 128 * 1024;

/// What stands around the questions of a batch in JSON.
const AROUND: usize = br#"{"tokens":[]}"#.len();

/// One question in one buffer: a body with it alone, then the headers that it has when it is sent
/// alone.
pub(crate) struct Message {
    bytes: Vec<u8>,
    body: usize,
    request_id: usize,
    json: usize,
}

impl Message {
    /// Serialises the question.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unclear`] if it is longer than the auth service reads.
    pub(crate) fn new(question: &Question<'_>) -> Result<Self, AuthUnavailable> {
        let client = question.client.as_ref();
        let packed = packed::Question {
            token: question.token,
            touch: question.touch,
            ip: client.and_then(|client| client.ip.as_deref()),
            user_agent: client.and_then(|client| client.user_agent.as_deref()),
            request_id: question.request_id,
        };
        let json = packed.json_len();
        if json > MAX_BODY {
            return Err(AuthUnavailable::Unclear);
        }
        let (id, trace) = (
            question.request_id.unwrap_or_default().as_bytes(),
            question.traceparent.unwrap_or_default().as_bytes(),
        );
        let body = packed::HEAD + packed.packed_len();
        let mut bytes = Vec::with_capacity(body + id.len() + trace.len());
        packed::open_request(&mut bytes, 1);
        packed.write(&mut bytes);
        bytes.extend_from_slice(id);
        let request_id = bytes.len();
        bytes.extend_from_slice(trace);
        Ok(Self { bytes, body, request_id, json })
    }

    /// The bytes that it takes in the body of a batch in JSON, the comma before it included: it may have
    /// to be sent so, and packed it takes fewer.
    pub(crate) const fn weight(&self) -> usize {
        self.json + 1
    }
}

/// The greatest weight of one batch's questions: the first has no comma before it.
pub(crate) const MAX_WEIGHT: usize = MAX_BODY - AROUND + 1;

/// One request to the auth service: its body, and the headers of a question that is sent alone.
pub(crate) struct ValidateRequest {
    /// The packed form.
    pub(crate) body: Bytes,
    pub(crate) headers: [(&'static str, Option<HeaderValue>); 2],
    pub(crate) questions: usize,
}

impl ValidateRequest {
    /// The request of one question.
    pub(crate) fn single(mut message: Message) -> Self {
        let headers = [
            ("x-request-id", header(&message.bytes[message.body..message.request_id])),
            ("traceparent", header(&message.bytes[message.request_id..])),
        ];
        message.bytes.truncate(message.body);
        Self { body: message.bytes.into(), headers, questions: 1 }
    }

    /// The request of these questions. A header cannot name the requests and traces of many: each
    /// item has its request's id, and the traces end here.
    pub(crate) fn from_messages(messages: Vec<Message>) -> Self {
        let messages = match <[Message; 1]>::try_from(messages) {
            Ok([message]) => return Self::single(message),
            Err(messages) => messages,
        };
        let length: usize = messages.iter().map(|message| message.body).sum();
        let mut body = Vec::with_capacity(length);
        packed::open_request(&mut body, messages.len());
        for message in &messages {
            body.extend_from_slice(&message.bytes[packed::HEAD..message.body]);
        }
        Self {
            body: body.into(),
            headers: [("x-request-id", None), ("traceparent", None)],
            questions: messages.len(),
        }
    }

    /// The body in JSON.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unclear`] if the packed form is none of ours, which does not happen.
    pub(crate) fn json(&self) -> Result<Bytes, AuthUnavailable> {
        let packed = packed::read_request(&self.body).map_err(|_| AuthUnavailable::Unclear)?;
        let text = match packed.tokens.as_deref() {
            Some([ItemOrToken::Item(item)]) => serde_json::to_vec(item),
            _ => serde_json::to_vec(&packed),
        };
        text.map(Bytes::from).map_err(|_| AuthUnavailable::Unclear)
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
        let packed = packed::read_request(&request.body).unwrap().into_items().unwrap();
        assert!(packed.items().iter().map(|item| item.token.as_ref()).eq(tokens));
        let body: serde_json::Value = serde_json::from_slice(&request.json().unwrap()).unwrap();
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
            let json = |count| request(count).json().unwrap().len();
            assert!(json(fit) <= MAX_BODY && request(fit).body.len() < json(fit), "{length}");
            assert!(json(fit + 1) > MAX_BODY, "{length}");
        }
    }

    #[test]
    fn the_longest_question_travels_alone_and_a_longer_one_not_at_all() {
        let overhead = message("").json;
        let longest = message(&"x".repeat(MAX_BODY - overhead));
        let request = ValidateRequest::from_messages(vec![longest]);
        assert_eq!(request.json().unwrap().len(), MAX_BODY);
        let longer = "x".repeat(MAX_BODY - overhead + 1);
        assert!(Message::new(&Question::new(&longer)).is_err());
    }
}
