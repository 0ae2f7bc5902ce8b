//! The two services, started as anybody would, with the limits off that a load from one address
//! would run into.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::http::{Connection, request};
use crate::options::Options;
use crate::pinning::Pinning;
use crate::process::Server;

/// The demo user, who is an admin.
pub(crate) const DEMO_LOGIN: &str = r#"{"username":"jsf.fusco@gmail.com","password":"postman"}"#;

const IN_MEMORY: &str = "sqlite::memory:";

const AUTH: &[(&str, &str)] = &[
    ("AUTH_PUBLIC_ADDR", "127.0.0.1:0"),
    ("AUTH_INTERNAL_ADDR", "127.0.0.1:0"),
    ("AUTH_DEMO", "true"),
    ("AUTH_TOKEN_TTL", "6h"),
    ("AUTH_MAX_SESSIONS_PER_USER", "0"),
    ("AUTH_LOGIN_ATTEMPTS", "0"),
    ("AUTH_LOGIN_ATTEMPTS_PER_ACCOUNT", "0"),
    ("AUTH_LOGIN_ATTEMPTS_PER_ADDRESS", "0"),
    ("AUTH_MINTS_PER_USER", "0"),
    ("AUTH_LOGINS_PER_ADDRESS", "0"),
];

const BUSINESS: &[(&str, &str)] =
    &[("BUSINESS_ADDR", "127.0.0.1:0"), ("BUSINESS_INTERNAL_ADDR", "127.0.0.1:0")];

/// Where programs and files are.
pub(crate) struct Paths {
    pub(crate) repository: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) auth: PathBuf,
    pub(crate) business: PathBuf,
    pub(crate) pair: PathBuf,
}

impl Paths {
    /// The release binaries, or those of another directory.
    pub(crate) fn find(options: &Options) -> Result<Self> {
        // Beside the directory that cargo has built this program's package in.
        let built = Path::new(env!("CARGO_BIN_EXE_auth-service"));
        let target = built.ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf();
        let binaries = options.binaries.clone().unwrap_or_else(|| target.join("release"));
        let (scratch, repository) =
            (target.join("load"), PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        Self::of(repository, target, scratch, &binaries)
    }

    /// The same with the binaries of another build.
    pub(crate) fn of_build(&self, name: &str, binaries: &Path) -> Result<Self> {
        let scratch = self.scratch.join(name);
        Self::of(self.repository.clone(), self.target.clone(), scratch, binaries)
    }

    fn of(repository: PathBuf, target: PathBuf, scratch: PathBuf, binaries: &Path) -> Result<Self> {
        std::fs::create_dir_all(&scratch)?;
        // Servers are started in directories of their own.
        let binaries = std::path::absolute(binaries)?;
        let [auth, business, pair] =
            ["auth-service", "business-service", "reinflate"].map(|name| binaries.join(name));
        Ok(Self { repository, target, scratch, auth, business, pair })
    }

    /// The users whose sessions are in Redis, or in a file.
    fn users(&self, store: &str) -> PathBuf {
        let kind = if store.starts_with("sqlite:") { "file" } else { "redis" };
        self.scratch.join(format!("users-of-{kind}.db"))
    }

    /// Begins without any.
    pub(crate) fn forget_users(&self, store: &str) {
        forget_database(&self.users(store));
    }
}

/// Begins without a database of `SQLite`.
pub(crate) fn forget_database(path: &Path) {
    for ending in ["db", "db-wal", "db-shm"] {
        // Most often there is none.
        let _ = std::fs::remove_file(path.with_extension(ending));
    }
}

/// A running auth service.
pub(crate) struct AuthService {
    pub(crate) server: Server,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
}

/// A running business service.
pub(crate) struct BusinessService {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

/// Starts services with the same settings.
#[derive(Clone, Copy)]
pub(crate) struct Starter<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) options: &'a Options,
    pub(crate) pinning: Pinning,
}

impl Starter<'_> {
    /// The auth service with this session store, ready.
    pub(crate) fn auth(self, name: &str, store: &str) -> Result<AuthService> {
        // Sessions that outlive a service belong to users who do.
        let users = match store {
            "memory" => IN_MEMORY.to_owned(),
            _ => format!("sqlite:{}", self.paths.users(store).display()),
        };
        let stores = [("AUTH_DATABASE_URL", users.as_str()), ("AUTH_SESSION_STORE", store)];
        let settings = [&stores, AUTH].concat();
        let mut server = self.start(&self.paths.auth, name, &settings)?;
        let public = server.address("(public)")?;
        let internal = server.address("(internal)")?;
        server.wait(|| ready(public))?;
        Ok(AuthService { server, public, internal })
    }

    /// The business service that uses this auth service, ready. `batches`: how many are in flight at
    /// once, if not the default; 0 for a request for each validation.
    pub(crate) fn business(
        self,
        name: &str,
        auth: &AuthService,
        batches: Option<&str>,
    ) -> Result<BusinessService> {
        let url = format!("http://{}", auth.internal);
        let mut settings = BUSINESS.to_vec();
        settings.push(("BUSINESS_AUTH_URL", url.as_str()));
        settings.extend(batches.map(|batches| ("BUSINESS_AUTH_CALLS", batches)));
        let mut server = self.start(&self.paths.business, name, &settings)?;
        let address = server.address("(business)")?;
        server.wait(|| ready(address))?;
        Ok(BusinessService { server, address })
    }

    /// Both in one process, ready, with sessions in memory: the auth service, and where the business
    /// service listens.
    pub(crate) fn pair(self, name: &str) -> Result<(AuthService, SocketAddr)> {
        let stores = [("AUTH_DATABASE_URL", IN_MEMORY)];
        let settings = [&stores, AUTH, BUSINESS].concat();
        let mut server = self.start(&self.paths.pair, name, &settings)?;
        let public = server.address("(public)")?;
        let internal = server.address("(internal)")?;
        let business = server.address("(business)")?;
        server.wait(|| ready(business))?;
        Ok((AuthService { server, public, internal }, business))
    }

    fn start(self, program: &Path, name: &str, settings: &[(&str, &str)]) -> Result<Server> {
        let mut command = self.pinning.server(&program.to_string_lossy());
        forget_settings(&mut command);
        command.env("LOG_FORMAT", "json").envs(settings.iter().copied());
        let theirs = match program {
            program if program == self.paths.auth => "BUSINESS_",
            program if program == self.paths.business => "AUTH_",
            _ => " ",
        };
        let tried = self.options.settings.iter().filter(|(name, _)| !name.starts_with(theirs));
        for (variable, value) in tried {
            // A row that is about a setting keeps it.
            if !settings.iter().any(|(fixed, _)| fixed == variable) {
                command.env(variable, value);
            }
        }
        let log = format!("{name}-{}.log", self.pinning.letter());
        Server::start(command, self.paths.scratch.join(log))
    }
}

/// Whether a service says that it is ready.
pub(crate) fn ready(address: SocketAddr) -> Option<()> {
    let probe = request("GET", "/readyz", &[], "");
    let answer = Connection::open(address).ok()?.send(&probe).ok()?;
    (answer.status == 200).then_some(())
}

/// Takes away what the environment of whoever starts the bench must not decide.
pub(crate) fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    // Nobody is served any longer by the time one is ended.
    command.env("DRAIN_DELAY", "0s");
}

fn is_setting(name: &str) -> bool {
    let prefixes = ["AUTH_", "BUSINESS_", "OTEL_"];
    let names = ["RUST_LOG", "LOG_FORMAT", "PORT", "DRAIN_DELAY"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}
