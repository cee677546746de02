//! Who this process is in QUIC, and whom a connection is for. Invariant: both ends of a connection show the certificate
//! whose fingerprint came in the peer's description (RFC 8122), and prove that they have its key; nothing else is asked of
//! it. It is the one of DTLS: a description that was not tampered with vouches for both transports or for none.

use super::sdp::Fingerprint;
use super::stack::Broken;
use quinn_proto::congestion::BbrConfig;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use str0m::config::DtlsCert;

/// What both sides mean to speak (RFC 7301).
const ALPN: &[u8] = b"braidcast/1";
/// A path without traffic is kept open so, as ICE keeps its own.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A peer that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(16);
/// Bytes a peer may have sent that cannot be taken in yet, because others before them are missing.
const RECEIVE_WINDOW: u32 = 1024 * 1024;
/// Datagrams that may go out before the first acknowledgement, bytes.
const INITIAL_WINDOW: u64 = 32 * 1200;

/// What all QUIC connections of a process have in common.
pub(super) struct Identity {
    endpoint: Arc<EndpointConfig>,
    dialling: Arc<TransportConfig>,
    dialled: Arc<TransportConfig>,
    provider: Arc<CryptoProvider>,
    key: Arc<SingleCertAndKey>,
}

impl Identity {
    /// Of a certificate and its key.
    pub fn new(cert: &DtlsCert) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(cert.private_key.clone()));
        let key = provider.key_provider.load_private_key(key)?;
        let key = CertifiedKey::new(vec![CertificateDer::from(cert.certificate.clone())], key);
        let mut endpoint = EndpointConfig::default();
        // The first byte tells QUIC from the rest.
        endpoint.grease_quic_bit(false);
        Ok(Self {
            endpoint: Arc::new(endpoint),
            dialling: Arc::new(transport(0)),
            dialled: Arc::new(transport(1)),
            provider,
            key: Arc::new(key.into()),
        })
    }

    /// What every endpoint has.
    pub fn endpoint(&self) -> Arc<EndpointConfig> {
        self.endpoint.clone()
    }

    /// For the side that dials the peer with this certificate.
    pub fn client(&self, pin: Fingerprint) -> Result<ClientConfig, Broken> {
        let tls = rustls::ClientConfig::builder_with_provider(self.provider.clone());
        let mut tls = tls
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| Broken)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.pinned(pin)))
            .with_client_cert_resolver(self.key.clone());
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        tls.enable_sni = false;
        let crypto = QuicClientConfig::try_from(tls).map_err(|_| Broken)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(self.dialling.clone());
        Ok(config)
    }

    /// For the side that is dialled by the peer with this certificate.
    pub fn server(&self, pin: Fingerprint) -> Result<ServerConfig, Broken> {
        let tls = rustls::ServerConfig::builder_with_provider(self.provider.clone());
        let mut tls = tls
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| Broken)?
            .with_client_cert_verifier(Arc::new(self.pinned(pin)))
            .with_cert_resolver(self.key.clone());
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.send_tls13_tickets = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(|_| Broken)?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(self.dialled.clone());
        config.migration(false).max_incoming(1);
        Ok(config)
    }

    fn pinned(&self, pin: Fingerprint) -> Pinned {
        Pinned { pin, provider: self.provider.clone() }
    }
}

/// The peer may open so many streams: one is there, which the dialling side opens.
fn transport(streams: u32) -> TransportConfig {
    let mut congestion = BbrConfig::default();
    congestion.initial_window(INITIAL_WINDOW);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(IdleTimeout::try_from(SILENCE).ok())
        .congestion_controller_factory(Arc::new(congestion));
    transport
}

/// Accepts one certificate.
#[derive(Debug)]
struct Pinned {
    pin: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn verify(&self, cert: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let shown = str0m::crypto::from_feature_flags().sha256_provider.sha256(cert);
        match shown == self.pin {
            true => Ok(()),
            false => Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }
}

/// There is no TLS 1.2 in QUIC.
fn too_old() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verify(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn_proto::{Connection, ConnectionHandle, DatagramEvent, Endpoint, Event};
    use std::time::Instant;

    fn identity() -> (Identity, Fingerprint) {
        let crypto = str0m::crypto::from_feature_flags();
        let cert = crypto.dtls_provider.generate_certificate().expect("a certificate");
        let print = crypto.sha256_provider.sha256(&cert.certificate);
        (Identity::new(&cert).expect("its key"), print)
    }

    struct End {
        endpoint: Endpoint,
        connection: Option<(ConnectionHandle, Connection)>,
        events: Vec<Event>,
    }

    impl End {
        fn take(&mut self, now: Instant, datagram: &[u8]) {
            let from = "192.0.2.1:5".parse().expect("an address");
            let mut unsent = Vec::new();
            match self.endpoint.handle(now, from, None, None, datagram.into(), &mut unsent) {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    self.connection = self.endpoint.accept(incoming, now, &mut unsent, None).ok();
                }
                Some(DatagramEvent::ConnectionEvent(_, event)) => {
                    self.connection.as_mut().expect("a connection").1.handle_event(event);
                }
                _ => {}
            }
        }

        fn say(&mut self, now: Instant) -> Vec<Vec<u8>> {
            let Some((handle, connection)) = &mut self.connection else { return Vec::new() };
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    connection.handle_event(event);
                }
            }
            self.events.extend(std::iter::from_fn(|| connection.poll()));
            let mut said = Vec::new();
            let mut datagram = Vec::new();
            while connection.poll_transmit(now, 1, &mut datagram).is_some() {
                said.push(std::mem::take(&mut datagram));
            }
            said
        }

        fn is_connected(&self) -> bool {
            let is_lost = self.events.iter().any(|event| matches!(event, Event::ConnectionLost { .. }));
            self.events.iter().any(|event| matches!(event, Event::Connected)) && !is_lost
        }
    }

    /// Whether the dialling and the dialled side get a connection, if they expect these.
    fn meet(
        (dialling, expects): (&Identity, Fingerprint),
        (dialled, awaits): (&Identity, Fingerprint),
    ) -> [bool; 2] {
        let now = Instant::now();
        let server = Some(Arc::new(dialled.server(awaits).expect("a configuration")));
        let client = dialling.client(expects).expect("a configuration");
        let mut there = End {
            endpoint: Endpoint::new(dialled.endpoint(), server, true, None),
            connection: None,
            events: vec![],
        };
        let mut endpoint = Endpoint::new(dialling.endpoint(), None, true, None);
        let to = "192.0.2.1:5".parse().expect("an address");
        let connection = endpoint.connect(now, client, to, "name").ok();
        let mut here = End { endpoint, connection, events: vec![] };
        for _ in 0..20 {
            here.say(now).iter().for_each(|datagram| there.take(now, datagram));
            there.say(now).iter().for_each(|datagram| here.take(now, datagram));
        }
        [here.is_connected(), there.is_connected()]
    }

    #[test]
    fn each_side_shows_what_the_other_was_told() {
        let ((a, of_a), (b, of_b)) = (identity(), identity());
        assert_eq!(meet((&a, of_b), (&b, of_a)), [true; 2]);
        assert_eq!(meet((&a, of_a), (&b, of_a)), [false; 2], "the dialled side is another");
        assert_eq!(meet((&a, of_b), (&b, of_b)), [false; 2], "the dialling side is another");
    }
}
