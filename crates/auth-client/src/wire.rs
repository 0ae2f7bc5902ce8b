//! One call over HTTP: sent once, its answer read with a limit and judged.
//!
//! INVARIANT: nothing here, and nothing below, repeats a request that may have been received. The
//! HTTP client's own retries are off; what is left is its pool taking another connection where
//! the one it took had ended before anything of the request was written to it.

use std::time::Duration;

use auth_api_types::{Results, Verdict};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message::Call;
use crate::{Answer, AuthClientOptions, AuthUnavailable, InternalKey, SetupError};

/// The longest answer that is read, and how much longer it may be for each further question. One
/// verdict has a few hundred bytes.
const MAX_ANSWER: usize = 256 * 1024;
const MAX_FURTHER: usize = 8 * 1024;

/// How long an unused connection is kept: well below what servers keep one for, so that it is
/// hardly ever the server that ends it, at the very moment when we write to it.
const IDLE: Duration = Duration::from_secs(30);

/// The HTTP side of the client.
pub(crate) struct Wire {
    http: Client,
    headers: HeaderMap,
    key: Option<InternalKey>,
}

/// A reply, read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

/// Whose values are asked for, and on behalf of which request.
pub(crate) struct Carrier<'a> {
    /// The value of `Authorization`.
    pub(crate) token: HeaderValue,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
}

impl Wire {
    pub(crate) fn new(options: &AuthClientOptions) -> Result<Self, SetupError> {
        // An error only says that the process has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .tcp_keepalive(IDLE)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(options.max_in_flight);
        if let Some(timeout) = connect_timeout(options) {
            builder = builder.connect_timeout(timeout);
        }
        if options.urls.iter().all(|url| url.scheme() == "http") {
            // Then the system's root certificates need neither be there nor be read.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build()?,
            headers: headers(options.key.as_ref()),
            key: options.key.clone(),
        })
    }

    /// Sends a call once. There is an answer for each question, in order, or none where the
    /// service did not know it; at least one is there.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    pub(crate) async fn send(
        &self,
        url: &Url,
        call: Call,
    ) -> Result<Vec<Option<Answer>>, AuthUnavailable> {
        let mut headers = self.headers.clone();
        for (name, value) in call.headers {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let request = self.http.post(url.clone()).headers(headers).body(call.body);
        let questions = call.questions;
        let longest = MAX_ANSWER + (questions - 1) * MAX_FURTHER;
        Self::exchange(request, longest, |reply| {
            let answers = judge(reply.json()?, questions)?;
            answers.iter().any(Option::is_some).then_some(answers)
        })
        .await
    }

    /// A request about a value of the session that `token` opens, ready to be sent.
    pub(crate) fn value(&self, method: Method, url: Url, carrier: &Carrier<'_>) -> RequestBuilder {
        let mut request = self.http.request(method, url);
        request = request.header(AUTHORIZATION, carrier.token.clone());
        if let Some(key) = &self.key {
            request = request.header("x-internal-key", key.plain());
        }
        pass_on(request, carrier.request_id, carrier.traceparent)
    }

    /// Sends a request about a value once, and judges its reply.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    pub(crate) async fn exchange_value<T>(
        request: RequestBuilder,
        judge: fn(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        Self::exchange(request, MAX_ANSWER, judge).await
    }

    /// Sends a request once, and judges its reply.
    ///
    /// # Errors
    ///
    /// [`AuthUnavailable::Unreachable`] where the request cannot have been received.
    async fn exchange<T>(
        request: RequestBuilder,
        longest: usize,
        judge: impl FnOnce(&Reply) -> Option<T>,
    ) -> Result<T, AuthUnavailable> {
        let response = request.send().await.map_err(|error| failure(&error))?;
        let reply = read(response, longest).await?;
        let status = reply.status;
        judge(&reply).ok_or_else(|| {
            tracing::debug!(%status, "the auth service gave no clear answer");
            AuthUnavailable::Unclear
        })
    }
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

/// Where there are other URLs, a connection takes no more of the budget than leaves time for them.
fn connect_timeout(options: &AuthClientOptions) -> Option<Duration> {
    match options.urls.len() {
        0 | 1 => None,
        2 => Some(options.timeout / 2),
        _ => Some(options.timeout / 3),
    }
}

fn headers(key: Option<&InternalKey>) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)]);
    if let Some(key) = key {
        headers.insert(AUTHORIZATION, key.authorization());
    }
    headers
}

fn failure(error: &reqwest::Error) -> AuthUnavailable {
    let failure =
        if error.is_connect() { AuthUnavailable::Unreachable } else { AuthUnavailable::Broken };
    tracing::debug!(%failure, error = error as &dyn std::error::Error, "validation failed");
    failure
}

/// Reads the answer to its end, also one that is of no use, so that its connection can be.
async fn read(mut response: Response, longest: usize) -> Result<Reply, AuthUnavailable> {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default().min(longest));
    while let Some(part) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + part.len() > longest {
            tracing::debug!(%status, "the auth service's answer is too long");
            return Err(AuthUnavailable::Unclear);
        }
        body.extend_from_slice(&part);
    }
    Ok(Reply { status, headers, body: body.freeze() })
}

impl Reply {
    /// The JSON of a 200.
    pub(crate) fn json(&self) -> Option<&[u8]> {
        let clear = self.status == StatusCode::OK && is_json(&self.headers);
        clear.then_some(&self.body[..])
    }
}

/// The answers, if there are as many as questions: otherwise nobody knows whose they are.
fn judge(body: &[u8], questions: usize) -> Option<Vec<Option<Answer>>> {
    if questions == 1 {
        return Some(vec![answer(serde_json::from_slice(body).ok()?)]);
    }
    let answers: Vec<_> = match serde_json::from_slice::<Results>(body) {
        Ok(all) => all.results.into_iter().map(answer).collect(),
        // One that cannot be read is no answer to its own question, and nothing to the others.
        Err(_) => serde_json::from_slice::<Unread<'_>>(body)
            .ok()?
            .results
            .into_iter()
            .map(|one| serde_json::from_str(one.get()).ok().and_then(answer))
            .collect(),
    };
    (answers.len() == questions).then_some(answers)
}

/// The answers to a batch, each only known to be JSON.
#[derive(Deserialize)]
struct Unread<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

fn answer(verdict: Verdict) -> Option<Answer> {
    Some(match verdict.into_answer()? {
        Ok(session) => Answer::Alive(session),
        Err(reason) => Answer::Dead(reason),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}
