//! TLS against a local authority.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::peer::Peer;
use super::*;
use crate::capabilities::egress::EgressSetupError;

/// A peer for `a.test` with a certificate of an authority of its own, and the
/// authority's PEM file.
async fn secure_peer(alpn: &[&[u8]]) -> (Peer, tempfile::NamedTempFile) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["a.test".to_owned(), "127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (
        Peer::start_at("127.0.0.1:0", Some(Arc::new(tls))).await,
        file,
    )
}

fn trusting(ca_file: Option<PathBuf>) -> EgressClient {
    let config = EgressConfig {
        ca_file,
        timeouts: PATIENT,
        ..EgressConfig::default()
    };
    let egress = Egress::new(&config, Handle::current()).unwrap();
    let egress = egress.with_resolver(Names::answering([&["127.0.0.1"]]));
    client(&egress, &["*", "127.0.0.0/8"])
}

#[tokio::test]
async fn the_peer_chooses_the_version() {
    for (alpn, http2) in [
        (&[&b"h2"[..], b"http/1.1"][..], true),
        (&[b"http/1.1"], false),
        (&[], false),
    ] {
        let (peer, authority) = secure_peer(alpn).await;
        let client = trusting(Some(authority.path().to_owned()));
        for host in ["https://a.test", "https://127.0.0.1"] {
            let head = text(get(&client, &peer.url(host, "/head")).await.unwrap()).await;
            assert!(
                head.lines().next().unwrap().ends_with(&http2.to_string()),
                "{head}"
            );
            assert!(head.contains("dunlin-hops: 1"), "{head}");
            let echo = post(&client, &peer.url(host, "/echo"), "round")
                .await
                .unwrap();
            assert_eq!(text(echo).await, "round");
        }
        assert_eq!(peer.connections(), 2, "one for each host, used twice");
    }
}

#[tokio::test]
async fn only_trusted_certificates_for_the_right_name_pass() {
    let (peer, authority) = secure_peer(&[]).await;
    let stranger = trusting(None);
    let friend = trusting(Some(authority.path().to_owned()));
    for (client, host) in [(&stranger, "https://a.test"), (&friend, "https://b.test")] {
        let error = get(client, &peer.url(host, "/")).await.unwrap_err();
        assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
        assert!(error.to_string().contains("`egress.ca_file`"), "{error}");
    }
    assert!(get(&friend, &peer.url("https://a.test", "/")).await.is_ok());
}

#[tokio::test]
async fn a_file_without_authorities_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = |path: PathBuf| EgressConfig {
        ca_file: Some(path),
        ..EgressConfig::default()
    };
    let error = Egress::new(&config(file.path().to_owned()), Handle::current()).unwrap_err();
    assert!(
        matches!(error, EgressSetupError::NoCertificate { .. }),
        "{error:?}"
    );
    let error = Egress::new(&config("/nowhere/ca.pem".into()), Handle::current()).unwrap_err();
    assert!(error.to_string().contains("`/nowhere/ca.pem`"), "{error}");
    std::fs::write(
        file.path(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = Egress::new(&config(file.path().to_owned()), Handle::current()).unwrap_err();
    assert!(matches!(error, EgressSetupError::Tls(_)), "{error:?}");
}
