//! A Redis of a test's own, to be killed, silenced and started again.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::eventually;

/// A running `redis-server`, or one that was killed.
pub struct Redis {
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// The one on this machine that all tests share; their databases' names keep their keys apart.
    pub const SHARED: &str = "redis://127.0.0.1:6379";

    /// A new one. It may write to the folder, and does not.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, |port| vec!["--port".to_owned(), port.to_string()]).await
    }

    /// The same with these options, for the port it is given.
    pub async fn start_with(folder: &Path, options: impl FnOnce(u16) -> Vec<String>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut redis = Self { port, folder: folder.to_owned(), options: options(port), child: None };
        redis.again().await;
        redis
    }

    /// Starts it again, empty.
    pub async fn again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(&self.options).args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server: see tests/setup.sh"));
        let port = self.port;
        eventually("redis-server listens", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    }

    /// Its address for `redis.url`, with this scheme.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// kill -9, and wait until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    /// Sends a signal by name: `STOP` makes it silent, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(id).status().expect("kill runs").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
