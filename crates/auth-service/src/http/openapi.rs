//! The OpenAPI document: what all operations have in common, and which problems each may answer.

use std::collections::BTreeMap;

use auth_api_types::{ErrorCode, Problem};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, Schema, Server};
use utoipa::{IntoResponses, Modify, OpenApi as _, PartialSchema, ToSchema};

/// The frame that the operations are put into.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Reinflate auth-service", description = "Opaque session tokens that stay alive while they are used."),
    tags(
        (name = "Login", description = "Getting a session, and giving it back"),
        (name = "Sessions", description = "One's own sessions and tokens"),
        (name = "OAuth", description = "What OAuth 2.0 clients know"),
        (name = "Users", description = "Accounts; an admin's, and one's own"),
        (name = "Mail", description = "Signing up, forgotten passwords and other addresses; 404 where no mail is sent"),
        (name = "Pages", description = "For people"),
        (name = "Internal", description = "For backends, on the internal listener"),
        (name = "Forward auth", description = "For reverse proxies, on the internal listener; any method"),
        (name = "Probes", description = "For whoever runs the service, on both listeners"),
        (name = "Documentation", description = "What there is")
    ),
    components(schemas(Problem)),
    modifiers(&Schemes)
)]
struct Frame;

/// The document without operations.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

/// The default address of the internal listener.
const INTERNAL: &str = "http://127.0.0.1:8081";

/// The document of the public listener with the operations of the internal one. One that both have
/// under one path is described once, as the public one, and says what the internal one is.
pub(crate) fn with_internal(mut public: OpenApi, mut internal: OpenApi) -> OpenApi {
    let mut server = Server::new(INTERNAL);
    server.description = Some("The internal listener: `AUTH_INTERNAL_ADDR`".to_owned());
    for (path, mut item) in std::mem::take(&mut internal.paths.paths) {
        let Some(present) = public.paths.paths.get_mut(&path) else {
            item.servers = Some(vec![server.clone()]);
            internal.paths.paths.insert(path, item);
            continue;
        };
        for (present, internal) in [
            (&mut present.get, item.get),
            (&mut present.put, item.put),
            (&mut present.post, item.post),
            (&mut present.delete, item.delete),
        ] {
            let Some(mut internal) = internal else { continue };
            if let Some(present) = present {
                beside(present, internal);
            } else {
                internal.servers = Some(vec![server.clone()]);
                *present = Some(internal);
            }
        }
    }
    public.merge(internal);
    public
}

/// Adds to an operation what the one of its path and method on the internal listener is.
fn beside(public: &mut Operation, internal: Operation) {
    let texts = [internal.summary, internal.description];
    let other = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let other = format!("On the internal listener, with its key: {other}");
    public.description = Some(match public.description.take() {
        Some(text) => format!("{text}\n\n{other}"),
        None => other,
    });
    for (status, response) in internal.responses.responses {
        public.responses.responses.entry(status).or_insert(response);
    }
}

/// A body that may be left out is described as such, and not as one that may be `null`.
pub(crate) fn with_optional_bodies(mut document: OpenApi) -> OpenApi {
    let items = document.paths.paths.values_mut();
    let bodies = items.filter_map(|item| item.post.as_mut()?.request_body.as_mut());
    let bodies = bodies.filter_map(inline);
    let contents = bodies.flat_map(|body| body.content.values_mut()).filter_map(inline);
    for content in contents {
        if let Some(RefOr::T(Schema::OneOf(either))) = &content.schema {
            let mut some = either.items.iter().filter(|item| matches!(item, RefOr::Ref(_)));
            if let (Some(body), None) = (some.next().cloned(), some.next()) {
                content.schema = Some(body);
            }
        }
    }
    document
}

/// The forward-auth endpoints take any method, and answer each as they answer `GET`.
pub(crate) fn with_any_method_at_forward_auth(mut document: OpenApi) -> OpenApi {
    let items = document.paths.paths.iter_mut();
    for (_, item) in items.filter(|(path, _)| path.starts_with("/authz/")) {
        let by = |method| renamed(item.get.clone()?, |id| format!("{id}_by_{method}"));
        item.head = by("head");
        item.post = by("post");
        item.put = by("put");
        item.patch = by("patch");
        item.delete = by("delete");
        item.options = by("options");
    }
    document
}

/// What every operation of the public listener but the probes may answer where it keeps to its
/// hosts.
pub(crate) fn with_hosts(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten();
        for operation in operations {
            let tags = operation.tags.as_deref().unwrap_or_default();
            if !tags.iter().any(|tag| tag == "Probes") {
                let (status, response) = described(MISDIRECTED);
                operation.responses.responses.insert(status, response);
            }
        }
    }
    document
}

/// `me` instead of an id is described by itself as well.
pub(crate) fn with_me(mut document: OpenApi) -> OpenApi {
    let paths = &mut document.paths.paths;
    let Some(mut me) = paths.get("/api/v1/users/{id}").cloned() else {
        return document;
    };
    let own = |operation: &mut Option<Operation>, summary: &str| {
        let mut own = renamed(operation.take()?, |id| id.replace("user", "me"))?;
        own.summary = Some(summary.to_owned());
        own.parameters = None;
        *operation = Some(own);
        Some(())
    };
    own(&mut me.get, "See myself.");
    own(&mut me.put, "Change myself.");
    own(&mut me.delete, "Delete myself.");
    paths.insert("/api/v1/users/me".to_owned(), me);
    document
}

fn renamed(mut operation: Operation, name: impl Fn(&str) -> String) -> Option<Operation> {
    operation.operation_id = Some(name(&operation.operation_id?));
    Some(operation)
}

fn inline<T>(described: &mut RefOr<T>) -> Option<&mut T> {
    match described {
        RefOr::T(described) => Some(described),
        RefOr::Ref(_) => None,
    }
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

/// A problem that an operation may answer with, and what it means there.
type Described = (ErrorCode, &'static str);

const BAD: Described = (ErrorCode::InvalidRequest, "Malformed: `detail` names what");
const UNKNOWN: Described =
    (ErrorCode::InvalidToken, "No live token: `missing_token` or `invalid_token`");
const UNKNOWN_OR_STALE: Described = (
    ErrorCode::ReauthenticationRequired,
    "No live token: `missing_token` or `invalid_token`; `reauthentication_required`: the login is \
     too long ago, `max_age` in the challenge says how recent it must be",
);
const DENIED: Described = (
    ErrorCode::Forbidden,
    "`forbidden`: the role or the kind does not allow it; `cross_site_request`: a browser sent it \
     from another site",
);
const ROLE: Described = (
    ErrorCode::Forbidden,
    "The session acts in another role, lacks the scope, or is an external user's",
);
const ABSENT: Described = (ErrorCode::NotFound, "Nothing there that the caller may know of");
const NO_TICKET: Described =
    (ErrorCode::NotFound, "No such ticket, or one for something else; or no mail is sent");
const NO_MAIL: Described = (ErrorCode::NotFound, "No mail is sent");
const SPENT: Described = (ErrorCode::Gone, "The ticket is used, over or replaced");
const NO_DEMO: Described = (ErrorCode::NotFound, "Not in demo mode");
const CONFLICT: Described = (ErrorCode::Conflict, "Taken, or the last admin");
const FAILED: Described =
    (ErrorCode::PreconditionFailed, "`If-Match` or `If-None-Match` did not hold");
const LONG: Described = (ErrorCode::PayloadTooLarge, "The body is too long");
const MEDIA: Described = (ErrorCode::UnsupportedMediaType, "The body is of another type");
const RULE: Described = (ErrorCode::Unprocessable, "Against a rule: `detail` says which");
const OFTEN: Described = (ErrorCode::TooManyRequests, "Too often: see `Retry-After`");
const MISDIRECTED: Described = (
    ErrorCode::MisdirectedRequest,
    "On loopback and in demo mode: the request names a host that is none of the service",
);
const DEFECT: Described = (ErrorCode::Internal, "A defect of the service");
const AWAY: Described = (
    ErrorCode::Unavailable,
    "A store is out of reach, or too many passwords wait: see `Retry-After`",
);
const CREDENTIALS: Described = (ErrorCode::InvalidCredentials, "A wrong name or password");
const NO_KEY: Described =
    (ErrorCode::Forbidden, "No internal key is set, so that nobody may open or end sessions");
const KEY: Described = (ErrorCode::MissingToken, "The internal key is missing or wrong");

const NO_EVENTS: Described = (ErrorCode::Forbidden, "No internal key is set");
const NO_POSITION: Described =
    (ErrorCode::Gone, "Events behind the position are no longer stored, or it is none of these");

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
    TokenProblems = [BAD, UNKNOWN, DENIED];
    /// What a change of a list may answer.
    ListProblems = [BAD, UNKNOWN, DENIED];
    /// What a request for one of several things may answer.
    OneProblems = [BAD, UNKNOWN, DENIED, ABSENT];
    /// What a rotation may answer.
    RotateProblems = [BAD, UNKNOWN, DENIED, LONG, MEDIA];
    /// What minting may answer.
    MintProblems = [BAD, UNKNOWN_OR_STALE, DENIED, LONG, MEDIA, RULE, OFTEN];
    /// What minting for a service user may answer.
    ServiceMintProblems =
        [BAD, UNKNOWN_OR_STALE, DENIED, ABSENT, CONFLICT, LONG, MEDIA, RULE, OFTEN];
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
    /// What a change of address may answer.
    EmailProblems = [BAD, UNKNOWN, DENIED, ABSENT, CONFLICT, LONG, MEDIA, RULE, OFTEN];
    /// What asking for a mail may answer.
    ForgotProblems = [BAD, DENIED, NO_MAIL, LONG, MEDIA, RULE];
    /// What a ticket may be answered with.
    TicketProblems = [BAD, DENIED, NO_TICKET, CONFLICT, SPENT, LONG, MEDIA, RULE];
    /// What the page of a ticket may answer.
    TicketPageProblems = [BAD, NO_TICKET, SPENT];
    /// What the page to sign up on may answer.
    SignUpProblems = [BAD, DENIED, NO_MAIL, LONG, MEDIA, RULE];
    /// What a question of a backend may answer.
    InternalProblems = [BAD, KEY, LONG, MEDIA];
    /// What the event stream may answer.
    EventsProblems = [BAD, KEY, NO_EVENTS, NO_POSITION];
    /// Of a copy of the session file.
    BackupProblems = [BAD, KEY, DENIED, CONFLICT, LONG, MEDIA, RULE];
    /// Of a session that a backend asks for.
    GrantProblems = [BAD, KEY, NO_KEY, LONG, MEDIA, RULE];
    /// Of what a backend asks about one of its users.
    SubjectProblems = [BAD, KEY, NO_KEY, RULE];
    /// Of what a backend selects among the sessions of all users.
    SelectionProblems = [BAD, KEY, NO_KEY];
    /// What a form of a backend may answer.
    InternalFormProblems = [BAD, KEY, LONG, MEDIA];
    /// What reading a session's values may answer.
    ValuesProblems = [BAD, UNKNOWN, DENIED];
    /// What reading one value may answer.
    ValueProblems = [BAD, UNKNOWN, DENIED, ABSENT];
    /// What writing one value may answer.
    ValueWriteProblems = [BAD, UNKNOWN, DENIED, FAILED, LONG, MEDIA];
    /// What a forward-auth endpoint may answer.
    ForwardAuthProblems = [UNKNOWN, ROLE];
    /// What the look at a proxy's request may answer.
    CheckProblems = [NO_DEMO];
    /// What a part of the documentation may answer.
    DocsProblems = [ABSENT];
    /// What a page for everybody may answer.
    PageProblems = [BAD];
    /// What a page that needs a session may answer.
    AccountProblems = [BAD, UNKNOWN, DENIED];
    /// What a probe may answer.
    ProbeProblems = [AWAY];
}

fn described((code, description): Described) -> (String, RefOr<Response>) {
    let problem = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    let example = serde_json::to_value(Problem::new(code, description)).ok();
    let json = ContentBuilder::new().schema(Some(problem)).example(example).build();
    let page = ContentBuilder::new().schema(Some(String::schema())).build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", json)
        .content("text/html", page);
    let header = match code.status() {
        401 | 403 => Some(("WWW-Authenticate", "What would be accepted; see RFC 6750")),
        429 | 503 => Some(("Retry-After", "In how many seconds to try again")),
        _ => None,
    };
    if let Some((name, description)) = header {
        let header =
            HeaderBuilder::new().schema(Some(String::schema())).description(Some(description));
        response = response.header(name, header.build());
    }
    (code.status().to_string(), RefOr::T(response.build()))
}

/// Keeps the schema of problems in the document wherever a response refers to it.
const _: fn() -> RefOr<utoipa::openapi::Schema> = <Problem as PartialSchema>::schema;
