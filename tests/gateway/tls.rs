//! TLS, as a client with a trusted certificate meets it.

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::app::Application;
use portcullis::config;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{TestGateway, chat, reply};

/// A self-signed certificate for 127.0.0.1 and its key.
struct Identity {
    folder: tempfile::TempDir,
}

impl Identity {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=portcullis test"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            // Not a certificate authority: the client trusts this very certificate.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(folder.path().join("key.pem"))
            .arg("-out")
            .arg(folder.path().join("certificate.pem"))
            .output()
            .unwrap_or_else(|error| panic!("`openssl` is needed to make a certificate: {error}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { folder }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn setting(&self) -> String {
        setting(&self.certificate(), &self.key())
    }

    /// A client that trusts this certificate and no other.
    fn client(&self) -> reqwest::ClientBuilder {
        let pem = std::fs::read(self.certificate()).unwrap();
        let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([certificate])
    }
}

fn setting(certificate: &Path, key: &Path) -> String {
    format!("tls: {{certificate: {}, key: {}}}", certificate.display(), key.display())
}

#[tokio::test]
async fn chat_works_over_tls() {
    let identity = Identity::new();
    let gateway = TestGateway::new()
        .setting(&identity.setting())
        .setting("admin_listen: 127.0.0.1:0")
        .says("Hello over TLS.")
        .spawn();
    let client = identity.client().http1_only().build().unwrap();
    let url = format!("https://{}/v1/chat/completions", gateway.address());
    let answer = reply(client.post(url).json(&chat("hi"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content(0), "Hello over TLS.");
    let admin = format!("https://{}/metrics", gateway.admin_address().unwrap());
    let metrics = client.get(admin).send().await.unwrap();
    assert_eq!(metrics.status(), 200, "TLS holds for all listeners");
}

#[tokio::test]
async fn a_client_that_would_speak_http2_is_served_over_http1() {
    let identity = Identity::new();
    let gateway = TestGateway::new().setting(&identity.setting()).says("Hello over TLS.").spawn();
    let client = identity.client().build().unwrap();
    let url = format!("https://{}/v1/chat/completions", gateway.address());
    let mut request = chat("hi");
    request["stream"] = json!(true);
    let response = client.post(&url).json(&request).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_11);
    assert_eq!(response.status(), 200);
    let events = response.text().await.unwrap();
    assert!(events.ends_with("data: [DONE]\n\n"), "{events}");
}

#[tokio::test]
async fn a_client_that_does_not_know_the_certificate_says_nothing() {
    let identity = Identity::new();
    let gateway = TestGateway::new().setting(&identity.setting()).spawn();
    let stranger = Identity::new().client().build().unwrap();
    let url = format!("https://{}/v1/chat/completions", gateway.address());
    let error = stranger.post(url).json(&chat("hi")).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(gateway.generations(), 0);
}

#[tokio::test]
async fn plain_http_gets_no_answer_where_tls_is_spoken() {
    let identity = Identity::new();
    let gateway = TestGateway::new().setting(&identity.setting()).spawn();
    let mut socket = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let body = chat("hi").to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"), "{answer:?}");
    assert_eq!(gateway.generations(), 0);
    assert!(gateway.decisions().is_empty());
}

/// What `portcullis serve` says when it does not start with these files.
fn refusal(certificate: &Path, key: &Path) -> String {
    let data = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .arg("--tls-certificate")
        .arg(certificate)
        .arg("--tls-key")
        .arg(key)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("listening on"));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_bad_certificate_stops_the_start_with_its_name() {
    let identity = Identity::new();
    let bad = identity.folder.path().join("bad.pem");
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n";
    for text in ["not a certificate", cut] {
        std::fs::write(&bad, text).unwrap();
        let said = refusal(&bad, &identity.key());
        assert!(said.contains("bad.pem") && said.contains("TLS"), "{said}");
    }
    std::fs::write(&bad, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    for key in [&bad, &identity.certificate()] {
        let said = refusal(&identity.certificate(), key);
        assert!(said.contains("TLS") && said.contains(".pem"), "{said}");
    }
    let missing = identity.folder.path().join("missing.pem");
    let said = refusal(&missing, &identity.key());
    assert!(said.contains("missing.pem"), "{said}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (identity, other) = (Identity::new(), Identity::new());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.yaml");
    let tls = setting(&identity.certificate(), &other.key());
    let data = folder.path().join("data");
    let yaml = format!("listen: 127.0.0.1:0\ndata_dir: {}\n{tls}\n", data.display());
    std::fs::write(&file, yaml).unwrap();
    let sources = config::Sources { file: Some(file), ..Default::default() };
    let error = config::load(&sources).unwrap_err().to_string();
    assert!(error.contains("portcullis.yaml:3: tls.certificate: cannot use"), "{error}");
    assert!(!data.join("audit").exists(), "nothing was begun");
}

#[tokio::test]
async fn a_certificate_that_went_bad_since_the_settings_were_read_stops_the_start() {
    let identity = Identity::new();
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("portcullis.yaml"), folder.path().join("data"));
    let listen = "listen: 127.0.0.1:0";
    let yaml = format!("{listen}\ndata_dir: {}\n{}\n", data.display(), identity.setting());
    std::fs::write(&file, yaml).unwrap();
    let sources = config::Sources { file: Some(file), ..Default::default() };
    let settings = config::load(&sources).unwrap().settings;
    std::fs::write(identity.certificate(), "not a certificate").unwrap();
    let error = anyhow::Error::from(Application::build(settings).await.unwrap_err());
    assert!(format!("{error:#}").contains("certificate.pem"), "{error:#}");
    assert!(!data.join("audit").exists(), "nothing was begun");
}
