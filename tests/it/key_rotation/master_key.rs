//! `rotate-master-key`, and starts with a wrong one.

use super::*;

fn secrets_file(database: &Database) -> PathBuf {
    data_folder(database).join("secrets.yml")
}

fn next_file(database: &Database) -> PathBuf {
    data_folder(database).join("secrets.next.yml")
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn key_of(text: &str) -> String {
    text.lines().find_map(|line| line.trim().strip_prefix("master_key: ")).unwrap().trim_matches('"').to_owned()
}

/// `rotate-master-key` with that on standard input.
fn rotate_to(database: &Database, key: &str, variables: &[(&str, &str)]) -> Output {
    let given = database.folder.join("given");
    std::fs::write(&given, key).unwrap();
    let mut command = Process::command(database, &["rotate-master-key"]);
    command.envs(variables.iter().copied()).stdin(Stdio::from(std::fs::File::open(given).unwrap()));
    command.output().unwrap()
}

/// Everything in the database, to see that nothing was written.
async fn dump(database: &Database) -> String {
    format!("{:?}", database.everything().await)
}

const OTHER: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
const THIRD: &str = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf";

on_each_database! {
    async fn a_new_master_key_takes_the_old_one_s_place_and_everything_opens(database: Database) {
        let stub = Provider::start(&Clock::System);
        let process = serve(&database).await;
        connect(&process, &stub).await;
        let id = account(&process, &stub, "a").await;
        refresh(&process, "a").await.expect(200);
        let old = read(secrets_file(&database));
        let running = Process::run(&database, &["rotate-master-key"]);
        assert_eq!(running.status.code(), Some(1));
        assert!(errors(&running).contains("Stop the service first"), "{}", errors(&running));
        assert_eq!(read(secrets_file(&database)), old);
        stop(process);
        let done = Process::run(&database, &["rotate-master-key"]);
        assert!(done.status.success(), "{}", errors(&done));
        let new = read(secrets_file(&database));
        assert_ne!(key_of(&new), key_of(&old));
        assert_eq!(new.replace(&key_of(&new), &key_of(&old)), old, "all else is as it was");
        assert!(!next_file(&database).exists());
        let said = format!("{}{}", errors(&done), String::from_utf8_lossy(&done.stdout));
        assert!(!said.contains(&key_of(&new)) && !said.contains(&key_of(&old)), "{said}");
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(secrets_file(&database)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let process = serve(&database).await;
        assert_eq!(Some(revealed(&process, id, "refresh_token").await), stub.current("a"));
        refresh(&process, "a").await.expect(200);
        let audit = process.call("GET", "/public-api/audit?action=rotate&entity=master_key&count=true").root().send().await;
        assert_eq!(audit.expect(200)["total"], 1);
        stop(process);
        std::fs::write(secrets_file(&database), &old).unwrap();
        let refused = Process::run(&database, &["serve"]);
        assert!(errors(&refused).contains("security.master_key is not the one"), "{}", errors(&refused));
        database.drop().await;
    }

    async fn a_master_key_from_elsewhere_is_given_and_never_made_up(database: Database) {
        let first = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let with = |key: &'static str| [("LATCHKEY__SECURITY__MASTER_KEY", key)];
        let start = async |key: &str| {
            Process::serve_with(&database, |command| { command.env("LATCHKEY__SECURITY__MASTER_KEY", key); }).await
        };
        stop(start(first).await);
        let before = dump(&database).await;
        let undecided = rotate_to(&database, "", &with(first));
        assert_eq!(undecided.status.code(), Some(3));
        assert!(errors(&undecided).contains("env LATCHKEY__SECURITY__MASTER_KEY"), "{}", errors(&undecided));
        for bad in ["short", first, "c2hvcnQ="] {
            let refused = rotate_to(&database, bad, &with(first));
            assert_eq!(refused.status.code(), Some(1), "{bad}");
            assert!(!errors(&refused).contains(bad), "{}", errors(&refused));
        }
        assert_eq!(dump(&database).await, before);
        let done = rotate_to(&database, OTHER, &with(first));
        assert!(done.status.success(), "{}", errors(&done));
        assert!(!next_file(&database).exists() && !read(secrets_file(&database)).contains("master_key:"), "it is not ours to keep");
        stop(start(OTHER).await);
        let again = rotate_to(&database, THIRD, &with(first));
        assert!(errors(&again).contains("security.master_key is not the one"), "{}", errors(&again));
        database.drop().await;
    }

    async fn wherever_it_is_cut_off_the_files_hold_the_database_s_key(database: Database) {
        stop(serve(&database).await);
        let old = read(secrets_file(&database));
        let next = format!("security:\n  master_key: \"{OTHER}\"\n");
        // Before the commit: the old one is the database's.
        std::fs::write(next_file(&database), &next).unwrap();
        stop(serve(&database).await);
        assert_eq!(read(secrets_file(&database)), old);
        // It begins anew, and another key is put beside.
        let done = rotate_to(&database, OTHER, &[]);
        assert!(done.status.success(), "{}", errors(&done));
        // After the commit, with the file not yet written: found by a server, and by a command.
        for start in [true, false] {
            std::fs::write(secrets_file(&database), &old).unwrap();
            std::fs::write(next_file(&database), &next).unwrap();
            if start {
                stop(serve(&database).await);
            } else {
                assert!(Process::run(&database, &["apps", "list"]).status.success());
            }
            assert_eq!((key_of(&read(secrets_file(&database))).as_str(), next_file(&database).exists()), (OTHER, false));
        }
        // After that, with the draft still there.
        std::fs::write(next_file(&database), &next).unwrap();
        stop(serve(&database).await);
        assert!(!next_file(&database).exists());
        // kill -9 at any moment.
        for round in 0..8_u32 {
            let mut child = Process::command(&database, &["rotate-master-key"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(u64::from(*uuid::Uuid::new_v4().as_bytes().first().unwrap()) + u64::from(round) * 10)).await; // the moment of the kill
            let _ = child.kill();
            child.wait().unwrap();
            let listed = Process::run(&database, &["tokens", "list"]);
            assert!(listed.status.success(), "round {round}: {}", errors(&listed));
        }
        stop(serve(&database).await);
        database.drop().await;
    }

    async fn with_a_wrong_master_key_nothing_is_written_by_a_start_or_a_command(database: Database) {
        stop(serve(&database).await);
        assert!(Process::run(&database, &["migrate", "down", "--yes"]).status.success());
        let before = dump(&database).await;
        std::fs::write(database.folder.join("accounts.txt"), "rt_of_the_file\n").unwrap();
        for command in [
            &["serve"][..],
            &["migrate", "up"],
            &["migrate", "down", "--yes"],
            &["apps", "create", "--name", "x", "--developer-name", "x"],
            &["admin", "password"],
            &["tokens", "import", "accounts.txt"],
            &["tokens", "refresh", "--all"],
            &["devices", "list"],
            &["rotate-master-key"],
            &["rotate-data-key"],
        ] {
            let mut process = Process::command(&database, command);
            process.env("LATCHKEY__SECURITY__MASTER_KEY", OTHER).env("LATCHKEY__SERVER__PORT", "0");
            process.stdin(Stdio::from(std::fs::File::open("/dev/null").unwrap()));
            if command == ["rotate-master-key"] {
                let given = database.folder.join("given");
                std::fs::write(&given, THIRD).unwrap();
                process.stdin(Stdio::from(std::fs::File::open(given).unwrap()));
            }
            let output = process.output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?}: {}", errors(&output));
            assert!(errors(&output).contains("security.master_key is not the one"), "{command:?}: {}", errors(&output));
            assert_eq!(dump(&database).await, before, "{command:?}");
        }
        assert!(String::from_utf8_lossy(&Process::run(&database, &["migrate", "status"]).stdout).contains("pending"));
        database.drop().await;
    }

    async fn a_lost_master_key_costs_what_was_sealed_and_nothing_else(database: Database) {
        let stub = Provider::start(&Clock::System);
        let process = serve(&database).await;
        connect(&process, &stub).await;
        account(&process, &stub, "a").await;
        refresh(&process, "a").await.expect(200);
        let app = json!({"name": "Classworks", "developer_name": "ZeroCat"});
        let app = process.call("POST", "/public-api/apps").json(&app).root().send().await.expect(201)["id"].clone();
        let granted = process.call("POST", &format!("/apps/{app}/authorize")).json(&json!({"deviceUuid": "d"})).send().await;
        let token = granted.expect(200)["token"].as_str().unwrap().to_owned();
        process.call("PUT", "/kv/k").token(&token).json(&json!("kept")).send().await.expect(200);
        stop(process);
        // As docs/OPERATIONS.md has it.
        let guide = include_str!("../../../docs/OPERATIONS.md");
        let recipe = guide.split("**When the master key is lost**").nth(1).unwrap();
        let recipe = recipe.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
        for statement in recipe.split(";\n").filter(|statement| !statement.trim().is_empty()) {
            execute(&database, statement).await;
        }
        let without: Vec<String> = read(secrets_file(&database)).lines().filter(|line| !line.contains("  master_key:")).map(str::to_owned).collect();
        std::fs::write(secrets_file(&database), without.join("\n")).unwrap();
        std::fs::remove_dir_all(data_folder(&database).join("rotation-journal")).unwrap();
        let process = serve(&database).await;
        assert_eq!(process.call("GET", "/kv/k").token(&token).send().await.expect(200), "kept");
        let provider = process.call("PATCH", "/public-api/providers/stub").json(&json!({"client_secret": "anew"})).root().send().await;
        provider.expect(200);
        account(&process, &stub, "a").await;
        refresh(&process, "a").await.expect(200);
        assert!(!read(secrets_file(&database)).is_empty() && key_of(&read(secrets_file(&database))).len() == 64);
        drop(process);
        database.drop().await;
    }
}
