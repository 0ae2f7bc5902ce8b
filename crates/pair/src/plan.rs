//! The configuration of the pair: the settings of both services, and the defaults that being a pair
//! gives them.

use std::net::SocketAddr;

use auth_service::settings as auth;
use business_service::{DemoUser, settings as business};
use server_runtime::settings::{PORT, Row, with_long_flags};
use server_runtime::{AllowedHosts, BadSetting, Settings};

/// Users of a pair are gone with it unless told otherwise.
const USERS_IN_MEMORY: &str = "sqlite::memory:";

/// The settings of both services. Their short flags would collide, so each flag is its variable.
pub(crate) fn table() -> Vec<Row> {
    let both = [auth::TABLE, &business_service::settings_table()].concat();
    with_long_flags(&both).into_iter().map(as_a_pair).collect()
}

/// What being a pair changes of a setting's default.
fn as_a_pair(row: Row) -> Row {
    if row.variable == auth::DATABASE_URL.variable {
        Row { default: Some(USERS_IN_MEMORY), ..row }
    } else if row.variable == auth::DEMO.variable {
        let help = "The demo user exists; by default while only this machine reaches the listeners";
        Row { default: None, help, ..row }
    } else {
        row
    }
}

/// The settings of both services, understood.
pub(crate) struct Plan {
    settings: Settings,
    /// The auth service's part.
    pub(crate) auth: auth_service::Config,
    /// The business service's part.
    pub(crate) business: business_service::Config,
    /// Whether one listener serves both services' public routes.
    pub(crate) joined: bool,
    /// Whether the auth service of this process validates for the business service: it was given no
    /// other one.
    pub(crate) in_process: bool,
}

impl Plan {
    /// Reads both parts: users in memory unless told otherwise, and the demo user where only this
    /// machine can reach it.
    pub(crate) fn from_settings(mut settings: Settings) -> Result<Self, BadSetting> {
        let joined = settings.is_set(&PORT)
            && !settings.is_set(&auth::PUBLIC_ADDR)
            && !settings.is_set(&business::ADDR);
        let in_process = !settings.is_set(&business::AUTH_URL);
        share_internal_key(&mut settings)?;
        let business = business_service::Config::read(&settings)?;
        let local = [
            settings.public_addr(&auth::PUBLIC_ADDR)?,
            settings.get(&auth::INTERNAL_ADDR)?,
            business.addr,
            business.internal_addr,
        ]
        .iter()
        .all(|addr| addr.ip().is_loopback());
        settings.set_default(&auth::DEMO, local.to_string());
        let auth = auth_service::Config::read(&settings)?;
        settings.set_default(&business::COOKIE_NAME, auth.cookie_name().to_owned());
        let business = beside(&auth, &settings)?;
        Ok(Self { settings, auth, business, joined, in_process })
    }

    /// Fills in what is known once the ports are: where each service finds the other, and where
    /// people find both.
    pub(crate) fn with_addresses(
        mut self,
        public: SocketAddr,
        internal: SocketAddr,
        business: SocketAddr,
    ) -> Result<Self, BadSetting> {
        let set = &mut self.settings;
        set.set_default(&business::AUTH_URL, format!("http://{internal}"));
        set.set_default(&auth::PUBLIC_URL, local_url(public));
        set.set_default(&business::PUBLIC_URL, local_url(business));
        set.set_default(&business::LOGIN_URL, format!("{}/login", local_url(public)));
        let back_to = set.get(&business::PUBLIC_URL)?.origin().ascii_serialization();
        set.set_default(&auth::REDIRECT_ORIGINS, back_to);
        self.auth = auth_service::Config::read(&self.settings)?;
        self.business = beside(&self.auth, &self.settings)?;
        // Each may be reached by the other's name: they are one process.
        let (auth, business) = (&mut self.auth, &mut self.business);
        let to = |hosts: Option<AllowedHosts>, other: &str| Some(hosts?.with_host(Some(other)));
        if let (Some(own), Some(other)) =
            (auth.public_url.host_str(), business.public_url.host_str())
        {
            auth.allowed_hosts = to(auth.allowed_hosts.take(), other);
            business.allowed_hosts = to(business.allowed_hosts.take(), own);
        }
        Ok(self)
    }

    /// Whether users are gone with the process.
    pub(crate) fn users_in_memory(&self) -> bool {
        self.auth.directory.database.to_string() == USERS_IN_MEMORY
    }

    /// The settings, for what is common to all processes.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The business service shows the auth service's own key, unless it was given another.
pub(crate) fn share_internal_key(settings: &mut Settings) -> Result<(), BadSetting> {
    if let Some(keys) = settings.get(&auth::INTERNAL_KEY)? {
        settings.set_default(&business::AUTH_KEY, keys.as_setting().as_str());
    }
    Ok(())
}

/// How people on this machine reach an address. `localhost`, so that one cookie serves both ports.
pub(crate) fn local_url(address: SocketAddr) -> String {
    format!("http://localhost:{}", address.port())
}

/// The business service beside this auth service.
fn beside(
    auth: &auth_service::Config,
    settings: &Settings,
) -> Result<business_service::Config, BadSetting> {
    let demo = if auth.demo { DemoUser::InThisProcess } else { DemoUser::Absent };
    business_service::Config::read_beside(settings, demo)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use server_runtime::process::Program as _;

    use super::*;

    fn plan(env: &[(&str, &str)]) -> Result<Plan, String> {
        let table = table();
        let command = Settings::command(clap::Command::new("reinflate"), &table);
        let matches = command.get_matches_from(["reinflate"]);
        let env = |name: &str| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let settings = Settings::read(&table, &matches, &env).map_err(|bad| bad.to_string())?;
        Plan::from_settings(settings).map_err(|bad| bad.to_string())
    }

    #[test]
    fn the_demo_user_exists_where_only_this_machine_reaches_it() {
        assert!(plan(&[]).unwrap().auth.demo);
        assert!(!plan(&[("PORT", "9000")]).unwrap().auth.demo);
        assert!(!plan(&[("BUSINESS_ADDR", "0.0.0.0:8090")]).unwrap().auth.demo);
        assert!(plan(&[("PORT", "9000"), ("AUTH_DEMO", "true")]).unwrap().auth.demo);
        assert!(!plan(&[("AUTH_DEMO", "false")]).unwrap().auth.demo);
    }

    #[test]
    fn the_cookie_of_one_service_is_the_others() {
        let demo = ("AUTH_DEMO", "true");
        let domain =
            [("AUTH_COOKIE_DOMAIN", "example.com"), ("AUTH_PUBLIC_URL", "https://example.com")];
        for (env, name) in [
            (&[][..], "reinflate"),
            (&[("AUTH_DEMO", "false")], "__Host-reinflate"),
            (&[("PORT", "9000")], "__Host-reinflate"),
            (&[("AUTH_COOKIE_SECURE", "true")], "__Host-reinflate"),
            (&[("AUTH_DEMO", "false"), ("AUTH_COOKIE_SECURE", "false")], "reinflate"),
            (&[domain[0], domain[1], ("AUTH_DEMO", "false")], "__Secure-reinflate"),
            (&[domain[0], domain[1], demo], "reinflate"),
            (&[("AUTH_COOKIE_NAME", "sid")], "sid"),
            (&[("AUTH_COOKIE_NAME", "sid"), ("BUSINESS_COOKIE_NAME", "other")], "other"),
        ] {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
            let read = plan(env).unwrap();
            assert_eq!(read.business.auth.cookie_name, name, "{env:?}");
            let placed = read.with_addresses(at(1), at(2), at(3)).unwrap();
            assert_eq!(placed.business.auth.cookie_name, name, "{env:?}");
            assert!(
                placed.in_force().print().contains(&format!("BUSINESS_COOKIE_NAME={name}")),
                "{env:?}"
            );
        }
    }

    #[test]
    fn a_port_joins_both_services_unless_an_address_is_set() {
        assert!(plan(&[("PORT", "9000")]).unwrap().joined);
        assert!(!plan(&[("PORT", "9000"), ("BUSINESS_ADDR", "127.0.0.1:1")]).unwrap().joined);
        assert!(!plan(&[]).unwrap().joined);
    }

    #[test]
    fn tokens_are_validated_in_the_process_unless_another_auth_service_is_named() {
        assert!(plan(&[]).unwrap().in_process);
        assert!(
            plan(&[("PORT", "9000"), ("AUTH_INTERNAL_KEY", "sixteen characters")])
                .unwrap()
                .in_process
        );
        assert!(!plan(&[("BUSINESS_AUTH_URL", "http://127.0.0.1:8081")]).unwrap().in_process);
    }

    #[test]
    fn each_service_is_told_where_the_other_one_is() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let plan = plan(&[]).unwrap().with_addresses(at(1), at(2), at(3)).unwrap();
        assert_eq!(plan.business.auth.urls[0].as_str(), "http://127.0.0.1:2/");
        assert_eq!(plan.business.login_url.as_str(), "http://localhost:1/login");
        assert_eq!(plan.business.public_url.as_str(), "http://localhost:3/");
    }
}
