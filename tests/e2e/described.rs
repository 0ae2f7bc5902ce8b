//! The OpenAPI documents against the routes that exist, and what they show themselves in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{AuthService, BusinessService, Launch, Listener, Request};

/// What only the forms of our own pages send to, and other spellings of what is described.
const NOT_DESCRIBED: [&str; 21] = [
    "/account/email",
    "/account/name",
    "/account/password",
    "/account/sessions/end-others",
    "/account/sessions/{id}/end",
    "/account/tokens",
    "/.well-known/change-password",
    "/admin/sessions/end",
    "/admin/users/new",
    "/admin/users/new-service",
    "/admin/users/{id}/tokens",
    "/admin/users/{id}",
    "/admin/users/{id}/{action}",
    "/authz/ext-authz",
    "/authz/ext-authz/",
    "/authz/ext-authz-role/{role}",
    "/authz/ext-authz-role/{role}/",
    "/authz/ext-authz-scope/{scope}",
    "/authz/ext-authz-scope/{scope}/",
    "/authz/ext-authz-external",
    "/authz/ext-authz-external/",
];

/// A path of a document with its methods, and whether it is the internal listener's.
struct Described {
    path: String,
    target: String,
    methods: BTreeSet<String>,
    is_internal: bool,
}

fn document(listener: Listener) -> Value {
    let document = listener.get("/openapi.json").expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    document
}

fn described(document: &Value) -> Vec<Described> {
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        let operations = item.iter().filter(|(key, _)| *key != "servers");
        let on_internal =
            |operation: &Value| item.contains_key("servers") || operation.get("servers").is_some();
        let (mut internal, public): (Vec<_>, Vec<_>) =
            operations.partition(|(_, operation)| on_internal(operation));
        if !internal.is_empty() {
            let text = |operation: &Value| operation["description"].to_string();
            let beside = |operation: &Value| text(operation).contains("On the internal listener");
            internal.extend(public.iter().filter(|(_, operation)| beside(operation)).copied());
        }
        let by_listener = [(internal, true), (public, false)].into_iter();
        by_listener
            .filter(|(operations, _)| !operations.is_empty())
            .map(move |(operations, is_internal)| (path, operations, is_internal))
    });
    let described = described.map(|(path, operations, is_internal)| {
        let operations: BTreeMap<&String, &Value> = operations.into_iter().collect();
        let parameters =
            operations.values().filter_map(|operation| operation["parameters"].as_array());
        let mut target = path.clone();
        for parameter in parameters.flatten().filter(|parameter| parameter["in"] == "path") {
            let example = parameter["example"].as_str().unwrap_or("me");
            target =
                target.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), example);
        }
        assert!(!target.contains('{'), "a parameter of {path} is not described");
        Described {
            path: path.clone(),
            target,
            methods: operations.keys().map(|method| method.to_uppercase()).collect(),
            is_internal,
        }
    });
    described.collect()
}

/// Every described operation is there, and its path has no other method.
fn holds(document: &Value, public: Listener, internal: Listener) {
    for described in described(document) {
        let listener = if described.is_internal { internal } else { public };
        for method in &described.methods {
            let answer = listener.send(Request::new(method, &described.target));
            let there = ![404, 405].contains(&answer.status) && answer.status < 500;
            assert!(there, "{method} {}: {answer:?}", described.target);
        }
        let other = listener.send(Request::new("PATCH", &described.target));
        if described.path.starts_with("/authz/") {
            assert_ne!(other.status, 405, "{}", described.path);
            continue;
        }
        let other = other.expect_problem(405, "method_not_allowed");
        let allowed = other.header("allow").unwrap_or_default().split(',');
        let allowed: BTreeSet<String> = allowed
            .map(|method| method.trim().to_owned())
            .filter(|method| method != "HEAD")
            .collect();
        assert_eq!(allowed, described.methods, "{}", described.path);
    }
}

/// Whatever a document refers to is in it.
fn refers_to_nothing_else(document: &Value) {
    let text = document.to_string();
    for rest in text.split("\"$ref\":\"#").skip(1) {
        let pointer = rest.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is not there");
    }
}

/// Each operation says what it is, how errors look, and which keys it wants are known.
fn says_all(document: &Value) {
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "servers" {
                continue;
            }
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["tags"].is_array(), "{method} {path} has no tag");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let content = &answer["content"];
                assert!(answer["description"].is_string(), "{method} {path} {status}");
                if status.as_str() >= "400" {
                    let problem = &content["application/problem+json"];
                    assert_eq!(
                        problem["schema"]["$ref"], "#/components/schemas/Problem",
                        "{method} {path} {status}"
                    );
                }
                if status == "503" && operation["tags"][0] != "Probes" {
                    assert!(answer["headers"].get("Retry-After").is_some(), "{method} {path}");
                }
            }
            let wanted = operation["security"].as_array().into_iter().flatten();
            for scheme in wanted.filter_map(Value::as_object).flat_map(|schemes| schemes.keys()) {
                assert!(schemes.contains_key(scheme), "{method} {path} wants {scheme}");
            }
        }
    }
}

#[test]
fn auth_service_is_as_its_document_describes_it() {
    let auth = AuthService::start();
    let document = document(auth.public);
    refers_to_nothing_else(&document);
    says_all(&document);
    holds(&document, auth.public, auth.internal);
}

#[test]
fn what_is_done_by_mail_is_described_where_mail_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::auth()
        .var("AUTH_SIGNUP", "open")
        .var("AUTH_MAIL_URL", format!("file:{}", home.path().display()))
        .var("AUTH_MAIL_FROM", "auth@example.com");
    let auth = AuthService::launch(&launch);
    let document = document(auth.public);
    refers_to_nothing_else(&document);
    says_all(&document);
    holds(&document, auth.public, auth.internal);
    let without = self::document(AuthService::start().public);
    for path in ["/password/forgot", "/password/reset", "/email/verify", "/signup"] {
        assert!(document["paths"][path].is_object() && without["paths"][path].is_null(), "{path}");
    }
}

#[test]
fn what_is_not_seen_in_a_route_is_described_as_well() {
    let document = document(AuthService::start().public);
    let parameters =
        |path: &str, method: &str| document["paths"][path][method]["parameters"].to_string();
    assert!(document["paths"]["/api/v1/users/me"]["get"]["responses"]["200"].is_object());
    for method in ["get", "head", "post", "put", "patch", "delete", "options"] {
        let endpoint = &document["paths"]["/authz/ext-authz/{path}"][method];
        assert!(endpoint["responses"]["200"]["headers"]["Remote-User"].is_object(), "{method}");
    }
    for (path, method) in [
        ("/session/data", "get"),
        ("/session/data/{key}", "get"),
        ("/session/data/{key}", "put"),
        ("/session/data/{key}", "delete"),
    ] {
        assert!(parameters(path, method).contains("X-Internal-Key"), "{method} {path}");
    }
    let mut names = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values().filter_map(Value::as_object) {
        let ids = operation.values().filter_map(|operation| operation["operationId"].as_str());
        assert!(ids.into_iter().all(|id| names.insert(id)), "an id is given twice: {operation:?}");
    }
}

#[test]
fn business_service_is_as_its_document_describes_it() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let document = document(business.public);
    refers_to_nothing_else(&document);
    holds(&document, business.public, business.internal);
}

#[test]
fn every_route_is_described_or_a_page_s_own() {
    let auth = AuthService::start();
    let document = document(auth.public);
    let paths: BTreeSet<String> =
        described(&document).into_iter().map(|described| described.path).collect();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/auth-service/src/http/router.rs");
    let table = std::fs::read_to_string(source).unwrap();
    let names =
        table.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let routes: Vec<String> =
        names.map(|rest| rest.split('"').next().unwrap().replace("{*", "{")).collect();
    assert!(routes.len() > 10, "the table of routes was not found");
    for route in &routes {
        let is_described = paths.contains(route) || NOT_DESCRIBED.contains(&route.as_str());
        assert!(is_described, "{route} is not described");
    }
    for route in NOT_DESCRIBED {
        assert!(routes.iter().any(|other| other == route), "there is no {route}");
    }
}

#[test]
fn the_documentation_asks_no_other_address_for_anything() {
    let auth = AuthService::start();
    let page = auth.public.get("/docs").expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains("unsafe-eval"), "{policy}");
    let text = page.text();
    assert!(!text.contains("//"), "{text}");
    let links = text.split(['"', '\'']).filter(|link| link.starts_with("/docs/"));
    let mut files = 0;
    for link in links {
        let file = auth.public.get(link).expect(200);
        assert!(!file.body.is_empty());
        files += 1;
    }
    assert_eq!(files, 3);
    for file in ["/docs/nothing.js", "/docs/..%2fopenapi.json", "/docs/index.html"] {
        auth.public.get(file).expect_problem(404, "not_found");
    }
}

#[test]
fn the_index_is_for_people_and_for_programs() {
    let auth = AuthService::start();
    for (listener, path) in [(auth.public, "/session"), (auth.internal, "/validateToken")] {
        let answer = listener.get("/").expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let index = answer.json();
        let operations = index["operations"].as_array().unwrap();
        assert!(operations.iter().any(|operation| operation["path"] == path), "{index}");
        let page = listener.send(Request::get("/").header("Accept", "text/html")).expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(
            page.header("content-security-policy")
                .is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );
        assert!(page.text().contains(path), "{page:?}");
        assert_eq!(page.header("vary"), Some("accept"));
    }
    let internal = auth.internal.send(Request::get("/").header("Accept", "text/html"));
    assert!(!internal.text().contains("href=\"/login\""), "{internal:?}");
}

#[test]
fn the_tests_that_the_documentation_names_exist() {
    let root = env!("CARGO_MANIFEST_DIR");
    let document = std::fs::read_to_string(format!("{root}/docs/asvs.md")).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let names: BTreeSet<&str> = quoted.filter(|name| name.contains("::")).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let (module, test) = name.rsplit_once("::").unwrap();
        let path = format!("{root}/tests/e2e/{}.rs", module.replace("::", "/"));
        let source =
            std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("there is no {path}"));
        assert!(source.contains(&format!("fn {test}(")), "there is no {name}");
    }
}
