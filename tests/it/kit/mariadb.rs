//! A MariaDB of a test's own, to be stopped and started again.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use sea_orm::{ConnectionTrait, Database as Orm, DatabaseConnection};

use super::eventually;

/// A running `mariadbd`, or one that was killed.
pub struct Mariadb {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Mariadb {
    /// A new one, with its data in that folder, and an empty database of that name.
    pub async fn start(folder: &Path, name: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut server = Self { port, folder: folder.to_owned(), child: None };
        let mut install = Command::new("mariadb-install-db");
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        // One at a time: several at once were seen to fail.
        let installed = {
            static INSTALLING: Mutex<()> = Mutex::new(());
            let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
            server.with_data(install).output().expect("mariadb-install-db: see tests/setup.sh")
        };
        assert!(installed.status.success(), "{installed:?}");
        server.again().await;
        let database = server.connect("mysql").await;
        database.execute_unprepared(&format!("CREATE DATABASE `{name}`")).await.expect("a database");
        database.close().await.expect("closed");
        server
    }

    fn with_data(&self, mut command: Command) -> Command {
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new(program);
        command.arg("--no-defaults").arg(format!("--user={}", String::from_utf8_lossy(&user).trim()));
        command.arg(format!("--datadir={}", self.folder.join("mariadb").display())).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Starts it again, with what it held.
    pub async fn again(&mut self) {
        let server = ["/usr/sbin/mariadbd", "mariadbd"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(server.unwrap_or("mariadbd"));
        command.arg(format!("--socket={}", self.folder.join("socket").display()));
        command.arg(format!("--port={}", self.port)).args(["--bind-address=127.0.0.1", "--max-connections=100"]);
        command.args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"]);
        let mut command = self.with_data(command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("mariadbd: see tests/setup.sh"));
        let url = format!("mysql://root@127.0.0.1:{}/mysql", self.port);
        eventually("mariadbd lets root in", async || Orm::connect(url.clone()).await.is_ok()).await;
    }

    /// kill -9, and wait until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    /// A connection to one of its databases.
    pub async fn connect(&self, name: &str) -> DatabaseConnection {
        Orm::connect(format!("mysql://root@127.0.0.1:{}/{name}", self.port)).await.expect("a connection")
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.kill();
    }
}
