//! A receiver: one URL, to which one event at a time is posted.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::signature;
use crate::config::WebhookKeys;

/// How long a receiver may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the rest of an answer is read, and how much of it, so that the connection can be used
/// again. What it says is of no interest.
const REST: Duration = Duration::from_secs(1);
const REST_BYTES: usize = 64 * 1024;
/// How long an idle connection stays open: shorter than servers leave it open, so that hardly any is
/// closed just as a post is written to it.
const IDLE: Duration = Duration::from_secs(4);
/// The longest cause of a failure that a log line repeats.
const SHOWN: usize = 200;
const AGENT: &str = concat!("reinflate/", env!("CARGO_PKG_VERSION"));

/// Where events are posted.
pub(crate) struct Receiver {
    url: Url,
    /// What may be shown of the URL: its path may open something.
    name: String,
    client: Client,
}

/// Why an event was not taken, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It was answered, but not by a 2xx.
    #[error("it answered {0}")]
    Refused(u16),
    /// There was no answer.
    #[error("{0}")]
    Unreachable(String),
}

impl Receiver {
    /// The receiver at this URL.
    ///
    /// # Errors
    ///
    /// Why nothing can be posted there: the system has no certificates, above all.
    pub(crate) fn new(url: Url) -> Result<Self, Failure> {
        // An error only says that the process has chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .http1_only()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1);
        if url.scheme() == "http" {
            // No root certificates are needed, and the system may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(unreachable)?;
        let name = url.origin().ascii_serialization();
        Ok(Self { url, name, client })
    }

    /// Its origin, which is no secret.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of what is stored about it, from which the URL cannot be read.
    pub(crate) fn checkpoint_name(&self) -> String {
        let digest = Sha256::digest(self.url.as_str().as_bytes());
        format!("webhook:{}", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
    }

    /// Posts once; the status of an answer that takes it.
    ///
    /// # Errors
    ///
    /// It was not taken, or nothing says that it was.
    pub(crate) async fn post(
        &self,
        keys: &WebhookKeys,
        id: &str,
        sent_at: i64,
        body: String,
    ) -> Result<u16, Failure> {
        let signature = signature::of(keys, id, sent_at, &body).and_then(|text| text.parse().ok());
        let signature: HeaderValue =
            signature.ok_or_else(|| Failure::Unreachable("there is no key to sign with".into()))?;
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", sent_at)
            .header("webhook-signature", signature)
            .body(body);
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        let late = |_| Failure::Unreachable(format!("no answer within {} s", ANSWER.as_secs()));
        let answer = answer.map_err(late)?.map_err(unreachable)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Failure::Refused(status.as_u16()));
        }
        let _given_up = tokio::time::timeout(REST, read_rest(answer)).await;
        Ok(status.as_u16())
    }
}

async fn read_rest(mut answer: Response) {
    let mut left = REST_BYTES;
    while let Ok(Some(part)) = answer.chunk().await {
        left = left.saturating_sub(part.len());
        if left == 0 {
            return;
        }
    }
}

/// What is wrong, in one short line without the URL.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN);
    Failure::Unreachable(shown.collect())
}
