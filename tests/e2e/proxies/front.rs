//! A real proxy in front of an application, and the auth service that it asks.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::application::Application;
use crate::harness::{
    Answer, AuthService, Launch, Listener, Request, TIMEOUT, eventually, skip_unless_installed,
    unused_port,
};

/// The host that the printed configurations name.
pub(super) const HOST: &str = "app.example.com";

/// The host for logging in, where it is one of its own.
pub(super) const AUTH_HOST: &str = "auth.example.com";

/// A proxy, the auth service, and the application.
pub(crate) struct Stage {
    pub(crate) auth: AuthService,
    pub(super) application: Application,
    pub(super) front: Listener,
    proxy: Child,
    _home: TempDir,
}

/// How to start one of the proxies.
pub(crate) struct Kind {
    program: &'static str,
    /// What to make of what `proxy` printed, for a front on this port.
    adapt: fn(&str, u16) -> Vec<(&'static str, String)>,
    arguments: &'static [&'static str],
}

pub(crate) const NGINX: Kind = Kind {
    program: "nginx",
    adapt: |printed, port| {
        let frame = "daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n\
            access_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\n\
            fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
            include site.conf;\n}\n";
        let site = printed.replace("127.0.0.1:8000", &format!("127.0.0.1:{port}"));
        vec![("nginx.conf", frame.to_owned()), ("site.conf", site)]
    },
    arguments: &["-p", ".", "-c", "nginx.conf", "-e", "stderr"],
};

pub(super) const CADDY: Kind = Kind {
    program: "caddy",
    adapt: |printed, port| {
        let frame = "{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n";
        let hosts = ["app", "auth"].map(|host| format!("\n{host}.example.com {{"));
        let site = hosts.iter().fold(printed.to_owned(), |site, host| {
            let here = host.replace('\n', "\nhttp://").replace(" {", &format!(":{port} {{"));
            site.replace(host, &here)
        });
        vec![("Caddyfile", format!("{frame}{site}"))]
    },
    arguments: &["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
};

impl Stage {
    /// With users who are no admins, for a cookie of one host.
    pub(super) fn set(kind: &Kind) -> Option<Self> {
        Self::set_with(kind, &[], |launch, _| launch, None)
    }

    /// In front of another application, on this port.
    pub(crate) fn set_before(kind: &Kind, application: u16) -> Option<Self> {
        Self::set_with(kind, &[], |launch, _| launch, Some(application))
    }

    /// For several hosts of one domain.
    pub(super) fn set_for_domain(kind: &Kind) -> Option<Self> {
        Self::set_with(
            kind,
            &["--domain-cookie"],
            |launch, port| {
                launch
                    .var("AUTH_PUBLIC_URL", format!("http://{AUTH_HOST}:{port}"))
                    .var("AUTH_COOKIE_DOMAIN", "example.com")
                    .var("AUTH_REDIRECT_ORIGINS", format!("http://{HOST}:{port}"))
            },
            None,
        )
    }

    /// The same with more arguments to `proxy`, and more settings for a front on a port.
    fn set_with(
        kind: &Kind,
        arguments: &[&str],
        settings: fn(Launch, u16) -> Launch,
        behind: Option<u16>,
    ) -> Option<Self> {
        if skip_unless_installed(kind.program) {
            return None;
        }
        let port = unused_port();
        let launch = Launch::auth()
            .var("AUTH_PUBLIC_URL", format!("http://{HOST}:{port}"))
            .var("AUTH_TRUSTED_PROXIES", "127.0.0.1");
        let auth = AuthService::launch_with_users(settings(launch, port));
        let application = Application::start();
        let proxy = Launch::auth().arg("proxy").arg(kind.program);
        let printed = arguments.iter().fold(proxy, |proxy, more| proxy.arg(*more)).run();
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let mut site = printed.stdout;
        for (default, here) in [
            (8080, auth.public.port),
            (8081, auth.internal.port),
            (3000, behind.unwrap_or(application.port)),
        ] {
            let default = format!("127.0.0.1:{default}");
            assert!(site.contains(&default), "{default} is missing");
            site = site.replace(&default, &format!("127.0.0.1:{here}"));
        }
        let home = TempDir::with_prefix("reinflate-e2e-").expect("a temporary directory");
        for (name, text) in (kind.adapt)(&site, port) {
            std::fs::write(home.path().join(name), text).expect("it can be written");
        }
        let proxy = start(kind, &home);
        let stage = Self { auth, application, front: Listener { port }, proxy, _home: home };
        eventually("the proxy accepts", TIMEOUT, || stage.front.try_connect().ok());
        Some(stage)
    }

    /// A request to the application's host.
    pub(crate) fn send(&self, request: Request) -> Answer {
        self.send_to(HOST, request)
    }

    /// What comes through the tunnel that this request opens; `None` where it opens none.
    pub(super) fn tunnel(&self, request: Request) -> Option<String> {
        let mut connection = self.front.connect();
        let request = request.header("Host", format!("{HOST}:{}", self.front.port));
        let answer = connection.send(&request);
        (answer.status == 101).then(|| connection.read_rest())
    }

    /// A request to any host.
    pub(super) fn send_to(&self, host: &str, request: Request) -> Answer {
        self.front.send(request.header("Host", format!("{host}:{}", self.front.port)))
    }
}

fn start(kind: &Kind, home: &TempDir) -> Child {
    let mut command = Command::new(kind.program);
    command
        .args(kind.arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("the proxy starts")
}

impl Drop for Stage {
    fn drop(&mut self) {
        // nginx's master takes its workers along only where it is asked to end.
        let id = self.proxy.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &id]).status();
        eventually("the proxy ends", TIMEOUT, || self.proxy.try_wait().expect("it is ours"));
    }
}
