//! TLS, from files that are looked at again, or from an ACME server: certificates are renewed while a server runs.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What an ACME server speaks when it looks whether a name is ours (RFC 8737).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds something else.
    #[error("{file}: {why}")]
    File {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A key that is not the certificate's, or of a kind that is not known.
    #[error("certificate and key do not do: {0}")]
    Pair(rustls::Error),
}

/// A certificate with its key. Clones share what [`Tls::reload`] reads.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    held: Arc<Held>,
    /// Certificate and key, unless they come from elsewhere.
    files: Option<Arc<(PathBuf, PathBuf)>>,
}

/// What connections get.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// None until an ACME server has given one.
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// By name what an ACME server is to see, while it looks.
    challenges: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Tls {
    /// Reads a chain of certificates, the server's first, and its key, both PEM.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let held = Held::default();
        held.set(read(certificate, key)?);
        let files = Some(Arc::new((certificate.to_owned(), key.to_owned())));
        Self::new(Arc::new(held), files, &[b"http/1.1"])
    }

    /// With certificates that somebody else puts into `held`, and the challenges for them.
    pub(crate) fn of(held: Arc<Held>) -> Result<Self, TlsError> {
        Self::new(held, None, &[b"http/1.1", ACME_TLS])
    }

    /// WebSockets upgrade from HTTP/1.1.
    fn new(
        held: Arc<Held>,
        files: Option<Arc<(PathBuf, PathBuf)>>,
        protocols: &[&[u8]],
    ) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&held) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), held, files })
    }

    /// Reads the files again; new connections get what is there now. Where that does not do, all stays as it was. Without files there is
    /// nothing to do.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.files {
            self.held.set(read(&files.0, &files.1)?);
        }
        Ok(())
    }

    /// Ends TLS. `None` if it was an ACME server, which has seen what it wanted.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<Option<TlsStream<S>>> {
        let stream = self.acceptor.accept(socket).await?;
        let is_challenge = stream.get_ref().1.alpn_protocol() == Some(ACME_TLS);
        Ok((!is_challenge).then_some(stream))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Held {
    /// From now on new connections get this.
    pub(crate) fn set(&self, pair: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
    }

    /// What an ACME server that looks at `name` is to see; `None`: nothing any more.
    pub(crate) fn challenge(&self, name: &str, pair: Option<CertifiedKey>) {
        let mut challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        match pair {
            Some(pair) => drop(challenges.insert(name.to_owned(), Arc::new(pair))),
            None => drop(challenges.remove(name)),
        }
    }

    /// The certificate that connections get, without its chain.
    pub(crate) fn leaf(&self) -> Option<CertificateDer<'static>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref()?.cert.first().cloned()
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut offered| offered.all(|protocol| protocol == ACME_TLS)) {
            let challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
            return challenges.get(hello.server_name()?).cloned();
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a pair; both may be in one file.
pub(crate) fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let bad =
        |file: &Path, why: &dyn fmt::Display| TlsError::File { file: file.to_owned(), why: why.to_string() };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| bad(certificate, &why))?;
    if chain.is_empty() {
        return Err(bad(certificate, &"no certificate is in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|why| bad(key, &why))?;
    CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider()).map_err(TlsError::Pair)
}

/// For libraries that ask the process which cryptography to take, and end it where several are linked in and none was chosen.
pub(crate) fn choose_cryptography() {
    // One that was chosen before is as good.
    aws_lc_rs::default_provider().install_default().ok();
}
