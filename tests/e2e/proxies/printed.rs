//! What `auth-service proxy` prints.

use crate::harness::Launch;

pub(super) fn printed(name: &str, more: &[&str]) -> String {
    let launch =
        more.iter().fold(Launch::auth().arg("proxy").arg(name), |launch, more| launch.arg(*more));
    let output = launch.run();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "");
    output.stdout
}

#[test]
fn each_configuration_is_the_file_of_its_name() {
    for (name, one_host, domain) in [
        ("nginx", "nginx.conf", "nginx-domain-cookie.conf"),
        ("traefik", "traefik.yml", "traefik-domain-cookie.yml"),
        ("caddy", "caddy.Caddyfile", "caddy-domain-cookie.Caddyfile"),
        ("envoy", "envoy.yaml", "envoy-domain-cookie.yaml"),
    ] {
        for (file, more) in [(one_host, &[][..]), (domain, &["--domain-cookie"])] {
            let path = format!("{}/deploy/proxies/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            assert_eq!(printed(name, more).trim_end(), text.trim_end(), "{file}");
            for needed in ["8081", "8080", "3000", "app.example.com", "role=admin"] {
                let needed =
                    if name == "envoy" && needed == "role=admin" { "role/admin" } else { needed };
                assert!(text.contains(needed), "{file}: {needed}");
            }
        }
    }
}

#[test]
fn another_proxy_is_a_mistake() {
    for arguments in [&["proxy"][..], &["proxy", "apache"]] {
        let launch =
            arguments.iter().fold(Launch::auth(), |launch, argument| launch.arg(*argument));
        let output = launch.run();
        assert_eq!(output.code, Some(2), "{output:?}");
        assert_eq!(output.lines().len(), 1, "{output:?}");
    }
}
