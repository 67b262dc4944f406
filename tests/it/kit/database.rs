//! A database for one test, gone when the test is over.

use std::path::PathBuf;

use latchkey::config::{Config, DatabaseKind};
use sea_orm::{ConnectionTrait, Database as Orm, DatabaseConnection};

/// Where a test keeps its data.
pub struct Database {
    /// Folder of the test: the SQLite file, `secrets.yml`, whatever it writes.
    pub folder: PathBuf,
    /// Name of the MariaDB database, if it is one.
    pub name: Option<String>,
}

impl Database {
    /// A new SQLite file.
    pub fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(format!("latchkey-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        Self { folder, name: None }
    }

    /// A new database on the MariaDB at 127.0.0.1:3306 (root, empty password).
    pub async fn mysql() -> Self {
        let name = format!("latchkey_test_{}", uuid::Uuid::new_v4().simple());
        let server = server().await;
        server.execute_unprepared(&format!("CREATE DATABASE `{name}`")).await.expect("a database for the test");
        server.close().await.expect("closed");
        Self { name: Some(name), ..Self::sqlite() }
    }

    /// Points a configuration at it.
    pub fn configure(&self, config: &mut Config) {
        let database = &mut config.database;
        match &self.name {
            None => {
                database.kind = DatabaseKind::Sqlite;
                database.database = self.folder.join("latchkey.db").to_string_lossy().into_owned();
            }
            Some(name) => {
                database.kind = DatabaseKind::Mysql;
                database.database.clone_from(name);
                database.host = "127.0.0.1".to_owned();
                database.max_open_conns = 12;
            }
        }
    }

    /// The same for a process: environment variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variable = |key: &str, value: &str| (format!("LATCHKEY__DATABASE__{key}"), value.to_owned());
        match &self.name {
            None => vec![variable("DATABASE", &self.folder.join("latchkey.db").to_string_lossy())],
            Some(name) => {
                let server =
                    [variable("TYPE", "mysql"), variable("HOST", "127.0.0.1"), variable("MAX_OPEN_CONNS", "12")];
                server.into_iter().chain([variable("DATABASE", name)]).collect()
            }
        }
    }

    /// The data folder of one of several replicas: the same secrets, another instance. The first one started generates
    /// them in the folder of number 1, unless they are given.
    pub fn replica(&self, number: u32) -> PathBuf {
        let folder = self.folder.join(format!("replica-{number}"));
        let (first, own) = (self.folder.join("replica-1/data/secrets.yml"), folder.join("data/secrets.yml"));
        std::fs::create_dir_all(folder.join("data")).expect("a folder");
        if first.exists() && !own.exists() {
            std::fs::copy(first, own).expect("the secrets");
        }
        folder
    }

    /// A connection beside the service's, to look and to sabotage.
    pub async fn connect(&self) -> DatabaseConnection {
        let url = match &self.name {
            None => format!("sqlite://{}", self.folder.join("latchkey.db").display()),
            Some(name) => format!("mysql://root@127.0.0.1:3306/{name}"),
        };
        Orm::connect(url).await.expect("a second connection")
    }

    /// Ends every connection to it from the server's side, in whatever they are doing.
    pub async fn kill_connections(&self) {
        let name = self.name.as_deref().expect("a database of a server");
        let server = server().await;
        let sql = format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}'");
        let sql = sea_orm::Statement::from_string(server.get_database_backend(), sql);
        for row in server.query_all_raw(sql).await.expect("the connections") {
            let id: i64 = row.try_get_by_index(0).expect("an id");
            let _ = server.execute_unprepared(&format!("KILL {id}")).await; // it may have ended meanwhile
        }
        server.close().await.expect("closed");
    }

    /// Deletes it.
    pub async fn drop(self) {
        if let Some(name) = &self.name {
            let server = server().await;
            server.execute_unprepared(&format!("DROP DATABASE IF EXISTS `{name}`")).await.expect("dropped");
            server.close().await.expect("closed");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn server() -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new("mysql://root@127.0.0.1:3306/mysql");
    options.max_connections(1).sqlx_logging(false);
    Orm::connect(options).await.expect("MariaDB at 127.0.0.1:3306, user root, empty password: see tests/setup.sh")
}
