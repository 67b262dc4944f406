//! Many callers of one account, at one service and at two.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{accounts, introduce, near, revealed, serve};
use crate::kit::{Database, Process, Provider, Redis, TestApp, block_on, eventually};

const CALLERS: usize = 64;

/// A caller whose request is on its way.
async fn call(process: &Process, name: &str) -> TcpStream {
    let body = json!({"biz_id": name}).to_string();
    let head = format!(
        "POST /public-api/refresh HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Secret: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        TestApp::SECRET,
        body.len()
    );
    let mut stream = TcpStream::connect(process.addr).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// All callers ask before the provider has answered the first.
async fn one_call_and_equal_answers(database: &Database, processes: &[Process]) {
    let stub = Provider::start(&latchkey::base::clock::Clock::System);
    introduce(&processes[0], &stub, json!({})).await;
    let later: Vec<String> = (0..processes.len() * 4).map(|nth| format!("later-{nth}")).collect();
    let id = accounts(&processes[0], &stub, &["a".to_owned()]).await[0];
    accounts(&processes[0], &stub, &later).await;
    stub.hold();
    let mut callers = Vec::new();
    for nth in 0..CALLERS {
        callers.push(call(&processes[nth % processes.len()], "a").await);
    }
    // Who came after them is at the provider: so they have asked.
    let mut others = Vec::new();
    for (nth, name) in later.iter().enumerate() {
        others.push(call(&processes[nth % processes.len()], name).await);
    }
    eventually("the later ones have come", async || later.iter().all(|name| stub.calls_of(name) == 1)).await;
    stub.release();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(answer(caller).await["data"].clone());
    }
    assert_eq!(stub.calls_of("a"), 1, "{}", Process::log(database));
    assert!(answers.iter().all(|data| data == &answers[0]), "{answers:?}");
    assert_eq!(answers[0]["refresh_token"].as_str(), stub.current("a").as_deref());
    for process in processes {
        assert_eq!(Some(revealed(process, id).await), stub.current("a"));
    }
    for other in others {
        answer(other).await;
    }
}

on_each_database! {
    async fn sixty_four_callers_of_one_service_make_one_call(database: Database) {
        let process = [serve(&database).await];
        one_call_and_equal_answers(&database, &process).await;
        drop(process);
        database.drop().await;
    }
}

#[test]
fn sixty_four_callers_of_two_services_make_one_call() {
    block_on(async {
        let database = Database::mysql().await;
        let replica = async |number| {
            let folder = database.replica(number);
            Process::serve_logged(&database, |command| {
                near(command);
                command.current_dir(folder).env("LATCHKEY__REDIS__URL", Redis::SHARED);
            })
            .await
        };
        let processes = [replica(1).await, replica(2).await];
        one_call_and_equal_answers(&database, &processes).await;
        drop(processes);
        database.drop().await;
    });
}
