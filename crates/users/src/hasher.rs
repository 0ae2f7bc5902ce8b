//! Makes and checks password hashes, on the lane, at the same cost for everybody.

use std::net::IpAddr;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clock::Clock;

use crate::hash::{HashError, StoredHash};
use crate::lane::{Lane, Share};
use crate::{HashingOptions, OpenError, Password, UsersError};

const SALT_LEN: usize = 16;

pub(crate) struct Hasher {
    recipe: Recipe,
    lane: Lane,
}

/// What is computed, apart from where and when.
#[derive(Clone)]
struct Recipe {
    argon2: Argon2<'static>,
    /// No password's hash, and as expensive as one.
    dummy: Arc<str>,
}

/// Whether a password was the right one.
pub(crate) struct Verdict {
    pub(crate) matches: bool,
    /// A hash to store instead, where the password was right and its hash is not of today's kind.
    pub(crate) replacement: Option<String>,
    /// Why nobody can log in with the stored hash: what it would cost.
    pub(crate) too_costly: Option<String>,
}

impl Hasher {
    pub(crate) fn new(options: &HashingOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let recipe = Recipe::new(options)?;
        let lane = Lane::new(options, recipe.argon2.params().block_count(), clock);
        Ok(Self { recipe, lane })
    }

    /// The share that work for an account counts in, on behalf of somebody of `network`.
    pub(crate) fn share(&self, network: Option<IpAddr>, account: &str) -> Share {
        self.lane.share(network, account)
    }

    pub(crate) async fn hash(
        &self,
        password: &Password,
        share: Share,
    ) -> Result<String, UsersError> {
        let (recipe, password) = (self.recipe.clone(), password.clone());
        self.lane.run(share, move |memory| recipe.hash(&password, memory)).await?
    }

    /// Whether such a hash may be stored.
    pub(crate) fn check(&self, stored: &str) -> Result<(), HashError> {
        StoredHash::parse(stored, self.recipe.argon2.params()).map(|_| ())
    }

    /// Compares with `stored`, or with nobody's hash where there is none.
    pub(crate) async fn verify(
        &self,
        stored: Option<String>,
        password: &Password,
        share: Share,
    ) -> Result<Verdict, UsersError> {
        let (recipe, password) = (self.recipe.clone(), password.clone());
        self.lane.run(share, move |memory| recipe.judge(stored.as_deref(), &password, memory)).await
    }
}

impl Recipe {
    fn new(options: &HashingOptions) -> Result<Self, OpenError> {
        let params =
            Params::new(options.memory_kib, options.passes, options.lanes, None).map_err(|_| {
                OpenError::Setting("these Argon2 parameters do not fit together".into())
            })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let bytes = || random().map_err(|error| OpenError::Unreachable(error.to_string()));
        let (salt, output) = (bytes()?, bytes()?);
        let dummy = written(argon2.params(), &salt[..SALT_LEN], &output).into();
        Ok(Self { argon2, dummy })
    }

    fn hash(&self, password: &Password, memory: &mut [Block]) -> Result<String, UsersError> {
        let salt = &random()?[..SALT_LEN];
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.argon2
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory)
            .map_err(|_| UsersError::Unavailable("the password could not be hashed".into()))?;
        Ok(written(self.argon2.params(), salt, &output))
    }

    /// INVARIANT: whatever is stored, and for nobody at all, an Argon2id of today's parameters is
    /// computed unless an older hash matched; then it is computed for the replacement.
    ///
    /// So nobody answers faster than others. Slower is who still has a hash that costs something
    /// itself (bcrypt, PBKDF2), by that cost, until the next login replaces it: what it costs
    /// cannot be spent on everybody, and waiting instead would show itself under load.
    fn judge(&self, stored: Option<&str>, password: &Password, memory: &mut [Block]) -> Verdict {
        let own = self.argon2.params();
        let stored = stored.map(|stored| StoredHash::parse(stored, own));
        let too_costly = match &stored {
            Some(Err(HashError::TooCostly(reason))) => Some(reason.clone()),
            _ => None,
        };
        let verdict = |matches, replacement| Verdict { matches, replacement, too_costly };
        match stored {
            Some(Ok(hash)) if hash.is_current(own) => {
                verdict(hash.matches(password.as_bytes(), memory), None)
            }
            Some(Ok(hash)) if hash.matches(password.as_bytes(), memory) => {
                verdict(true, self.hash(password, memory).ok())
            }
            _ => {
                if let Ok(dummy) = StoredHash::parse(&self.dummy, own) {
                    std::hint::black_box(dummy.matches(password.as_bytes(), memory));
                }
                verdict(false, None)
            }
        }
    }
}

fn random() -> Result<[u8; 32], UsersError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| UsersError::Unavailable("the system gives no randomness".into()))?;
    Ok(bytes)
}

/// The hash as it is stored, in the PHC string format.
fn written(params: &Params, salt: &[u8], output: &[u8]) -> String {
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}")
}
