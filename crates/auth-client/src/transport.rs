//! One request over HTTP: sent once, its reply read with a limit and judged.
//!
//! INVARIANT: nothing here, and nothing below, repeats a request that may have been carried out. Sent
//! again is only what was refused before anything was done for it: with another key what was refused
//! for its key, and as JSON what was refused for its media type. The HTTP client's own retries are
//! off. Its pool may still take another connection, but only where the first one had closed before
//! any byte of the request was written to it.

use auth_api_types::packed;
use auth_http::asks_for_key;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{RequestBuilder, Response, Url};

use crate::connections::Connections;
use crate::key_ring::KeyRing;
use crate::message::ValidateRequest;
use crate::upstream::Upstream;
use crate::verdicts::{MAX_ANSWER, MAX_FURTHER, read_verdicts};
use crate::{Answer, AuthClientOptions, AuthUnavailable, InternalKey, SetupError};

/// The HTTP side of the client.
pub(crate) struct Transport {
    connections: Connections,
    /// Of a request in JSON.
    headers: HeaderMap,
    packed_headers: HeaderMap,
    keys: KeyRing,
    hint: fn(u16) -> Option<&'static str>,
}

/// What a validation request was answered.
pub(crate) struct Verdicts {
    /// For each question, in order; `None` where the service could not tell.
    pub(crate) verdicts: Vec<Option<Answer>>,
    /// Whether the reply carries `Connection: close`: most likely the service is draining.
    pub(crate) closes: bool,
}

/// A reply, read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

/// Where a request shows the internal key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlacement {
    /// As its bearer credential.
    Authorization,
    /// In a header of its own, beside a user's token.
    OwnHeader,
}

/// The session whose values are read or written, and the request on whose behalf that is done.
pub(crate) struct RequestContext<'a> {
    /// The value of `Authorization`.
    pub(crate) token: HeaderValue,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
}

impl Transport {
    pub(crate) fn new(options: &AuthClientOptions, keys: &KeyRing) -> Result<Self, SetupError> {
        let json = HeaderValue::from_static("application/json");
        let packed = HeaderValue::from_static(packed::MEDIA_TYPE);
        let either =
            HeaderValue::from_static("application/vnd.reinflate.validation, application/json");
        Ok(Self {
            connections: Connections::new(options)?,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json), (ACCEPT, either.clone())]),
            packed_headers: HeaderMap::from_iter([(CONTENT_TYPE, packed), (ACCEPT, either)]),
            keys: keys.clone(),
            hint: options.hint,
        })
    }

    /// Gives up the connections that are not in use.
    pub(crate) fn renew(&self) {
        self.connections.renew();
    }

    /// Sends a validation request once: in JSON, and packed once the service has shown that it knows that
    /// form, by an answer in it.
    /// The verdicts come in the order of the questions; one is `None` where the service could not
    /// tell. At least one is there.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    pub(crate) async fn send(
        &self,
        upstream: &Upstream,
        validate: &ValidateRequest,
    ) -> Result<Verdicts, AuthUnavailable> {
        if upstream.speaks_packed() {
            let body = validate.body.clone();
            let reply = self.post(upstream, validate, &self.packed_headers, body).await?;
            if !refuses_media_type(&reply) {
                if may_be_stopped(reply.status) {
                    upstream.record_packed_stopped(reply.status.as_u16());
                }
                return self.judge(upstream, validate, &reply);
            }
            upstream.record_packed_refused();
        }
        let reply = self.post(upstream, validate, &self.headers, validate.json()?).await?;
        if reply.body_of(StatusCode::OK, packed::MEDIA_TYPE).is_some() {
            upstream.record_packed_known();
        }
        self.judge(upstream, validate, &reply)
    }

    /// Sends a validation request once in one form.
    async fn post(
        &self,
        upstream: &Upstream,
        validate: &ValidateRequest,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Reply, AuthUnavailable> {
        let mut headers = headers.clone();
        for (name, value) in &validate.headers {
            if let Some(value) = value {
                headers.insert(*name, value.clone());
            }
        }
        let request = |key: Option<&InternalKey>| {
            let request = self.connections.client().post(upstream.validate.clone());
            let mut headers = headers.clone();
            if let Some(key) = key {
                headers.insert(AUTHORIZATION, key.authorization());
            }
            request.headers(headers).body(body.clone())
        };
        let is_refusal = |reply: &Reply| reply.status == StatusCode::UNAUTHORIZED;
        let max_bytes = MAX_ANSWER + (validate.questions - 1) * MAX_FURTHER;
        self.exchange(upstream, request, is_refusal, max_bytes).await
    }

    /// What a validation request was answered.
    fn judge(
        &self,
        upstream: &Upstream,
        validate: &ValidateRequest,
        reply: &Reply,
    ) -> Result<Verdicts, AuthUnavailable> {
        self.log_hint(upstream, reply.status.as_u16());
        let verdicts = read_verdicts(reply, validate.questions);
        let verdicts = verdicts.filter(|verdicts| verdicts.iter().any(Option::is_some));
        let verdicts = verdicts.ok_or_else(|| unclear(reply))?;
        Ok(Verdicts { verdicts, closes: is_connection_close(&reply.headers) })
    }

    /// Logs the most likely cause of a refusal, once until the service has answered again after its
    /// breaker was open.
    fn log_hint(&self, upstream: &Upstream, status: u16) {
        if let Some(hint) = (self.hint)(status)
            && upstream.is_unlogged(status)
        {
            let upstream = &upstream.name;
            tracing::warn!(upstream, "the auth service answered {status}: {hint}");
        }
    }

    /// A request about a value of the session that `token` opens, without the key.
    pub(crate) fn value(
        &self,
        method: Method,
        url: Url,
        context: &RequestContext<'_>,
    ) -> RequestBuilder {
        let request = self.connections.client().request(method, url);
        let request = request.header(AUTHORIZATION, context.token.clone());
        pass_on(request, context.request_id, context.traceparent)
    }

    /// A request of this service's own, without the key.
    pub(crate) fn own(&self, method: Method, url: Url) -> RequestBuilder {
        self.connections.client().request(method, url).headers(self.headers.clone())
    }

    /// Sends a request with the key once, and judges its reply.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    pub(crate) async fn exchange_keyed<T>(
        &self,
        upstream: &Upstream,
        placement: KeyPlacement,
        request: impl Fn(&Self, &Upstream) -> RequestBuilder + Sync,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let request = |key: Option<&InternalKey>| {
            let request = request(self, upstream);
            match (key, placement) {
                (Some(key), KeyPlacement::OwnHeader) => {
                    request.header("x-internal-key", key.plain())
                }
                (Some(key), KeyPlacement::Authorization) => {
                    request.header(AUTHORIZATION, key.authorization())
                }
                (None, _) => request,
            }
        };
        let is_refusal = |reply: &Reply| {
            // Beside a user's token, any other 401 is about the session.
            let is_about_key =
                placement == KeyPlacement::Authorization || asks_for_key(&reply.headers);
            reply.status == StatusCode::UNAUTHORIZED && is_about_key
        };
        let reply = self.exchange(upstream, request, is_refusal, MAX_ANSWER).await?;
        if is_refusal(&reply) {
            self.log_hint(upstream, reply.status.as_u16());
            return Err(unclear(&reply));
        }
        judge(&reply).ok_or_else(|| unclear(&reply))
    }

    /// Sends a request with the key that the service accepted last, and where it refuses that one,
    /// with the others: it refuses before it does anything else.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unreachable`] where the request cannot have been received.
    async fn exchange(
        &self,
        upstream: &Upstream,
        request: impl Fn(Option<&InternalKey>) -> RequestBuilder + Sync,
        is_refusal: impl Fn(&Reply) -> bool + Sync,
        max_bytes: usize,
    ) -> Result<Reply, AuthUnavailable> {
        loop {
            let keys = self.keys.keys();
            let mut refusal = None;
            for index in upstream.key_order(keys.len()) {
                let reply = exchange_once(request(keys.get(index)), max_bytes).await?;
                if !is_refusal(&reply) {
                    upstream.record_accepted_key(index);
                    return Ok(reply);
                }
                refusal = Some(reply);
            }
            if let Some(refusal) = refusal
                && !self.keys.is_replaced_since(&keys)
            {
                return Ok(refusal);
            }
        }
    }
}

async fn exchange_once(
    request: RequestBuilder,
    max_bytes: usize,
) -> Result<Reply, AuthUnavailable> {
    let response = request.send().await.map_err(|error| failure(&error))?;
    read(response, max_bytes).await
}

fn unclear(reply: &Reply) -> AuthUnavailable {
    tracing::debug!(status = %reply.status, "the auth service gave no clear answer");
    AuthUnavailable::Unclear
}

fn pass_on(
    mut request: RequestBuilder,
    request_id: Option<&str>,
    traceparent: Option<&str>,
) -> RequestBuilder {
    for (name, value) in [("x-request-id", request_id), ("traceparent", traceparent)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            request = request.header(name, value);
        }
    }
    request
}

fn failure(error: &reqwest::Error) -> AuthUnavailable {
    let failure =
        if error.is_connect() { AuthUnavailable::Unreachable } else { AuthUnavailable::Broken };
    tracing::debug!(%failure, error = error as &dyn std::error::Error, "validation failed");
    failure
}

/// Reads the reply to its end, also one that is of no use, so that its connection can be reused.
async fn read(mut response: Response, max_bytes: usize) -> Result<Reply, AuthUnavailable> {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default().min(max_bytes));
    while let Some(part) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + part.len() > max_bytes {
            tracing::debug!(%status, "the auth service's reply is too long");
            return Err(AuthUnavailable::Unclear);
        }
        body.extend_from_slice(&part);
    }
    Ok(Reply { status, headers, body: body.freeze() })
}

impl Reply {
    /// The JSON of a 200.
    pub(crate) fn json(&self) -> Option<&[u8]> {
        self.body_of(StatusCode::OK, "application/json")
    }

    /// The body of a reply of this status, if it is of this media type.
    pub(crate) fn body_of(&self, status: StatusCode, media_type: &str) -> Option<&[u8]> {
        let clear = self.status == status && is_of(&self.headers, media_type);
        clear.then_some(&self.body[..])
    }
}

/// Whether it is a service of ours that does not know the media type: it has not looked at the body then.
/// The same status from something else says nothing of what became of the request behind it.
fn refuses_media_type(reply: &Reply) -> bool {
    reply.body_of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/problem+json").is_some()
}

/// Whether something on the way to the service may have refused the packed form: the service itself answers
/// it with none of these.
fn may_be_stopped(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 406 | 415)
}

fn is_connection_close(headers: &HeaderMap) -> bool {
    headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

fn is_of(headers: &HeaderMap, expected: &str) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
}
