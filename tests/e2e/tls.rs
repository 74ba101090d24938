//! HTTPS: agreed protocols, certificates that change, peers that say nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Host, until, within};

/// Writes a new certificate for `localhost` into the folder; returns it.
fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let names = ["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).expect("can be made");
    let key: KeyPair = signing_key;
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("can be written");
    fs::write(folder.join("cert.pem"), cert.pem()).expect("can be written");
    cert.der().clone()
}

fn flags(folder: &Path) -> [String; 4] {
    let file = |name: &str| folder.join(name).display().to_string();
    [
        "--tls-cert".to_owned(),
        file("cert.pem"),
        "--tls-key".to_owned(),
        file("key.pem"),
    ]
}

async fn start(folder: &Path) -> Host {
    let flags = flags(folder);
    Host::start_with(&flags.each_ref().map(String::as_str)).await
}

/// A TLS session with the host that trusts only `certificate`.
async fn connect(
    host: &Host,
    certificate: CertificateDer<'static>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(host.listen).await?;
    let name = ServerName::try_from("localhost").expect("is a name");
    let session = TlsConnector::from(Arc::new(config)).connect(name, stream);
    within("the handshake", session).await
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("https://localhost{path}");
    Request::get(uri)
        .header("host", "localhost")
        .body(Empty::new())
        .expect("is a request")
}

#[tokio::test]
async fn https_speaks_the_protocol_that_was_agreed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let certificate = write_certificate(folder.path());
    let host = start(folder.path()).await;
    host.deploy("misc", "").await;

    let session = connect(&host, certificate.clone(), b"h2")
        .await
        .expect("a session");
    assert_eq!(session.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(session))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let answer = sender
        .send_request(request("/misc/headers"))
        .await
        .expect("an answer");
    let seen = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.contains("x-forwarded-proto: https"), "{seen}");

    let session = connect(&host, certificate, b"http/1.1")
        .await
        .expect("a session");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(session))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    for _ in 0..2 {
        let answer = sender
            .send_request(request("/misc/method"))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a body");
    }
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let certificate = write_certificate(folder.path());
    let host = start(folder.path()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(host.listen).await.expect("a connection"));
    }
    connect(&host, certificate, b"h2").await.expect("a session");
    drop(silent);
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = write_certificate(folder.path());
    let host = start(folder.path()).await;
    connect(&host, first.clone(), b"h2")
        .await
        .expect("a session");

    let second = write_certificate(folder.path());
    until("the new certificate is served", async || {
        connect(&host, second.clone(), b"h2").await.ok()
    })
    .await;
    connect(&host, first, b"h2")
        .await
        .expect_err("is served no more");

    fs::write(folder.path().join("cert.pem"), "nonsense").expect("can be written");
    until("the log tells", async || {
        host.said().contains("the old one is").then_some(())
    })
    .await;
    connect(&host, second, b"h2")
        .await
        .expect("the last good one");
}

#[tokio::test]
async fn a_self_signed_certificate_takes_one_flag() {
    let host = Host::start_with(&["--tls-self-signed"]).await;
    let certificate = write_certificate(tempfile::tempdir().expect("a folder").path());
    let refused = connect(&host, certificate, b"h2")
        .await
        .expect_err("another's");
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

/// An admin listener behind a proxy that speaks HTTPS: the system decides whom
/// to trust. (The public listener stands in for it, and knows no such path.)
#[tokio::test]
async fn the_command_line_reaches_an_admin_address_over_https() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_certificate(folder.path());
    let host = start(folder.path()).await;
    let url = format!("https://localhost:{}", host.listen.port());
    let mut ls = crate::harness::dunlin();
    ls.args(["ls", "--host", &url, "--token", "t"]);
    let refused = crate::harness::run(&mut ls).await;
    assert_eq!(refused.code(), 4, "{refused:#?}");
    assert!(refused.stderr.contains("certificate"), "{refused:#?}");
    let trusting = ls.env("SSL_CERT_FILE", folder.path().join("cert.pem"));
    let reached = crate::harness::run(trusting).await;
    assert_eq!(reached.code(), 5, "{reached:#?}");
    assert!(
        reached.stderr.contains("no function answers"),
        "{reached:#?}"
    );
}
