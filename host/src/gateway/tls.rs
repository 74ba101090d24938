//! TLS on the public listener: certificates from files, loaded again when they
//! change, or one that the host signs itself.

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// The protocols that the listener speaks, in the order of its liking.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum TlsSource {
    /// PEM files: the certificate with its chain, and the private key.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// The key of that certificate.
        key: PathBuf,
    },
    /// Made at each start, for `localhost` and loopback addresses. Nobody trusts
    /// it unasked: for local use only.
    SelfSigned,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is no PEM file.
    #[error("`{}` (`{flag}`) cannot be read as PEM", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Where it was named.
        flag: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The two do not fit each other, or the key is of no kind that is known.
    #[error("the certificate and key cannot be used: check that they belong together")]
    Config(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("no self-signed certificate could be made")]
    SelfSigned(#[from] rcgen::Error),
}

/// The listener's TLS.
pub struct Tls {
    source: TlsSource,
    acceptor: ArcSwap<TlsAcceptor>,
    /// When the files were last written, as of the last load.
    written: Mutex<Option<[SystemTime; 2]>>,
}

impl Tls {
    /// Loads the certificate.
    ///
    /// # Errors
    ///
    /// When it can't be used.
    pub fn load(source: TlsSource) -> Result<Self, TlsError> {
        let written = written(&source);
        let acceptor = ArcSwap::from_pointee(acceptor(&source)?);
        Ok(Self {
            source,
            acceptor,
            written: Mutex::new(written),
        })
    }

    /// Loads the certificate again if its files have changed. New connections
    /// get the new one; a bad one changes nothing.
    ///
    /// # Errors
    ///
    /// When the new one can't be used; said once for each change.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = written(&self.source);
        let mut seen = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_none() || *seen == now {
            return Ok(false);
        }
        *seen = now;
        self.acceptor.store(Arc::new(acceptor(&self.source)?));
        Ok(true)
    }

    pub(super) fn acceptor(&self) -> Arc<TlsAcceptor> {
        self.acceptor.load_full()
    }
}

fn acceptor(source: &TlsSource) -> Result<TlsAcceptor, TlsError> {
    let (chain, key) = match source {
        TlsSource::Files { certificate, key } => (
            read(certificate, "--tls-cert", |path| {
                CertificateDer::pem_file_iter(path)?.collect()
            })?,
            read(key, "--tls-key", |path| PrivateKeyDer::from_pem_file(path))?,
        ),
        TlsSource::SelfSigned => {
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let made = rcgen::generate_simple_self_signed(names)?;
            let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
            (vec![made.cert.der().clone()], key)
        }
    };
    // Named, because with two providers in the program rustls refuses to choose.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read<T>(
    path: &Path,
    flag: &'static str,
    read: impl FnOnce(&Path) -> Result<T, pem::Error>,
) -> Result<T, TlsError> {
    read(path).map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        flag,
        source,
    })
}

/// None while a file is absent, as in the middle of a renewal.
fn written(source: &TlsSource) -> Option<[SystemTime; 2]> {
    let TlsSource::Files { certificate, key } = source else {
        return None;
    };
    let written = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    Some([written(certificate)?, written(key)?])
}
