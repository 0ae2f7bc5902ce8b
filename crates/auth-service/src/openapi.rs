//! The OpenAPI document: what all operations have in common, and which problems each may answer.

use std::collections::BTreeMap;

use auth_api_types::Problem;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr};
use utoipa::{IntoResponses, Modify, OpenApi as _, PartialSchema, ToSchema};

/// The frame that the operations are put into.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Reinflate auth-service", description = "Opaque session tokens that stay alive while they are used."),
    components(schemas(Problem)),
    modifiers(&Schemes)
)]
struct Frame;

/// The document without operations.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        let http = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
        components.add_security_scheme("bearer", http(HttpAuthScheme::Bearer));
        components.add_security_scheme("basic", http(HttpAuthScheme::Basic));
        components.add_security_scheme("internal_key", http(HttpAuthScheme::Bearer));
        let header = ApiKey::Header(ApiKeyValue::new("token"));
        components.add_security_scheme("token", SecurityScheme::ApiKey(header));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("__Host-reinflate"));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

const BAD: (&str, &str) = ("400", "Malformed: `detail` names what");
const UNKNOWN: (&str, &str) = ("401", "No live token: `missing_token` or `invalid_token`");
const DENIED: (&str, &str) = (
    "403",
    "`forbidden`: the role or the kind does not allow it; or `cross_site_request`",
);
const ABSENT: (&str, &str) = ("404", "Nothing there that the caller may know of");
const CONFLICT: (&str, &str) = ("409", "Taken, or the last admin");
const LONG: (&str, &str) = ("413", "The body is too long");
const MEDIA: (&str, &str) = ("415", "The body is of another type");
const RULE: (&str, &str) = ("422", "Against a rule: `detail` says which");
const OFTEN: (&str, &str) = ("429", "Too often: see `Retry-After`");
const DEFECT: (&str, &str) = ("500", "A defect of the service");
const AWAY: (&str, &str) = (
    "503",
    "A store is out of reach, or too many passwords wait: see `Retry-After`",
);
const FAILED: (&str, &str) = ("412", "`If-Match` or `If-None-Match` did not hold");
const ROLE: (&str, &str) = ("403", "The session acts in another role");
const NO_DEMO: (&str, &str) = ("404", "Not in demo mode");
const CREDENTIALS: (&str, &str) = ("401", "`invalid_credentials`");
const KEY: (&str, &str) = ("401", "The internal key is missing or wrong");

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = [$($problem:expr),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($problem),+, DEFECT, AWAY].into_iter().map(described).collect()
            }
        }
    )+};
}

problems! {
    /// What a login may answer.
    LoginProblems = [BAD, CREDENTIALS, DENIED, LONG, MEDIA, OFTEN];
    /// What a logout may answer.
    LogoutProblems = [BAD, UNKNOWN, DENIED];
    /// What any request with a token may answer.
    TokenProblems = [BAD, UNKNOWN];
    /// What a change of a list may answer.
    ListProblems = [BAD, UNKNOWN, DENIED];
    /// What a request for one of several things may answer.
    OneProblems = [BAD, UNKNOWN, DENIED, ABSENT];
    /// What a rotation may answer.
    RotateProblems = [BAD, UNKNOWN, DENIED, LONG, MEDIA];
    /// What minting may answer.
    MintProblems = [BAD, UNKNOWN, DENIED, LONG, MEDIA, RULE];
    /// What a form without a token may answer.
    FormProblems = [BAD, DENIED, LONG, MEDIA];
    /// What only an admin may ask.
    AdminProblems = [BAD, UNKNOWN, DENIED];
    /// What the list of users may answer.
    ListUsersProblems = [BAD, UNKNOWN, DENIED];
    /// What a sign-up may answer.
    CreateUserProblems = [BAD, UNKNOWN, DENIED, CONFLICT, LONG, MEDIA, RULE, OFTEN];
    /// What a change of a user may answer.
    UpdateUserProblems = [BAD, UNKNOWN, DENIED, ABSENT, CONFLICT, LONG, MEDIA, RULE];
    /// What a deletion of a user may answer.
    DeleteUserProblems = [BAD, UNKNOWN, DENIED, ABSENT, CONFLICT];
    /// What a change of password may answer.
    PasswordProblems = [BAD, UNKNOWN, DENIED, ABSENT, LONG, MEDIA, RULE, OFTEN];
    /// What a question of a backend may answer.
    InternalProblems = [BAD, KEY, LONG, MEDIA];
    /// What a form of a backend may answer.
    InternalFormProblems = [BAD, KEY, LONG, MEDIA];
    /// What reading a session's values may answer.
    ValuesProblems = [BAD, UNKNOWN, DENIED];
    /// What reading one value may answer.
    ValueProblems = [BAD, UNKNOWN, DENIED, ABSENT];
    /// What writing one value may answer.
    ValueWriteProblems = [BAD, UNKNOWN, DENIED, FAILED, LONG, MEDIA];
    /// What a forward-auth door may answer.
    DoorProblems = [UNKNOWN, ROLE];
    /// What the look at a proxy's request may answer.
    CheckProblems = [NO_DEMO];
    /// What a page for everybody may answer.
    PageProblems = [BAD];
    /// What a page that needs a session may answer.
    AccountProblems = [BAD, UNKNOWN, DENIED];
    /// What a probe may answer.
    ProbeProblems = [AWAY];
}

fn described((status, description): (&str, &str)) -> (String, RefOr<Response>) {
    let schema = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    (status.to_owned(), RefOr::T(response))
}

/// Keeps the schema of problems in the document wherever a response refers to it.
const _: fn() -> RefOr<utoipa::openapi::Schema> = <Problem as PartialSchema>::schema;
