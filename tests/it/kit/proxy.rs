//! A wire between the service and MariaDB that a test can cut, stall and mend.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// What happens to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Everything goes through.
    Whole,
    /// Connections stay open, nothing goes through, and nobody says so.
    Stalled,
    /// Connections are closed and new ones refused.
    Cut,
}

/// Forwards to 127.0.0.1:3306.
pub struct Proxy {
    /// Where it listens while it is not cut.
    pub addr: SocketAddr,
    wire: watch::Sender<Wire>,
    /// Follows `wire` once the listener is as that says.
    listening: watch::Receiver<Wire>,
}

impl Proxy {
    /// A wire that is whole.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (wire, seen) = watch::channel(Wire::Whole);
        let (told, listening) = watch::channel(Wire::Whole);
        tokio::spawn(listen(addr, listener, seen, told));
        Self { addr, wire, listening }
    }

    /// Makes the wire so, from now on.
    pub async fn set(&mut self, wire: Wire) {
        self.wire.send(wire).expect("the proxy runs");
        self.listening.wait_for(|now| *now == wire).await.expect("the proxy runs");
    }
}

async fn listen(addr: SocketAddr, listener: TcpListener, mut wire: watch::Receiver<Wire>, told: watch::Sender<Wire>) {
    let mut listener = Some(listener);
    loop {
        let now = *wire.borrow_and_update();
        match now {
            Wire::Cut => listener = None,
            _ if listener.is_none() => {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_reuseaddr(true).expect("an option");
                socket.bind(addr).expect("the same port");
                listener = Some(socket.listen(128).expect("it listens"));
            }
            _ => {}
        }
        told.send_replace(now);
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await.expect("a connection").0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            stream = accept => drop(tokio::spawn(carry(stream, wire.clone()))),
            changed = wire.changed() => if changed.is_err() { return },
        }
    }
}

/// Carries bytes both ways while the wire is whole, and drops both ends when it is cut.
async fn carry(service: TcpStream, wire: watch::Receiver<Wire>) {
    let mut watched = wire.clone();
    let both = async {
        whole(&mut wire.clone()).await?;
        let database = TcpStream::connect("127.0.0.1:3306").await.ok()?;
        let ((mut from, mut to), (mut back, mut forth)) = (database.into_split(), service.into_split());
        tokio::select! {
            end = copy(&mut from, &mut forth, wire.clone()) => end,
            end = copy(&mut back, &mut to, wire.clone()) => end,
        }
    };
    tokio::select! {
        _ = both => {}
        _ = watched.wait_for(|now| *now == Wire::Cut) => {}
    }
}

async fn whole(wire: &mut watch::Receiver<Wire>) -> Option<()> {
    wire.wait_for(|now| *now == Wire::Whole).await.ok().map(|_| ())
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut wire: watch::Receiver<Wire>,
) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        whole(&mut wire).await?;
        to.write_all(&buffer[..count]).await.ok()?;
    }
}
