//! A mail server on loopback that speaks SMTP (RFC 5321) with STARTTLS (RFC 3207) and AUTH (RFC 4954), and misbehaves
//! on request.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Who may send.
pub const USER: &str = "latchkey";
/// And with which password.
pub const PASSWORD: &str = "password-of-the-mailbox-77";

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secured {
    /// Not at all.
    Never,
    /// When the client asks for it, and nothing is taken before.
    ByStartTls,
    /// From the first byte.
    AtOnce,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `MAIL FROM`
    pub from: String,
    /// Each `RCPT TO`
    pub to: Vec<String>,
    /// Head and body, as they came.
    pub text: String,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
}

impl Mail {
    /// The body, decoded.
    pub fn body(&self) -> String {
        let (head, body) = self.text.split_once("\r\n\r\n").expect("a head and a body");
        if head.contains("base64") {
            let bytes = STANDARD.decode(body.replace("\r\n", "")).expect("base64");
            return String::from_utf8(bytes).expect("UTF-8");
        }
        body.to_owned()
    }
}

/// The server.
#[derive(Clone)]
pub struct MailServer {
    /// Where it listens.
    pub port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Starts one; with TLS it needs a certificate and its key as PEM files.
    pub fn start(secured: Secured, certificate: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, mails: Arc::default(), lines: Arc::default() };
        let tls = certificate.map(|(certificate, key)| tls(certificate, key));
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, tls) = (serving.clone(), tls.clone());
                thread::spawn(move || serving.serve(stream, secured, tls));
            }
        });
        server
    }

    /// What was taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.mails).clone()
    }

    /// Every command that came in, decrypted.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    fn serve(&self, stream: TcpStream, secured: Secured, tls: Option<Arc<ServerConfig>>) -> Option<()> {
        let encrypt = |stream: TcpStream| {
            let session = ServerConnection::new(tls.clone().expect("a certificate")).expect("a session");
            StreamOwned::new(session, stream)
        };
        if secured == Secured::AtOnce {
            return self.talk(encrypt(stream), true, true, Secured::Never).map(|_| ());
        }
        let stream = self.talk(stream, false, true, secured)?;
        self.talk(encrypt(stream), true, false, Secured::Never).map(|_| ())
    }

    /// Talks until the end, or until the client has asked for TLS: then the stream is handed back.
    fn talk<S: Read + Write>(&self, stream: S, encrypted: bool, greet: bool, offer: Secured) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greet {
            say(&mut stream, "220 mail.example ESMTP")?;
        }
        let (mut from, mut to, mut signed_in) = (String::new(), Vec::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            lock(&self.lines).push(line.clone());
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if offer == Secured::ByStartTls => say(&mut stream, "250-mail.example\r\n250 STARTTLS")?,
                "EHLO" => say(&mut stream, "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN")?,
                "STARTTLS" if offer == Secured::ByStartTls => {
                    say(&mut stream, "220 go ahead")?;
                    return Some(stream.into_inner());
                }
                "QUIT" => {
                    say(&mut stream, "221 bye")?;
                    return None;
                }
                _ if offer == Secured::ByStartTls => say(&mut stream, "530 5.7.0 Must issue a STARTTLS command first")?,
                "AUTH" => {
                    signed_in = line == format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{USER}\0{PASSWORD}")));
                    say(
                        &mut stream,
                        if signed_in { "235 2.7.0 welcome" } else { "535 5.7.8 Error: authentication failed" },
                    )?;
                }
                "MAIL" if !signed_in => say(&mut stream, "530 5.7.0 Authentication required")?,
                "MAIL" => {
                    from = address(&line);
                    say(&mut stream, "250 2.1.0 Ok")?;
                }
                "RCPT" => match address(&line) {
                    nobody if nobody.starts_with("nobody@") => say(&mut stream, "550 5.1.1 User unknown")?,
                    busy if busy.starts_with("busy@") => say(&mut stream, "451 4.7.1 Greylisted, try again later")?,
                    known => {
                        to.push(known);
                        say(&mut stream, "250 2.1.5 Ok")?;
                    }
                },
                "DATA" => {
                    say(&mut stream, "354 End data with <CR><LF>.<CR><LF>")?;
                    let text = data(&mut stream)?;
                    lock(&self.mails).push(Mail { from: from.clone(), to: to.clone(), text, encrypted });
                    say(&mut stream, "250 2.0.0 Ok: queued as 4711")?;
                }
                _ => say(&mut stream, "502 5.5.2 Error: command not recognized")?,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say<S: Read + Write>(stream: &mut BufReader<S>, line: &str) -> Option<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
    stream.flush().ok()
}

fn address(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(String::new(), |(inner, _)| inner.to_owned())
}

/// Lines up to a lone dot, with the doubled dots taken off (RFC 5321 §4.5.2).
fn data<S: Read>(stream: &mut BufReader<S>) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn tls(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a pair"))
}
