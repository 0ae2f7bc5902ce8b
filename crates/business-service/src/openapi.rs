//! What the description of the API says beside its routes.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Info, OpenApi, Ref, RefOr, ResponseBuilder};

/// Adds the title, the ways to carry a token, and what every operation but the probes may answer.
pub(crate) fn describe(mut api: OpenApi) -> OpenApi {
    let mut info = Info::new("Reinflate business-service", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Data that only a live session may see. Every request is validated by the auth service, \
         and is a use of its token."
            .to_owned(),
    );
    api.info = info;
    let components = api.components.get_or_insert_with(Components::new);
    for (name, scheme) in schemes() {
        components.add_security_scheme(name, scheme);
    }
    for (path, item) in &mut api.paths.paths {
        let operations = [&mut item.get, &mut item.post].into_iter().flatten();
        for operation in operations.filter(|_| !matches!(path.as_str(), "/livez" | "/readyz")) {
            operation.responses.responses.insert("421".to_owned(), misdirected());
        }
    }
    api
}

fn misdirected() -> RefOr<utoipa::openapi::Response> {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description("On loopback: the request names a host that is none of the service")
        .content("application/problem+json", problem);
    RefOr::T(response.build())
}

fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let key = |name, description| ApiKeyValue::with_description(name, description);
    let cookie = key("__Host-reinflate", "the session cookie, or as `BUSINESS_COOKIE_NAME` says");
    [
        ("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))),
        ("token", SecurityScheme::ApiKey(ApiKey::Header(key("token", "the token, bare")))),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}
