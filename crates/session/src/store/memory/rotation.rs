//! What a rotated session remembers until it is rotated again.

use clock::Moment;

use crate::{ClientDigest, SecretDigest};

/// The latest rotation of a session.
pub(crate) struct LatestRotation {
    /// The digest of the secret before it.
    pub(super) replaced: SecretDigest,
    pub(super) at: Moment,
    pub(super) client: ClientDigest,
}
