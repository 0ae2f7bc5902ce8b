//! Bodies that are too long or of a wrong type, at every route that the documents describe: refused
//! by the head, and no `100 Continue` asks for them.

use serde_json::Value;

use crate::harness::{Answer, AuthService, BusinessService, Connection, Launch, Listener};

const KEY: &str = "a-key-for-bodies-of-any-length";
const LOGIN_LIMIT: usize = 16 * 1024;
const BODY_LIMIT: usize = 64 * 1024;
const VALIDATE_LIMIT: usize = 128 * 1024;

/// One operation at the listener that has it.
struct Operation {
    listener: Listener,
    method: String,
    target: String,
    /// The types of body that it takes; none where it takes none.
    takes: Vec<String>,
}

impl Operation {
    fn limit(&self, is_internal: bool) -> usize {
        match self.target.as_str() {
            "/login" if !is_internal => LOGIN_LIMIT,
            "/validateToken" if is_internal => VALIDATE_LIMIT,
            _ => BODY_LIMIT,
        }
    }
}

fn operations(document: &Value, public: Listener, internal: Listener) -> Vec<(bool, Operation)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "servers" {
                continue;
            }
            let is_internal = item.get("servers").or(operation.get("servers")).is_some();
            let listener = if is_internal { internal } else { public };
            let target: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "me" } else { part })
                .collect();
            let takes = operation["requestBody"]["content"].as_object();
            let takes = takes.map(|content| content.keys().cloned().collect()).unwrap_or_default();
            let (method, target) = (method.to_uppercase(), target.join("/"));
            operations.push((is_internal, Operation { listener, method, target, takes }));
        }
    }
    operations
}

/// Sends a head and no body, and returns what comes first, `100 Continue` included.
fn first_line(
    operation: (&Listener, &str, &str),
    token: &str,
    length: usize,
    media: Option<&str>,
) -> (u16, Connection) {
    let (listener, method, target) = operation;
    let media = media.map(|media| format!("Content-Type: {media}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: Bearer {token}\r\n{media}\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n",
        listener.port
    );
    let mut connection = listener.connect();
    connection.write(head.as_bytes());
    let answer: Answer = connection.read_answer(true).unwrap();
    (answer.status, connection)
}

#[test]
fn what_is_announced_too_long_is_refused_before_any_of_it_is_read() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let token = auth.token();
    for (public, internal) in [(auth.public, auth.internal), (business.public, business.internal)] {
        let document = public.get("/openapi.json").expect(200).json();
        let mut operations = operations(&document, public, internal);
        for (is_internal, listener) in [(false, public), (true, internal)] {
            for (method, target) in [("POST", "/nothing"), ("PATCH", "/livez"), ("GET", "/livez")] {
                let (method, target) = (method.to_owned(), target.to_owned());
                let takes = Vec::new();
                operations.push((is_internal, Operation { listener, method, target, takes }));
            }
        }
        for (is_internal, operation) in operations {
            let limit = operation.limit(is_internal);
            let line = (&operation.listener, &*operation.method, &*operation.target);
            let (status, mut connection) = first_line(line, &token, limit + 1, None);
            assert_eq!(status, 413, "{} {} at {}", line.1, line.2, limit + 1);
            connection.read_rest();
            // Whatever is said to one that is not too long, it is not that.
            let (status, _) =
                first_line(line, &token, limit, operation.takes.first().map(|t| &**t));
            assert_ne!(status, 413, "{} {} at {limit}", line.1, line.2);
        }
    }
}

#[test]
fn a_body_of_a_type_that_is_not_taken_is_not_asked_for() {
    let auth = AuthService::start();
    let token = auth.token();
    let document = auth.public.get("/openapi.json").expect(200).json();
    let (mut tried, json, form) = (0, "application/json", "application/x-www-form-urlencoded");
    for (_, operation) in operations(&document, auth.public, auth.internal) {
        if operation.takes.is_empty() {
            continue;
        }
        for media in ["text/plain", json, form] {
            if operation.takes.iter().any(|taken| taken == media) {
                continue;
            }
            let line = (&operation.listener, &*operation.method, &*operation.target);
            let token = if operation.target == "/login" { "" } else { &token };
            let (status, mut connection) = first_line(line, token, 10, Some(media));
            // Where the token or a parameter is refused first, that is what is said.
            assert!([415, 400, 401, 403, 404].contains(&status), "{media} {line:?}: {status}");
            connection.read_rest();
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
    for (target, media) in [("/tokens", form), ("/revoke", json), ("/session/rotate", "text/plain")]
    {
        let (status, _) = first_line((&auth.public, "POST", target), &token, 10, Some(media));
        assert_eq!(status, 415, "{target} {media}");
    }
    let (status, _) = first_line((&auth.public, "POST", "/login"), "", 10, Some("text/plain"));
    assert_eq!(status, 415);
    let (status, _) = first_line((&auth.internal, "POST", "/validateToken"), "", 10, Some(form));
    assert_eq!(status, 415);
}

#[test]
fn a_body_that_does_not_say_its_length_is_refused_where_it_is_too_long() {
    // Some operations of the internal listener are there only for those who show a key.
    let auth = AuthService::launch(&Launch::auth().var("AUTH_INTERNAL_KEY", KEY));
    let token = auth.token();
    let document = auth.public.get("/openapi.json").expect(200).json();
    let mut tried = 0;
    for (is_internal, operation) in operations(&document, auth.public, auth.internal) {
        let Some(media) = operation.takes.first() else { continue };
        let limit = operation.limit(is_internal);
        let mut connection = operation.listener.connect();
        // Beside a session's token the key has a header of its own.
        let key = if is_internal && !operation.target.starts_with("/session/") {
            "Authorization: Bearer"
        } else {
            "X-Internal-Key:"
        };
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost:{}\r\ntoken: {token}\r\n{key} {KEY}\r\n\
             Content-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n",
            operation.method, operation.target, operation.listener.port
        );
        connection.write(head.as_bytes());
        // The end never comes: what is too long already is not waited for.
        let chunk = vec![b' '; limit + 1];
        connection.write(format!("{:x}\r\n", chunk.len()).as_bytes());
        connection.write(&chunk);
        connection.write(b"\r\n");
        let status = connection.read_answer(false).unwrap().status;
        assert_eq!(status, 413, "{} {}", operation.method, operation.target);
        tried += 1;
    }
    assert!(tried > 8, "{tried}");
}
