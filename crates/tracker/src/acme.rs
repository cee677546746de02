//! Certificates from an ACME server (RFC 8555), which looks at our own port whether a name is ours (TLS-ALPN-01, RFC 8737).
//!
//! The invariant: the certificate that is there stays in use until another one is, whatever the server answers, and what is got is on
//! disk before it is used: a restart asks for nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{crypto::aws_lc_rs, pki_types::PrivateKeyDer, sign::CertifiedKey};
use tokio::time::{sleep, timeout};

use crate::tls::{self, Held, Tls, TlsError};

/// Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How often it is looked whether a certificate grows old.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// After a failure it is tried again in so long, then in twice that, up to [`LOOK_EVERY`].
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// An order that takes longer has failed.
const ORDER_WITHIN: Duration = Duration::from_secs(300);

/// What is asked for, and of whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// The names that one certificate is for.
    pub domains: Vec<String>,
    /// Whom the server writes to when something is wrong, as `mailto:somebody@example.org`.
    pub contact: Vec<String>,
    /// Folder for account and certificate.
    pub cache: PathBuf,
    /// The server's directory.
    pub directory: String,
    /// PEM of the authority by which the server itself is known; `None` for those that the system believes.
    pub ca: Option<PathBuf>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The folder cannot be used.
    #[error("{0}: {1}")]
    Cache(PathBuf, io::Error),
    /// The server says no, or nothing.
    #[error("the ACME server: {0}")]
    Server(#[from] instant_acme::Error),
    /// The server does not offer to look by TLS-ALPN-01, or found something else.
    #[error("the ACME server does not believe that {0} is here")]
    NotOurs(String),
    /// It takes too long.
    #[error("the ACME server takes too long")]
    Late,
    /// No key or request could be made.
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    /// What the server gave is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Keeps a certificate young.
#[derive(Debug)]
pub struct Acme {
    config: Config,
    held: Arc<Held>,
}

impl Acme {
    /// TLS with what is in the cache, or without a certificate until [`Acme::keep`] has got one: until then every handshake fails.
    ///
    /// # Errors
    /// If the cache cannot be used.
    pub fn open(config: Config) -> Result<(Tls, Self), AcmeError> {
        tls::choose_cryptography();
        fs::create_dir_all(&config.cache).map_err(|error| AcmeError::Cache(config.cache.clone(), error))?;
        let acme = Self { config, held: Arc::default() };
        let file = acme.certificate_file();
        if file.exists() {
            match tls::read(&file, &file) {
                Ok(pair) => acme.held.set(pair),
                Err(error) => tracing::warn!(%error, "asks for another certificate"),
            }
        }
        Ok((Tls::of(Arc::clone(&acme.held))?, acme))
    }

    /// Asks for certificates whenever it is time, for ever.
    pub async fn keep(self) {
        let mut wait = TRY_AGAIN;
        loop {
            let next = match self.renew().await {
                Ok(()) => {
                    wait = TRY_AGAIN;
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::error!(%error, again_in_secs = wait.as_secs(), "no certificate; the one that is there stays");
                    let now = wait;
                    wait = (wait * 2).min(LOOK_EVERY);
                    now
                }
            };
            sleep(next).await;
        }
    }

    /// Gets a certificate if there is none, or if two thirds of its time are over.
    ///
    /// # Errors
    /// If there is none to be had now; all stays as it was.
    pub async fn renew(&self) -> Result<(), AcmeError> {
        if self.held.leaf().is_some_and(|leaf| is_young(&leaf, SystemTime::now())) {
            return Ok(());
        }
        let pem = timeout(ORDER_WITHIN, self.order()).await.map_err(|_| AcmeError::Late)??;
        let file = self.certificate_file();
        write(&file, &pem).map_err(|error| AcmeError::Cache(file.clone(), error))?;
        self.held.set(tls::read(&file, &file)?);
        tracing::info!(domains = ?self.config.domains, "a new certificate");
        Ok(())
    }

    /// Key and chain, PEM.
    async fn order(&self) -> Result<String, AcmeError> {
        let account = self.account().await?;
        let names: Vec<_> = self.config.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        let mut shown = Shown { held: &self.held, names: Vec::new() };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let not_ours = || AcmeError::NotOurs(name.clone());
            let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or_else(not_ours)?;
            shown.show(&name, challenge_pair(&name, challenge.key_authorization().digest().as_ref())?);
            challenge.set_ready().await?;
        }
        if order.poll_ready(&RetryPolicy::default()).await? != OrderStatus::Ready {
            return Err(AcmeError::NotOurs(self.config.domains.join(", ")));
        }
        let key = order.finalize().await?;
        Ok(key + &order.poll_certificate(&RetryPolicy::default()).await?)
    }

    /// The account in the cache, or a new one. By having it its owner agrees to the server's terms.
    async fn account(&self) -> Result<Account, AcmeError> {
        let file = self.file("account", "json");
        let builder = || match &self.config.ca {
            Some(ca) => Account::builder_with_root(ca),
            None => Account::builder(),
        };
        let known =
            fs::read(&file).ok().and_then(|json| serde_json::from_slice::<AccountCredentials>(&json).ok());
        if let Some(credentials) = known {
            return Ok(builder()?.from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self.config.contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder()?.create(&new, self.config.directory.clone(), None).await?;
        let json = serde_json::to_string(&credentials).map_err(io::Error::from);
        json.and_then(|json| write(&file, &json)).map_err(|error| AcmeError::Cache(file, error))?;
        Ok(account)
    }

    fn certificate_file(&self) -> PathBuf {
        self.file(&self.config.domains.join("+"), "pem")
    }

    /// What one server gave is no other's.
    fn file(&self, name: &str, kind: &str) -> PathBuf {
        let tag = blake3::hash(format!("{} {name}", self.config.directory).as_bytes()).to_hex();
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || "-.+".contains(*c)).take(100).collect();
        self.config.cache.join(format!("{name}-{}.{kind}", &tag[..8]))
    }
}

/// Challenges that an order shows, for as long as it goes on.
struct Shown<'a> {
    held: &'a Held,
    names: Vec<String>,
}

impl Shown<'_> {
    fn show(&mut self, name: &str, pair: CertifiedKey) {
        self.names.push(name.to_owned());
        self.held.challenge(name, Some(pair));
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| self.held.challenge(name, None));
    }
}

/// A certificate for `name` that says what the server wants to hear (RFC 8737, section 3).
fn challenge_pair(name: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let secret = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Not looked at: what it says is critical, and for nobody else.
    let signer = aws_lc_rs::sign::any_supported_type(&secret).map_err(TlsError::Pair)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

/// Whether less than two thirds of its time are over. What cannot be read is old.
fn is_young(certificate: &[u8], now: SystemTime) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return false };
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now).is_ok_and(|now| now.saturating_sub(from) < until.saturating_sub(from) / 3 * 2)
}

/// Writes a secret so that it is there whole or not at all, for this user alone.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&new)?;
    io::Write::write_all(&mut open, text.as_bytes())?;
    open.sync_all()?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_young_for_two_thirds_of_its_time() {
        let mut params = CertificateParams::new(["tracker.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2030, 1, 1), rcgen::date_time_ymd(2030, 3, 2));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let begin = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        let day = Duration::from_secs(86_400);
        assert!(is_young(certificate.der(), begin + day * 39));
        assert!(!is_young(certificate.der(), begin + day * 41));
        assert!(!is_young(b"nothing", begin));
    }
}
