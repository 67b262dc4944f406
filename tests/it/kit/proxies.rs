//! Proxies on loopback for the service's calls: HTTP (CONNECT and absolute form) and SOCKS 5, with or without a password.
//! Every name is resolved by the proxy, and to this machine, so that `http://provider.test:PORT/` reaches a stub only by
//! way of a proxy that is asked for the name.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use super::{
    provider::{Said, wire},
    stage::Stage,
};

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP: CONNECT for https, the absolute form for http.
    Http,
    /// SOCKS 5 (RFC 1928, 1929).
    Socks,
}

/// A proxy. It stops when this is dropped.
pub struct OutboundProxy {
    stage: Stage,
    shared: Arc<Shared>,
}

struct Shared {
    speaks: Speaks,
    /// User and password it asks for.
    login: Option<(String, String)>,
    connections: AtomicUsize,
    targets: Mutex<Vec<String>>,
}

impl OutboundProxy {
    /// A proxy that asks for no password.
    pub fn start(speaks: Speaks) -> Self {
        Self::start_with(speaks, None)
    }

    /// A proxy that asks for this user and password, if there are any.
    pub fn start_with(speaks: Speaks, login: Option<(&str, &str)>) -> Self {
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let shared = Arc::new(Shared { speaks, login, connections: AtomicUsize::default(), targets: Mutex::default() });
        let served = Arc::clone(&shared);
        Self { stage: Stage::start(move |stream| serve(stream, Arc::clone(&served))), shared }
    }

    /// Its URL: `scheme` is `http`, `socks5` or `socks5h`; `login` such as `user:password@`.
    pub fn url(&self, scheme: &str, login: &str) -> String {
        format!("{scheme}://{login}{}", self.stage.addr)
    }

    /// How many connections came in, whether they were let through or not.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Where they were to go: `host:port`, a name where the proxy was to resolve it.
    pub fn targets(&self) -> Vec<String> {
        self.shared.targets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, SeqCst);
    let _ = match shared.speaks {
        Speaks::Http => http(stream, &shared).await,
        Speaks::Socks => socks(stream, &shared).await,
    };
}

impl Shared {
    /// Connects to the port of `host:port` on this machine.
    async fn connect(&self, target: &str) -> Option<TcpStream> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
        let port = target.rsplit_once(':')?.1.parse().ok()?;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()
    }

    fn lets_in(&self, authorization: Option<&String>) -> bool {
        let Some((user, password)) = &self.login else { return true };
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        authorization.is_some_and(|given| *given == expected)
    }
}

async fn http(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = wire::read(&mut stream, &mut buffer).await?;
        if !shared.lets_in(request.headers.get("proxy-authorization")) {
            let refused = Said { status: 407, ..Said::default() }.header("Proxy-Authenticate", "Basic realm=\"stub\"");
            wire::write(&mut stream, &wire::bytes(&refused)).await?;
            continue;
        }
        if request.method == "CONNECT" {
            let Some(mut target) = shared.connect(&request.target).await else {
                return wire::write(&mut stream, &wire::bytes(&Said { status: 502, ..Said::default() })).await;
            };
            wire::write(&mut stream, b"HTTP/1.1 200 Connected\r\n\r\n").await?;
            return copy_bidirectional(&mut stream, &mut target).await.ok().map(|_| ());
        }
        forward(&mut stream, &request, shared).await?;
    }
}

/// One request in absolute form, and its answer as it comes.
async fn forward(stream: &mut TcpStream, request: &wire::Request, shared: &Shared) -> Option<()> {
    let url = url::Url::parse(&request.target).ok()?;
    let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    let Some(mut target) = shared.connect(&host).await else {
        return wire::write(stream, &wire::bytes(&Said { status: 502, ..Said::default() })).await;
    };
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
    let own = ["proxy-authorization", "proxy-connection", "connection"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    target.write_all(format!("{head}\r\n{}", request.body).as_bytes()).await.ok()?;
    let mut buffer = Vec::new();
    let answer = wire::read_answer(&mut target, &mut buffer).await?;
    stream.write_all(&answer).await.ok()
}

async fn socks(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let [5, methods] = take::<2>(&mut stream).await? else { return None };
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).await.ok()?;
    let method = if shared.login.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        return stream.write_all(&[5, 0xff]).await.ok();
    }
    stream.write_all(&[5, method]).await.ok()?;
    if let Some((user, password)) = &shared.login {
        let [1] = take::<1>(&mut stream).await? else { return None };
        let given = (text(&mut stream).await?, text(&mut stream).await?);
        if given != (user.clone(), password.clone()) {
            return stream.write_all(&[1, 1]).await.ok();
        }
        stream.write_all(&[1, 0]).await.ok()?;
    }
    let [5, 1, 0, kind] = take::<4>(&mut stream).await? else { return None };
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(&mut stream).await?).to_string(),
        3 => text(&mut stream).await?,
        _ => return None,
    };
    let port = u16::from_be_bytes(take::<2>(&mut stream).await?);
    let Some(mut target) = shared.connect(&format!("{host}:{port}")).await else {
        return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok(); // connection refused
    };
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.ok()?;
    copy_bidirectional(&mut stream, &mut target).await.ok().map(|_| ())
}

async fn take<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// A text after its length.
async fn text(stream: &mut TcpStream) -> Option<String> {
    let [length] = take::<1>(stream).await?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await.ok()?;
    String::from_utf8(bytes).ok()
}
