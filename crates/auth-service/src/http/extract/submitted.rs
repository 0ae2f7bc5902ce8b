//! Bodies that programs send as JSON and pages as forms, with the same fields.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::body::{self, BODY_LIMIT, Media};
use crate::http::error::ApiError;

/// What was sent, and by whom: a program, or a page's form.
pub(crate) enum Submitted<T> {
    Json(T),
    Form(T),
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Submitted<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let media = Media::of(request.headers());
        if !matches!(media, Media::Json | Media::Form) {
            return Err(ApiError::MediaType { wanted: "application/json" });
        }
        let bytes = body::read(request.into_body(), BODY_LIMIT).await?;
        match media {
            Media::Form => body::form(&bytes).map(Self::Form),
            _ => body::json(&bytes).map(Self::Json),
        }
    }
}
