//! `auth-service proxy NAME`: a configuration of a reverse proxy that asks this service before it
//! lets a request pass. The same files stand in `deploy/proxies`, and the tests run them.

use clap::{Arg, ArgAction, ArgMatches, Command};
use server_runtime::process::{Failure, Outcome};

use super::output;

/// A proxy's configuration, where the cookie is one host's and where it is a whole domain's.
struct Proxy {
    name: &'static str,
    one_host: &'static str,
    domain: &'static str,
}

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../../deploy/proxies/", $name))
    };
}

const PROXIES: [Proxy; 4] = [
    Proxy {
        name: "nginx",
        one_host: file!("nginx.conf"),
        domain: file!("nginx-domain-cookie.conf"),
    },
    Proxy {
        name: "traefik",
        one_host: file!("traefik.yml"),
        domain: file!("traefik-domain-cookie.yml"),
    },
    Proxy {
        name: "caddy",
        one_host: file!("caddy.Caddyfile"),
        domain: file!("caddy-domain-cookie.Caddyfile"),
    },
    Proxy {
        name: "envoy",
        one_host: file!("envoy.yaml"),
        domain: file!("envoy-domain-cookie.yaml"),
    },
];

/// The subcommand.
pub(super) fn command() -> Command {
    let name = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .value_parser(PROXIES.map(|proxy| proxy.name))
        .help("The proxy");
    let domain = Arg::new("domain-cookie")
        .long("domain-cookie")
        .action(ArgAction::SetTrue)
        .help("For several hosts of one domain, which share the session cookie");
    Command::new("proxy")
        .about("Prints a tested configuration of a reverse proxy in front of an application")
        .arg(name)
        .arg(domain)
}

/// Prints what was asked for.
pub(super) fn run(matches: &ArgMatches) -> Outcome {
    let name = matches.get_one::<String>("name").map(String::as_str);
    match PROXIES.iter().find(|proxy| Some(proxy.name) == name) {
        Some(proxy) if matches.get_flag("domain-cookie") => Ok(output::print(proxy.domain)?),
        Some(proxy) => Ok(output::print(proxy.one_host)?),
        None => Err(Failure::with_code(2, "name a proxy")),
    }
}
