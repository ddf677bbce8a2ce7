//! From the identity that a user gave to a key that can sign.

use pr_core::{BackendError, ErrorKind, Identity};
use rustls::{crypto::CryptoProvider, sign::CertifiedKey};

use crate::trust::to_der;

/// The certificates and the key, known to be readable and to belong together.
pub(crate) fn certified_key(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, BackendError> {
    let chain = identity.chain().iter().map(to_der).collect();
    CertifiedKey::from_der(chain, identity.key().clone_key(), provider).map_err(|error| {
        // rustls names what is wrong and quotes neither certificate nor key.
        BackendError::new(
            ErrorKind::Config,
            "the client certificate or its private key cannot be used, or they do not belong \
             together",
        )
        .with_source(error)
    })
}
