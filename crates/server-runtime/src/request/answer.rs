//! The end of a request: its headers, its line in the log, its count in the metrics.

use std::sync::Arc;
use std::time::Duration;

use auth_http::Problem;
use auth_http::request_id::X_REQUEST_ID;
use axum::extract::MatchedPath;
use axum::response::Response;
use clock::Moment;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Method, StatusCode};

use super::LayeredRoute;
use super::id::RequestId;
use super::span::RequestSpan;
use crate::problem;

/// What a request shows before its response.
pub(super) struct Pending {
    pub(super) began: Moment,
    pub(super) method: Method,
    pub(super) route: Option<MatchedPath>,
    /// Whether an error is to be a page.
    pub(super) page: bool,
    pub(super) id: RequestId,
    /// Boxed, since it is large and mostly not there.
    pub(super) span: Option<Box<RequestSpan>>,
    pub(super) layered: Arc<LayeredRoute>,
}

impl Pending {
    /// The answer as it goes out.
    pub(super) fn finish(self, response: Response) -> Response {
        let mut response = self.rendered(response);
        let took = self.layered.shared.clock.now().saturating_sub(self.began);
        self.log(response.status(), took);
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id.header().clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(span) = self.span {
            span.end(response.status());
        }
        let LayeredRoute { shared, metric } = &*self.layered;
        shared.metrics.request(metric, &self.method, self.route, response.status(), took);
        response
    }

    /// A problem becomes a page where one is wanted; headers that came to the answer on its way
    /// stay.
    fn rendered(&self, mut response: Response) -> Response {
        let Some(problem) = response.extensions_mut().remove::<Problem>() else {
            return response;
        };
        if !self.page {
            return response;
        }
        let link = (self.layered.shared.link)(problem.status());
        let mut page = problem::page(&problem, self.id.as_str(), link);
        for (name, value) in response.headers() {
            if !page.headers().contains_key(name) && name != http::header::CONTENT_LENGTH {
                page.headers_mut().append(name, value.clone());
            }
        }
        page
    }

    /// Paths and queries may hold secrets: the route is the pattern that matched.
    fn log(&self, status: StatusCode, took: Duration) {
        let method = self.method.as_str();
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let (status, ms) = (status.as_u16(), f64::from(us) / 1000.0);
        match status {
            500.. => tracing::error!(method, route, status, ms, "failed"),
            400.. => tracing::info!(method, route, status, ms, "refused"),
            _ => tracing::debug!(method, route, status, ms, "answered"),
        }
    }
}
