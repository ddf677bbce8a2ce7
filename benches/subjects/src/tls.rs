//! One rustls configuration for every subject that takes one, so that no handshake differs.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::Failure;
use crate::plan::Plan;

/// The provider that our own backends use, for reqwest to find as well.
pub(crate) fn install_provider() {
    // An error means that it is installed already.
    let _ = provider().install_default();
}

pub(crate) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// A configuration that trusts the authorities of the plan and offers these protocols by ALPN.
///
/// # Errors
///
/// Without `--ca`: the floors have no way to the system's trust store.
pub(crate) fn client_config(plan: &Plan, alpn: &[&str]) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities(plan)? {
        roots.add(certificate)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The authorities of `--ca`.
pub(crate) fn authorities(plan: &Plan) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(pem) = &plan.ca else {
        return Err(Failure::new("an https URL needs --ca here"));
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.map_err(|error| Failure::new(format!("--ca: {error}")))
}
