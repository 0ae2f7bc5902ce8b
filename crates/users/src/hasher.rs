//! Makes and checks password hashes, in the pool, at the same cost for every account.

use std::net::IpAddr;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clock::Clock;

use crate::hash::{HashError, StoredHash};
use crate::hashing_pool::{HashingPool, Share};
use crate::{HashingOptions, OpenError, Password, UsersError};

const SALT_LEN: usize = 16;

pub(crate) struct Hasher {
    recipe: Recipe,
    pool: HashingPool,
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
    /// A hash to store instead, where the password was right and its hash is not of the current kind.
    pub(crate) replacement: Option<String>,
    /// Why the stored hash is refused: what it would cost.
    pub(crate) too_costly: Option<String>,
}

impl Hasher {
    pub(crate) fn new(options: &HashingOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let recipe = Recipe::new(options)?;
        let pool = HashingPool::new(options, recipe.argon2.params().block_count(), clock);
        Ok(Self { recipe, pool })
    }

    /// The share that work for an account counts in, on behalf of a client of `network`.
    pub(crate) fn share(&self, network: Option<IpAddr>, account: &str) -> Share {
        self.pool.share(network, account)
    }

    pub(crate) async fn hash(
        &self,
        password: &Password,
        share: Share,
    ) -> Result<String, UsersError> {
        let (recipe, password) = (self.recipe.clone(), password.clone());
        self.pool.run(share, move |memory| recipe.hash(&password, memory)).await?
    }

    /// Whether such a hash may be stored.
    pub(crate) fn check(&self, stored: &str) -> Result<(), HashError> {
        StoredHash::parse(stored, self.recipe.argon2.params()).map(|_| ())
    }

    /// Compares with `stored`, or with the dummy hash where there is none.
    pub(crate) async fn verify(
        &self,
        stored: Option<String>,
        password: &Password,
        share: Share,
    ) -> Result<Verdict, UsersError> {
        let (recipe, password) = (self.recipe.clone(), password.clone());
        self.pool.run(share, move |memory| recipe.judge(stored.as_deref(), &password, memory)).await
    }
}

impl Recipe {
    fn new(options: &HashingOptions) -> Result<Self, OpenError> {
        let params = Params::new(options.memory_kib, options.passes, options.parallelism, None)
            .map_err(|_| {
                OpenError::Setting("these Argon2 parameters contradict each other".into())
            })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let bytes = || random().map_err(|error| OpenError::Unreachable(error.to_string()));
        let (salt, output) = (bytes()?, bytes()?);
        let dummy = encode_phc(argon2.params(), &salt[..SALT_LEN], &output).into();
        Ok(Self { argon2, dummy })
    }

    fn hash(&self, password: &Password, memory: &mut [Block]) -> Result<String, UsersError> {
        let salt = &random()?[..SALT_LEN];
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.argon2
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory)
            .map_err(|_| UsersError::Unavailable("the password could not be hashed".into()))?;
        Ok(encode_phc(self.argon2.params(), salt, &output))
    }

    /// INVARIANT: whatever is stored, and where there is no such user, an Argon2id of the current
    /// parameters is computed unless an older hash matched; then it is computed for the replacement.
    ///
    /// So no answer comes faster than others. Slower is one about an account that still has a hash
    /// which costs something itself (bcrypt, PBKDF2), by that cost, until the next login replaces
    /// it: that cost cannot be spent on every account, and waiting instead would show under load.
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
fn encode_phc(params: &Params, salt: &[u8], output: &[u8]) -> String {
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}")
}
