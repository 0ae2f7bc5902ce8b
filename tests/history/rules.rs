//! What the services of a run are set to beside their store, drawn by its seed where no variable says.

use std::env;
use std::fmt;

use crate::random::Random;
use crate::site::MAX_LIFETIME_S;

/// Few enough that the workload has more sessions of a user than that.
const CAP: &str = "8";

/// What the services are set to.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How often is swept. It decides nothing.
    pub(crate) sweep: String,
    /// How many sessions a user may have; 0 is no limit.
    pub(crate) cap: usize,
    /// Whether a session ends when it is used by another client than the one that opened it.
    pub(crate) bound: bool,
    /// What no session that the workload renews outlives, in seconds.
    pub(crate) lifetime_s: u64,
}

impl Default for Rules {
    fn default() -> Self {
        let lifetime_s = MAX_LIFETIME_S;
        Self { sweep: "1s".to_owned(), cap: 0, bound: false, lifetime_s }
    }
}

impl Rules {
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let mut one_of = |name: &str, choices: &[&'static str]| {
            let drawn = random.pick(choices);
            env::var(name).unwrap_or(drawn.to_owned())
        };
        let sweep = one_of("HISTORY_SWEEP", &["50ms", "1s", "0"]);
        let cap = one_of("HISTORY_CAP", &["0", CAP]).parse().expect("HISTORY_CAP is a number");
        let bound = one_of("HISTORY_BOUND", &["no", "yes"]) == "yes";
        Self { sweep, cap, bound, ..Self::default() }
    }

    /// The variables of each node.
    pub(crate) fn of_nodes(&self) -> Vec<(&'static str, String)> {
        let lifetime = format!("{}s", self.lifetime_s);
        let mut variables = vec![
            ("AUTH_TOKEN_TTL", lifetime.clone()),
            ("AUTH_TOKEN_MAX_LIFETIME", lifetime),
            ("AUTH_SWEEP_INTERVAL", self.sweep.clone()),
            ("AUTH_MAX_SESSIONS_PER_USER", self.cap.to_string()),
        ];
        variables.extend(self.bound.then(|| ("AUTH_BIND_SESSIONS", "user-agent".to_owned())));
        variables
    }
}

/// As the variables that draw the same.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sweep, cap, bound, .. } = self;
        let bound = if *bound { "yes" } else { "no" };
        write!(f, "HISTORY_SWEEP={sweep} HISTORY_CAP={cap} HISTORY_BOUND={bound}")
    }
}
