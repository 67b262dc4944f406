//! The real binary as a process, for what a process alone can show: kill -9, signals, environment, exit codes.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::{Call, Database};

const LOG: &str = "stderr.log";

/// A running `latchkey serve`.
pub struct Process {
    /// Where it listens.
    pub addr: SocketAddr,
    child: Child,
    client: reqwest::Client,
}

impl Process {
    /// `latchkey` with these arguments in the database's folder, with the tests' secrets.
    pub fn command(database: &Database, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command.args(arguments).current_dir(&database.folder).env_clear().envs(database.environment());
        command.env("LATCHKEY__AUTH__API_SECRET", super::TestApp::SECRET);
        command.env("LATCHKEY__LOG__LEVEL", "warn");
        for limit in ["READ", "WRITE", "DELETE", "BATCH", "ADDRESS"] {
            command.env(format!("LATCHKEY__KV__RATE_{limit}"), "0");
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(database: &Database, arguments: &[&str]) -> Output {
        Self::command(database, arguments).output().expect("it runs")
    }

    /// Starts the service and waits until it answers.
    pub async fn serve(database: &Database) -> Self {
        Self::serve_with(database, |_| {}).await
    }

    /// The same with a changed command.
    pub async fn serve_with(database: &Database, change: impl FnOnce(&mut Command)) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut command = Self::command(database, &["serve"]);
        command.env("LATCHKEY__SERVER__HOST", "127.0.0.1").env("LATCHKEY__SERVER__PORT", port.to_string());
        change(&mut command);
        let child = command.spawn().expect("it starts");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut process = Self { addr: SocketAddr::from(([127, 0, 0, 1], port)), child, client };
        let deadline = Instant::now() + Duration::from_secs(60);
        while process.client.get(format!("http://{}/health", process.addr)).send().await.is_err() {
            let ended = process.child.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended at once: {ended:?}");
            assert!(Instant::now() < deadline, "it does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await; // between two looks, not for a race
        }
        process
    }

    /// The same, with what it writes to its standard error kept in [`Self::log`].
    pub async fn serve_logged(database: &Database, change: impl FnOnce(&mut Command)) -> Self {
        let log = File::options().create(true).append(true).open(database.folder.join(LOG)).expect("a log file");
        Self::serve_with(database, |command| {
            change(command);
            command.stderr(log);
        })
        .await
    }

    /// What processes of this database that were started by [`Self::serve_logged`] have written.
    pub fn log(database: &Database) -> String {
        std::fs::read_to_string(database.folder.join(LOG)).expect("a log file")
    }

    /// A call to be completed and sent.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.client, self.addr, method, path)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and wait until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end and answers the exit code and what it wrote to standard error, which must have been piped.
    pub fn finish(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        let mut pipe = self.child.stderr.take().expect("standard error was piped");
        std::io::Read::read_to_string(&mut pipe, &mut text).expect("text");
        (self.child.wait().expect("it ends").code(), text)
    }

    /// Waits for its end and answers the exit code.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
