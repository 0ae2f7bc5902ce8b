//! The Postman collection with the auth service restarted in the midst of each of its folders, its
//! sessions in a file: whoever runs the collection must not notice.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    AuthService, BusinessService, Launch, TIMEOUT, eventually, skip_unless_installed, unused_port,
};

const COLLECTION: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/postman/reinflate.postman_collection.json");

/// What backends show, so that none of the folders is skipped.
const KEY: &str = "fourteen-paper-lanterns-on-a-string";

/// Both services, the auth service on ports and files that it finds again.
struct Services {
    launch: Launch,
    auth: AuthService,
    business: BusinessService,
}

impl Services {
    fn start(directory: &Path) -> Self {
        let file = |name: &str| format!("sqlite:{}", directory.join(name).display());
        let address = || format!("127.0.0.1:{}", unused_port());
        let launch = Launch::auth()
            .var("AUTH_PUBLIC_ADDR", address())
            .var("AUTH_INTERNAL_ADDR", address())
            .var("AUTH_DATABASE_URL", file("users.db"))
            .var("AUTH_SESSION_STORE", file("sessions.db"))
            .var("AUTH_INTERNAL_KEY", KEY)
            .var("RUST_LOG", "info");
        let auth = AuthService::launch(&launch);
        let business = BusinessService::launch(
            &Launch::business(auth.internal.port).var("BUSINESS_AUTH_KEY", KEY),
        );
        Self { launch, auth, business }
    }

    /// As an operator restarts it.
    fn restart(&mut self) {
        self.auth.signal("TERM");
        assert!(self.auth.wait_for_end(TIMEOUT).success());
        self.auth = AuthService::launch(&self.launch);
        let ready = || (self.business.public.get("/readyz").status == 200).then_some(());
        eventually("the business service is ready again", TIMEOUT, ready);
    }
}

/// Restarts the services at each request to the port that it gives back, and then answers; the other
/// end hears of each restart.
fn restart_on_request(mut services: Services) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (restarted, restarts) = channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            read_head(&mut stream);
            services.restart();
            if restarted.send(()).is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    (port, restarts)
}

fn read_head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
}

/// The collection, with something else that is done before the middle request of each folder; how
/// many folders there are.
fn collection_with(before_the_middle: &[String]) -> (Value, usize) {
    let text = fs::read_to_string(COLLECTION).unwrap();
    let mut collection: Value = serde_json::from_str(&text).unwrap();
    let folders = collection["item"].as_array_mut().unwrap();
    for folder in &mut *folders {
        let requests = folder["item"].as_array_mut().unwrap();
        let middle = requests.len() / 2;
        let request = requests[middle].as_object_mut().unwrap();
        let events = request.entry("event").or_insert_with(|| json!([]));
        let script = json!({"listen": "prerequest", "script": {"exec": before_the_middle}});
        events.as_array_mut().unwrap().insert(0, script);
    }
    let count = folders.len();
    (collection, count)
}

#[test]
fn the_collection_does_not_notice_restarts_of_a_service_with_a_session_file() {
    if skip_unless_installed("newman") {
        return;
    }
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let services = Services::start(directory.path());
    let url = |port: u16| format!("http://localhost:{port}");
    let variables = [
        format!("baseUrl={}", url(services.auth.public.port)),
        format!("internalUrl={}", url(services.auth.internal.port)),
        format!("businessUrl={}", url(services.business.public.port)),
        format!("internalKey={KEY}"),
    ];
    let (port, restarts) = restart_on_request(services);
    let (collection, folders) = collection_with(&[
        format!("pm.sendRequest(\"http://127.0.0.1:{port}/\", (error, answer) => {{"),
        "  pm.test(\"the auth service was restarted\", () => {".to_owned(),
        "    pm.expect(error).to.eql(null);".to_owned(),
        "    pm.expect(answer.code).to.eql(204);".to_owned(),
        "  });".to_owned(),
        "});".to_owned(),
    ]);
    let file = directory.path().join("collection.json");
    fs::write(&file, collection.to_string()).unwrap();
    let mut newman = Command::new("newman");
    newman.arg("run").arg(&file).args(["--timeout-request", "20000", "--timeout-script", "60000"]);
    for variable in &variables {
        newman.args(["--env-var", variable]);
    }
    let done = newman.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(restarts.try_iter().count(), folders, "one restart in each folder");
}
