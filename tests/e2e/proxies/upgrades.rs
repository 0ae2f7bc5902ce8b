//! Upgrades through the printed configurations: a tunnel leads past roles and identity headers, so
//! that a WebSocket is passed on and nothing else, even to an application that agrees to anything.

use super::application::Heard;
use super::front::{AUTH_HOST, CADDY, HOST, Kind, NGINX, Stage};
use super::printed::printed;
use crate::harness::{ANN, LONG_PASSWORD, Request};

/// What a client may ask for, and whether it is a WebSocket and that alone.
const ASKED: [(&[&str], bool); 12] = [
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

fn asking(path: &str, token: &str, asked: &[&str]) -> Request {
    let connection = "keep-alive, Upgrade, HTTP2-Settings";
    let request = Request::get(path).token(token).header("Connection", connection);
    let request = request.header("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
    asked.iter().fold(request, |request, asked| request.header("Upgrade", asked))
}

/// Nobody is tunnelled but for a WebSocket, to an application that answers 101 to anything; whoever
/// has no session, or another role, reaches nothing at all.
fn only_a_websocket_is_passed_on(kind: &Kind) {
    let Some(stage) = Stage::set(kind) else { return };
    let (admin, ann) = (stage.auth.token(), stage.auth.login(ANN, LONG_PASSWORD));
    for (asked, is_websocket) in ASKED {
        let tunnelled = stage.tunnel(asking("/socket", &admin, asked));
        assert_eq!(tunnelled.is_some(), is_websocket, "{asked:?}: {tunnelled:?}");
        if let Some(head) = tunnelled {
            let heard = Heard::read(&head);
            assert_eq!(heard.header("upgrade"), "websocket", "{asked:?}");
            assert_eq!(heard.header("connection").to_lowercase(), "upgrade", "{asked:?}");
            assert_eq!(heard.header("remote-groups"), "admin", "{asked:?}");
        }
    }
    // Of two, the application hears of one at most.
    for asked in [&["websocket", "h2c"][..], &["h2c", "websocket"]] {
        if let Some(head) = stage.tunnel(asking("/socket", &admin, asked)) {
            assert_eq!(Heard::read(&head).header("upgrade"), "websocket", "{asked:?}");
        }
    }
    let heard = stage.application.heard();
    for (asked, _) in ASKED {
        for path in ["/socket", "/admin/socket"] {
            assert!(stage.tunnel(asking(path, "nonsense", asked)).is_none(), "{path} {asked:?}");
        }
        assert!(stage.tunnel(asking("/admin/socket", &ann, asked)).is_none(), "{asked:?}");
    }
    assert_eq!(stage.application.heard(), heard, "nobody else reaches it");
    assert!(stage.tunnel(asking("/admin/socket", &admin, &["websocket"])).is_some());
}

/// The pages of the auth service itself are reached without any.
fn none_is_passed_to_the_auth_service(kind: &Kind) {
    for (stage, host) in [(Stage::set(kind), HOST), (Stage::set_for_domain(kind), AUTH_HOST)] {
        let Some(stage) = stage else { return };
        for asked in [&["websocket"], &["h2c"]] {
            let answer = stage.send_to(host, asking("/login", "nonsense", asked));
            assert!([200, 400].contains(&answer.status), "{asked:?}: {answer:?}");
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
