//! From the roots that a user chose to a verifier of certificates.

use std::sync::Arc;

use pr_core::{BackendError, Certificate, ErrorKind, Roots};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::CertificateDer,
};
use rustls_platform_verifier::Verifier;

/// Whom to trust, with every certificate in it known to be readable.
pub(crate) enum Trust {
    /// The system's trust store, and these.
    System { extra: Vec<CertificateDer<'static>> },
    /// These alone.
    Only { roots: Arc<RootCertStore> },
}

impl Trust {
    pub(crate) fn new(roots: &Roots) -> Result<Self, BackendError> {
        match roots {
            Roots::System => Ok(Self::System { extra: Vec::new() }),
            Roots::SystemAnd(extra) => {
                store_of(extra)?;
                let extra = extra.iter().map(to_der).collect();
                Ok(Self::System { extra })
            }
            Roots::Only(roots) => Ok(Self::Only {
                roots: Arc::new(store_of(roots)?),
            }),
        }
    }

    /// Makes the verifier, which reads the system's trust store if that is trusted.
    pub(crate) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, BackendError> {
        let provider = Arc::clone(provider);
        match self {
            Self::System { extra } => {
                Verifier::new_with_extra_roots(extra.iter().cloned(), provider)
                    .map(|verifier| Arc::new(verifier) as _)
                    .map_err(|error| {
                        BackendError::new(
                            ErrorKind::Config,
                            "this machine's trust store gives no CA certificates, so that no \
                             https peer can be verified: install the package ca-certificates, or \
                             pass the certificates to trust as Roots::Only",
                        )
                        .with_source(error)
                    })
            }
            Self::Only { roots } => {
                WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider)
                    .build()
                    .map(|verifier| verifier as _)
                    .map_err(|error| {
                        BackendError::new(ErrorKind::Config, "the given roots cannot be used")
                            .with_source(error)
                    })
            }
        }
    }
}

fn store_of(certificates: &[Certificate]) -> Result<RootCertStore, BackendError> {
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        store.add(to_der(certificate)).map_err(|error| {
            BackendError::new(
                ErrorKind::Config,
                format!(
                    "certificate {} of the roots to trust cannot be read",
                    index + 1
                ),
            )
            .with_source(error)
        })?;
    }
    Ok(store)
}

pub(crate) fn to_der(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.der().to_vec())
}
