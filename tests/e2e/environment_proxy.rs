//! A proxy that the environment names sees nothing of ours: no token, no key, no trace.

use crate::harness::{
    AuthService, BusinessService, FakeServer, Launch, Request, TIMEOUT, eventually,
};

/// How an environment names a proxy, and how it asks Node to take it.
const VARIABLES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// A proxy that remembers what it was asked for, and lets everybody in.
pub(crate) struct Recorder(FakeServer);

impl Recorder {
    pub(crate) fn start() -> Self {
        let alive = r#"{"authenticated":true,"session":{"user":{"username":"x"},"role":"admin"}}"#;
        Self(FakeServer::saying("200 OK", "application/json", alive))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// The environment of a process that is to use it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let url = format!("http://127.0.0.1:{}", self.0.port);
        let named = VARIABLES.into_iter().map(move |name| (name, url.clone()));
        named.chain([("NODE_USE_ENV_PROXY", "1".to_owned()), ("no_proxy", String::new())])
    }

    /// How many requests it got.
    pub(crate) fn received(&self) -> usize {
        self.0.requests().len()
    }

    fn of(&self, launch: Launch) -> Launch {
        self.variables().fold(launch, |launch, (name, value)| launch.var(name, value))
    }
}

#[test]
fn nothing_goes_by_the_environments_proxy() {
    let recorder = Recorder::start();
    let collector = FakeServer::saying("200 OK", "application/x-protobuf", "");
    let traced = |launch: Launch| {
        let endpoint = format!("http://127.0.0.1:{}", collector.port);
        let launch = launch.var("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        recorder.of(launch.var("OTEL_BSP_SCHEDULE_DELAY", "50"))
    };
    let key = "0123456789abcdef";
    let auth = AuthService::launch(&traced(Launch::auth()).var("AUTH_INTERNAL_KEY", key));
    let business = traced(Launch::business(auth.internal.port)).var("BUSINESS_AUTH_KEY", key);
    let running = BusinessService::launch(&business);
    let token = auth.token();
    running.data(&token).expect(200);
    running.public.get("/readyz").expect(200);
    let note = Request::post("/notes").bearer(&token).form("note=milk");
    running.public.send(note).expect(303);
    let address = format!("127.0.0.1:{}", running.public.port);
    let check = business.var("BUSINESS_ADDR", address).arg("healthcheck").run();
    assert_eq!(check.code, Some(0), "{check:?}");
    for service in ["auth-service", "business-service"] {
        eventually(&format!("the traces of {service}"), TIMEOUT, || {
            let requests = collector.requests();
            let named = |body: &[u8]| String::from_utf8_lossy(body).contains(service);
            requests.iter().any(|(_, body)| named(body)).then_some(())
        });
    }
    assert_eq!(recorder.received(), 0, "{:?}", recorder.0.requests());
}

#[test]
fn both_services_in_one_process_do_without_it_too() {
    let recorder = Recorder::start();
    let mut pair = recorder.of(Launch::pair()).start();
    let (public, business) = (pair.listener("public"), pair.listener("business"));
    let login = Request::post("/login").header("Authorization", BASIC);
    let token = public.send(login).expect(200).json()["token"].as_str().unwrap().to_owned();
    business.send(Request::get("/data").bearer(&token)).expect(200);
    assert_eq!(recorder.received(), 0, "{:?}", recorder.0.requests());
}

/// The demo user.
const BASIC: &str = "Basic anNmLmZ1c2NvQGdtYWlsLmNvbTpwb3N0bWFu";
