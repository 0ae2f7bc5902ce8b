//! Upgrades through the printed configurations: a tunnel leads past roles and identity headers, so
//! that a WebSocket is passed on and nothing else, even to an application that agrees to anything.

use super::application::Received;
use super::front::{AUTH_HOST, CADDY, HOST, Kind, NGINX, Stage};
use super::printed::printed;
use crate::harness::{ANN, LONG_PASSWORD, Request};

/// What a client may ask for, and whether it is a WebSocket and that alone.
const REQUESTED: [(&[&str], bool); 12] = [
    (&["websocket"], true),
    (&["WebSocket"], true),
    (&["h2c"], false),
    (&["H2C"], false),
    (&["h2"], false),
    (&["TLS/1.0"], false),
    (&["connect-udp"], false),
    (&["h2c, websocket"], false),
    (&["websocket, h2c"], false),
    (&["websocket/13"], false),
    (&["xwebsocket"], false),
    (&["websocketx"], false),
];

fn upgrade_request(path: &str, token: &str, protocols: &[&str]) -> Request {
    let connection = "keep-alive, Upgrade, HTTP2-Settings";
    let request = Request::get(path).token(token).header("Connection", connection);
    let request = request.header("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
    protocols.iter().fold(request, |request, protocol| request.header("Upgrade", protocol))
}

/// Nobody is tunnelled but for a WebSocket, to an application that answers 101 to anything; whoever
/// has no session, or another role, reaches nothing at all.
fn only_a_websocket_is_passed_on(kind: &Kind) {
    let Some(stage) = Stage::set(kind) else { return };
    let (admin, ann) = (stage.auth.token(), stage.auth.login(ANN, LONG_PASSWORD));
    for (protocols, is_websocket) in REQUESTED {
        let tunnelled = stage.tunnel(upgrade_request("/socket", &admin, protocols));
        assert_eq!(tunnelled.is_some(), is_websocket, "{protocols:?}: {tunnelled:?}");
        if let Some(head) = tunnelled {
            let received = Received::read(&head);
            assert_eq!(received.header("upgrade"), "websocket", "{protocols:?}");
            assert_eq!(received.header("connection").to_lowercase(), "upgrade", "{protocols:?}");
            assert_eq!(received.header("remote-groups"), "admin", "{protocols:?}");
        }
    }
    // Of two, the application hears of one at most.
    for protocols in [&["websocket", "h2c"][..], &["h2c", "websocket"]] {
        if let Some(head) = stage.tunnel(upgrade_request("/socket", &admin, protocols)) {
            assert_eq!(Received::read(&head).header("upgrade"), "websocket", "{protocols:?}");
        }
    }
    let received = stage.application.received();
    for (protocols, _) in REQUESTED {
        for path in ["/socket", "/admin/socket"] {
            assert!(
                stage.tunnel(upgrade_request(path, "nonsense", protocols)).is_none(),
                "{path} {protocols:?}"
            );
        }
        assert!(
            stage.tunnel(upgrade_request("/admin/socket", &ann, protocols)).is_none(),
            "{protocols:?}"
        );
    }
    assert_eq!(stage.application.received(), received, "nobody else reaches it");
    assert!(stage.tunnel(upgrade_request("/admin/socket", &admin, &["websocket"])).is_some());
}

/// The pages of the auth service itself are reached without any.
fn none_is_passed_to_the_auth_service(kind: &Kind) {
    for (stage, host) in [(Stage::set(kind), HOST), (Stage::set_for_domain(kind), AUTH_HOST)] {
        let Some(stage) = stage else { return };
        for protocols in [&["websocket"], &["h2c"]] {
            let answer = stage.send_to(host, upgrade_request("/login", "nonsense", protocols));
            assert!([200, 400].contains(&answer.status), "{protocols:?}: {answer:?}");
        }
        stage.send_to(host, Request::get("/login")).expect(200);
    }
}

#[test]
fn nginx_passes_a_websocket_on_and_no_other_upgrade() {
    only_a_websocket_is_passed_on(&NGINX);
    none_is_passed_to_the_auth_service(&NGINX);
}

#[test]
fn caddy_passes_a_websocket_on_and_no_other_upgrade() {
    only_a_websocket_is_passed_on(&CADDY);
    none_is_passed_to_the_auth_service(&CADDY);
}

/// Neither is at hand: what does it there is held by its words.
#[test]
fn traefik_and_envoy_are_told_of_the_websocket_alone() {
    for more in [&[][..], &["--domain-cookie"]] {
        let envoy = printed("envoy", more);
        let configs: Vec<&str> = envoy.lines().filter(|line| line.contains("upgrade_")).collect();
        assert_eq!(configs.len(), 1, "{configs:?}");
        assert_eq!(configs[0].trim(), "upgrade_configs: [{ upgrade_type: websocket }]");

        let traefik = printed("traefik", more);
        let services = traefik.matches("      service: ").count();
        let first = |name: &str| traefik.matches(&format!("      middlewares: [{name}")).count();
        assert_eq!(services, 5, "a router each");
        assert_eq!(
            (first("no-upgrade"), first("websocket")),
            (3, 2),
            "each decides about it first"
        );
        let websocket = "HeaderRegexp(`Upgrade`, `(?i)^websocket$`)";
        assert_eq!(traefik.matches(websocket).count(), 2);
        assert!(traefik.contains("customRequestHeaders: { Upgrade: \"\" }"));
        assert!(traefik.contains("customRequestHeaders: { Upgrade: websocket }"));
        // Longer rules go first by themselves: what wants a role must, whatever its length.
        let priority = |router: &str| {
            let (_, rest) = traefik.split_once(&format!("    {router}:\n")).unwrap();
            let (_, rest) = rest.split_once("priority: ").unwrap();
            rest.split_whitespace().next().unwrap().parse::<u32>().unwrap()
        };
        let order = ["application", "application-websocket", "application-admin"];
        let order = order.map(priority);
        assert!(order.is_sorted() && order[2] < priority("application-admin-websocket"));
    }
}
