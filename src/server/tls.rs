//! TLS by the service itself, for installations without a proxy.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{base::db::StartError, config};

/// The certificate and its key, if they are configured.
///
/// # Errors
/// When only one is configured, a file cannot be read, or the two do not belong together.
pub(super) fn read(config: &config::Server) -> Result<Option<ServerConfig>, StartError> {
    let (certificate, key) = (&config.tls_cert_file, &config.tls_key_file);
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => return Err("server.tls_cert_file and server.tls_key_file belong together: set both or none".to_owned()),
    }
    let unreadable = |file: &str, error: rustls::pki_types::pem::Error| format!("cannot read {file}: {error}");
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map(Some)
        .map_err(|error| format!("cannot use {certificate} with {key}: {error}"))
}
