//! Starting and stopping, and what a start refuses.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use latchkey::{
    base::clock::Clock,
    config::{Config, Secret},
    server,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::kit::{Database, TestApp, certificate};

fn config(database: &Database) -> Config {
    let mut config = Config::default();
    config.server.host = "127.0.0.1".to_owned();
    config.server.port = 0;
    database.configure(&mut config);
    config
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    let app = TestApp::start(Database::sqlite()).await;
    let refused = server::start(config(&app.database), Clock::System).await.err().unwrap();
    assert!(refused.contains("only one server"), "{refused}");
    app.stop().await;
}

#[tokio::test]
async fn the_first_start_generates_what_is_missing_and_keeps_it() {
    let database = Database::sqlite();
    let running = server::start(config(&database), Clock::System).await.unwrap();
    let (auth, security) = (running.state.config.auth.clone(), running.state.config.security.clone());
    running.stop().await;
    let kept = std::fs::read_to_string(database.folder.join("secrets.yml")).unwrap();
    for secret in [&auth.password, &auth.api_secret, &auth.jwt_secret, &security.master_key] {
        assert!(!secret.is_empty() && kept.contains(secret.expose()));
    }
    database.drop().await;
}

#[tokio::test]
async fn a_database_keeps_to_the_secrets_it_began_with() {
    let database = Database::sqlite();
    let running = server::start(config(&database), Clock::System).await.unwrap();
    let known = running.state.config.clone();
    running.stop().await;
    let with = |change: fn(&mut Config)| {
        let mut config = known.clone();
        change(&mut config);
        server::start(config, Clock::System)
    };
    let gone = with(|config| config.security.master_key = Secret::default()).await.err().unwrap();
    assert!(gone.contains("security.master_key is missing"), "{gone}");
    let gone = with(|config| config.auth.api_secret = Secret::default()).await.err().unwrap();
    assert!(gone.contains("auth.api_secret is missing"), "{gone}");
    let other = with(|config| config.security.master_key = Secret::new("ab".repeat(32))).await.err().unwrap();
    assert!(other.contains("security.master_key is not the one"), "{other}");
    let other = with(|config| config.auth.jwt_secret = Secret::new("other")).await.err().unwrap();
    assert!(other.contains("auth.jwt_secret is not the one"), "{other}");
    // It was only for the first admin, whom the database has.
    with(|config| config.auth.password = Secret::default()).await.unwrap().stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_start_after_a_crash_between_secrets_and_database_goes_on_with_the_same_secrets() {
    let database = Database::sqlite();
    let running = server::start(config(&database), Clock::System).await.unwrap();
    let known = running.state.config.clone();
    running.stop().await;
    // What a crash right after writing secrets.yml leaves: the secrets, and a database that was never initialised.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", known.database.database));
    }
    let running = server::start(known.clone(), Clock::System).await.unwrap();
    assert_eq!(running.state.config.security.master_key, known.security.master_key);
    running.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_service_speaks_tls_with_its_own_certificate() {
    let database = Database::sqlite();
    let mut config = config(&database);
    let (certificate, key) = certificate(&database.folder);
    (config.server.tls_cert_file, config.server.tls_key_file) = (certificate.clone(), key);
    let only_one = Config {
        server: latchkey::config::Server { tls_cert_file: String::new(), ..config.server.clone() },
        ..config.clone()
    };
    let refused = server::start(only_one, Clock::System).await.err().unwrap();
    assert!(refused.contains("belong together"), "{refused}");
    let running = server::start(config, Clock::System).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let addr = running.addr;
    let answer = tokio::task::spawn_blocking(move || over_tls(addr, &certificate, request)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    running.stop().await;
    database.drop().await;
}

/// Sends a request over TLS, trusting that certificate alone, and reads to the end.
fn over_tls(addr: SocketAddr, certificate: &str, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let client = ClientConnection::new(config, ServerName::from(addr.ip())).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(addr).unwrap());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer); // the server may close without taking leave
    answer
}
