//! Stored password hashes: recognised by how they begin, and compared with a password.
//!
//! What a hash would cost is read before anything is computed: one that would take minutes or
//! gigabytes is no hash for us, neither at an import nor at a login.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const MAX_LEN: usize = 512;
/// The most that a hash may cost, as memory times passes and as memory: what is dearer holds up all
/// logins. Measured on one core of 2026: Argon2 at its most 0.4 s, bcrypt of cost 14 1.0 s, PBKDF2
/// 0.4 s with instructions for SHA-256, and a multiple of that without.
const MAX_ARGON2_KIB_PASSES: u64 = 256 * 1024;
const MAX_ARGON2_PARALLELISM: u32 = 16;
const MAX_BCRYPT_COST: u32 = 14;
/// For each 32 bytes of output, which are computed one after the other.
const MAX_PBKDF2_ROUNDS: u64 = 4_000_000;
const MAX_SALT_LEN: usize = 128;

/// A hash that was understood, and is cheap enough to be computed.
pub(crate) enum StoredHash {
    Argon2(Argon2Hash),
    Bcrypt(String),
    Pbkdf2 { rounds: u32, salt: Vec<u8>, output: Vec<u8> },
    Sha256 { salt: String, digest: [u8; 32] },
}

pub(crate) struct Argon2Hash {
    argon2: Argon2<'static>,
    algorithm: Algorithm,
    version: Version,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// Why a stored hash is refused. The reason does not repeat it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    #[error("{0}")]
    Malformed(&'static str),
    /// It says what it would cost, and what is allowed.
    #[error("{0}")]
    TooCostly(String),
}

impl From<&'static str> for HashError {
    fn from(reason: &'static str) -> Self {
        Self::Malformed(reason)
    }
}

impl StoredHash {
    /// Understands a stored hash, unless it would cost more than is allowed and more than one made
    /// with `own` parameters.
    pub(crate) fn parse(stored: &str, own: &Params) -> Result<Self, HashError> {
        if stored.len() > MAX_LEN {
            return Err("the password hash is too long".into());
        }
        if stored.starts_with("$argon2") {
            return parse_argon2(stored, own).map(Self::Argon2);
        }
        if let Some(rest) = stored.strip_prefix("$pbkdf2-sha256$") {
            return parse_pbkdf2(rest);
        }
        if let Some(rest) = stored.strip_prefix("sha256$") {
            return parse_salted_sha256(rest);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix)) {
            return parse_bcrypt(stored);
        }
        match hex_digest(stored) {
            Some(digest) => Ok(Self::Sha256 { salt: String::new(), digest }),
            None => Err("the password hash is of an unsupported kind".into()),
        }
    }

    /// Whether it is the hash of `password`. Takes the time that its parameters say, match or not.
    pub(crate) fn matches(&self, password: &[u8], memory: &mut [Block]) -> bool {
        match self {
            Self::Argon2(hash) => hash.matches(password, memory),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Pbkdf2 { rounds, salt, output } => {
                let mut computed = vec![0; output.len()];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut computed);
                computed.ct_eq(output).into()
            }
            Self::Sha256 { salt, digest } => {
                let computed: [u8; 32] =
                    Sha256::new().chain_update(salt).chain_update(password).finalize().into();
                computed.ct_eq(digest).into()
            }
        }
    }

    /// Whether it is Argon2id just as `params` would make it now.
    pub(crate) fn is_current(&self, params: &Params) -> bool {
        let Self::Argon2(hash) = self else {
            return false;
        };
        let theirs = hash.argon2.params();
        (hash.algorithm, hash.version) == (Algorithm::Argon2id, Version::V0x13)
            && hash.output.len() == Params::DEFAULT_OUTPUT_LEN
            && (theirs.m_cost(), theirs.t_cost(), theirs.p_cost())
                == (params.m_cost(), params.t_cost(), params.p_cost())
    }
}

impl Argon2Hash {
    fn matches(&self, password: &[u8], memory: &mut [Block]) -> bool {
        let mut computed = vec![0; self.output.len()];
        let needed = self.argon2.params().block_count();
        let done = if needed <= memory.len() {
            self.argon2.hash_password_into_with_memory(password, &self.salt, &mut computed, memory)
        } else {
            // Another system made it, with more memory than a buffer has: its own is freed afterwards.
            self.argon2.hash_password_into(password, &self.salt, &mut computed)
        };
        done.is_ok() && bool::from(computed.ct_eq(&self.output))
    }
}

fn parse_argon2(stored: &str, own: &Params) -> Result<Argon2Hash, HashError> {
    const BROKEN: &str = "the argon2 hash is malformed";
    let hash = PasswordHash::new(stored).map_err(|_| BROKEN)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| BROKEN)?;
    // The version was not written before 1.3 of Argon2.
    let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| BROKEN)?;
    let params = Params::try_from(&hash).map_err(|_| BROKEN)?;
    bound_argon2(&params, own)?;
    let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
        return Err(BROKEN.into());
    };
    Ok(Argon2Hash {
        argon2: Argon2::new(algorithm, version, params),
        algorithm,
        version,
        salt: salt.to_vec(),
        output: output.as_bytes().to_vec(),
    })
}

/// Memory times passes are bounded, and with them memory. What `own` settings allow is allowed.
fn bound_argon2(params: &Params, own: &Params) -> Result<(), HashError> {
    let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let (memory, passes) = (params.m_cost(), params.t_cost());
    if cost(params) > MAX_ARGON2_KIB_PASSES.max(cost(own)) {
        return Err(HashError::TooCostly(format!(
            "the argon2 hash takes {memory} KiB of memory times {passes} passes, beyond 256 MiB times \
             one pass"
        )));
    }
    if params.p_cost() > MAX_ARGON2_PARALLELISM.max(own.p_cost()) {
        let parallelism = params.p_cost();
        return Err(HashError::TooCostly(format!(
            "the argon2 hash has {parallelism} lanes, and {MAX_ARGON2_PARALLELISM} are allowed"
        )));
    }
    Ok(())
}

fn parse_bcrypt(stored: &str) -> Result<StoredHash, HashError> {
    let parts: bcrypt::HashParts = stored.parse().map_err(|_| "the bcrypt hash is malformed")?;
    match parts.get_cost() {
        4..=MAX_BCRYPT_COST => Ok(StoredHash::Bcrypt(stored.to_owned())),
        0..4 => Err("the bcrypt hash has a cost below 4".into()),
        cost => Err(HashError::TooCostly(format!(
            "the bcrypt hash has the cost {cost}, and {MAX_BCRYPT_COST} is allowed"
        ))),
    }
}

/// Two spellings: `i=ROUNDS,l=LENGTH$SALT$HASH`, and `ROUNDS$SALT$HASH` with '.' for '+'.
fn parse_pbkdf2(rest: &str) -> Result<StoredHash, HashError> {
    const BROKEN: &str = "the pbkdf2 hash is malformed";
    let mut fields = rest.split('$');
    let (Some(parameters), Some(salt), Some(output), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(BROKEN.into());
    };
    let (rounds, length) = pbkdf2_parameters(parameters).ok_or(BROKEN)?;
    let salt = base64(salt).ok_or(BROKEN)?;
    let output = base64(output).ok_or(BROKEN)?;
    if length.is_some_and(|length| length != output.len())
        || !(16..=64).contains(&output.len())
        || salt.len() > MAX_SALT_LEN
        || rounds == 0
    {
        return Err(BROKEN.into());
    }
    let blocks = if output.len() > 32 { 2 } else { 1 };
    if u64::from(rounds) * blocks > MAX_PBKDF2_ROUNDS {
        return Err(HashError::TooCostly(format!(
            "the pbkdf2 hash takes {rounds} rounds for {} bytes, and {} are allowed",
            output.len(),
            MAX_PBKDF2_ROUNDS / blocks
        )));
    }
    Ok(StoredHash::Pbkdf2 { rounds, salt, output })
}

fn pbkdf2_parameters(parameters: &str) -> Option<(u32, Option<usize>)> {
    let Some(parameters) = parameters.strip_prefix("i=") else {
        return Some((parameters.parse().ok()?, None));
    };
    match parameters.split_once(",l=") {
        Some((rounds, length)) => Some((rounds.parse().ok()?, Some(length.parse().ok()?))),
        None => Some((parameters.parse().ok()?, None)),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('.', "+")).ok()
}

fn parse_salted_sha256(rest: &str) -> Result<StoredHash, HashError> {
    const BROKEN: &str = "the sha256 hash is not sha256$SALT$HEX";
    let (salt, digest) = rest.split_once('$').ok_or(BROKEN)?;
    let digest = hex_digest(digest).ok_or(BROKEN)?;
    if salt.is_empty() || salt.len() > MAX_SALT_LEN {
        return Err(BROKEN.into());
    }
    Ok(StoredHash::Sha256 { salt: salt.to_owned(), digest })
}

fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(stored: &str) -> Result<StoredHash, HashError> {
        StoredHash::parse(stored, &Params::new(19_456, 2, 1, None).unwrap())
    }

    fn refused(stored: &str) -> bool {
        parse(stored).is_err()
    }

    fn argon2(parameters: &str) -> String {
        format!("$argon2id$v=19${parameters}$c29tZSBzYWx0IG9mIDE2IQ$7/hyE9kCYph59/+6xJbhrQ")
    }

    /// A hash that is well-formed, with an output of so many bytes.
    fn pbkdf2(rounds: &str, bytes: usize) -> String {
        let output = STANDARD_NO_PAD.encode(vec![7; bytes]);
        format!("$pbkdf2-sha256${rounds}$AAECAwQF${output}")
    }

    #[test]
    fn what_would_cost_too_much_is_refused_unseen_with_the_figure() {
        let bcrypt = |cost: &str| {
            format!("$2b${cost}$abcdefghijklmnopqrstuujtXMPW75tQJiPKG9HArcGVRyO.qlbsK")
        };
        for cheap in [
            argon2("m=262144,t=1,p=1"),
            argon2("m=131072,t=2,p=16"),
            argon2("m=65536,t=4,p=4"),
            argon2("m=4096,t=64,p=1"),
            argon2("m=64,t=1"),
            bcrypt("04"),
            bcrypt("14"),
            pbkdf2("4000000", 32),
            pbkdf2("i=2000000,l=64", 64),
        ] {
            assert!(!refused(&cheap), "{cheap}");
        }
        for (costly, figure) in [
            (argon2("m=262145,t=1,p=1"), "262145 KiB of memory times 1 passes, beyond 256 MiB"),
            (argon2("m=131073,t=2,p=1"), "131073 KiB of memory times 2 passes"),
            (argon2("m=1048576,t=50,p=1"), "1048576 KiB of memory times 50 passes"),
            (argon2("m=64,t=4097,p=1"), "64 KiB of memory times 4097 passes"),
            (argon2("m=4294967295,t=4294967295,p=1"), "4294967295 KiB of memory times 4294967295"),
            (argon2("m=1024,t=1,p=17"), "17 lanes, and 16"),
            (bcrypt("15"), "cost 15, and 14"),
            (bcrypt("31"), "cost 31"),
            (pbkdf2("4000001", 32), "4000001 rounds for 32 bytes, and 4000000"),
            (pbkdf2("i=2000001", 33), "2000001 rounds for 33 bytes, and 2000000"),
            (pbkdf2("4294967295", 64), "4294967295 rounds"),
        ] {
            let Err(HashError::TooCostly(reason)) = parse(&costly) else { panic!("{costly}") };
            assert!(reason.contains(figure), "{reason}");
            assert!(!reason.contains('$'), "{reason}");
        }
        for broken in [
            argon2("m=64,t=0,p=1"),
            argon2("m=7,t=1,p=1"),
            bcrypt("03"),
            pbkdf2("i=99999999999", 32),
            pbkdf2("0", 32),
            pbkdf2("-1", 32),
            pbkdf2("", 32),
            pbkdf2("i=1000,l=32", 16),
            pbkdf2("i=1000,l=1000000", 32),
            pbkdf2("1000", 65),
        ] {
            assert!(matches!(parse(&broken), Err(HashError::Malformed(_))), "{broken}");
        }
    }

    #[test]
    fn what_our_own_settings_make_is_never_too_costly() {
        let own = Params::new(524_288, 3, 1, None).unwrap();
        assert!(StoredHash::parse(&argon2("m=524288,t=3,p=1"), &own).is_ok());
        assert!(StoredHash::parse(&argon2("m=1048576,t=1,p=1"), &own).is_ok());
        assert!(StoredHash::parse(&argon2("m=524289,t=3,p=1"), &own).is_err());
    }

    #[test]
    fn what_is_no_hash_is_refused_without_a_panic() {
        let long = format!("sha256${}$", "a".repeat(1000));
        for stored in [
            "",
            "x",
            "plain text",
            "$",
            "$$$$$",
            "$argon2",
            "$argon2id$",
            "$argon2x$v=19$m=8,t=1,p=1$a$b",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ",
            "$2b$",
            "$2x$04$abc",
            "$2b$é4$",
            "$pbkdf2-sha256$",
            "$pbkdf2-sha256$1$$",
            "$pbkdf2-sha256$1$!$!",
            "sha256$$",
            "sha256$a",
            "sha256$a$zz",
            &long,
            &"g".repeat(64),
            &"é".repeat(32),
            &"0".repeat(63),
        ] {
            assert!(refused(stored), "{stored}");
        }
        let no_salt = format!("sha256$${}", "0".repeat(64));
        assert!(refused(&no_salt));
    }

    #[test]
    fn bcrypt_hears_72_bytes_as_it_always_did() {
        let hash = "$2b$04$/V/inCXEJeZttRySUL3ccupGEIqzkPbSN0AGw3L3DPh8F0UE53cEy";
        let hash = parse(hash).unwrap();
        assert!(hash.matches(&[b'x'; 72], &mut []));
        assert!(hash.matches(&[b'x'; 100], &mut []));
        assert!(!hash.matches(&[b'x'; 71], &mut []));
        assert!(!hash.matches(&[&[b'x'; 71][..], b"\0"].concat(), &mut []));
    }
}
