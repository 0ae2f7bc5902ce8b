//! How the auth service's memory grows with its live sessions.

use anyhow::Result;
use clock::{Clock, SystemClock};

use crate::figures::float;
use crate::filling::Users;
use crate::process::resident;
use crate::progress;
use crate::services::AuthService;
use crate::world::stride;

/// What filling a service showed.
pub(crate) struct Filled {
    /// The tokens in use.
    pub(crate) tokens: Vec<String>,
    /// Resident bytes against live sessions.
    pub(crate) growth: Vec<(usize, u64)>,
    /// How many tokens were minted a second.
    pub(crate) per_second: f64,
}

/// Fills the service in steps and reads its memory after each.
pub(crate) fn fill(auth: &AuthService, users: &Users, live: usize) -> Result<Filled> {
    let clock = SystemClock::new();
    let bar = progress::bar(live as u64, "live sessions in memory");
    let every = stride(live);
    let mut tokens = Vec::new();
    let mut growth = vec![(0, resident(auth.server.pid())?)];
    let mut filled = 0;
    for until in [live / 10, live / 4, live / 2, live * 3 / 4, live] {
        tokens.extend(users.mint(until - filled, every, &bar, &|| "6h".to_owned())?);
        filled = until;
        growth.push((filled, resident(auth.server.pid())?));
    }
    bar.finish();
    let per_second = float(live) / clock.now().as_secs_f64();
    Ok(Filled { tokens, growth, per_second })
}
