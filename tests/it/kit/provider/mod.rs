//! A stub OAuth provider on loopback. It rotates refresh tokens, punishes their reuse, counts and records what it gets,
//! and misbehaves on request. It runs on a thread of its own, so that it answers thousands of calls a second and does
//! not stop with the runtime of a test.

mod accounts;
mod act;
pub mod wire;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use latchkey::base::clock::Clock;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch};

use self::accounts::Accounts;
use super::stage::Stage;

pub use self::{
    accounts::Rules,
    act::{Act, Acting, Said},
};

/// Most requests that are kept; older ones are forgotten.
const KEPT: usize = 10_000;

/// A request as the stub saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// As it stands in the first line.
    pub target: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: String,
    /// The members of the body, JSON or form.
    pub fields: BTreeMap<String, String>,
}

/// A stub provider. It stops when this is dropped.
pub struct Provider {
    stage: Stage,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// While it holds true, calls wait after they acted.
    held: watch::Sender<bool>,
    calls: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Calls that were ever left without an answer on purpose.
    hung: AtomicUsize,
    connections: AtomicUsize,
}

#[derive(Default)]
struct State {
    accounts: Accounts,
    always: Act,
    next: VecDeque<Act>,
    of_account: HashMap<String, Act>,
    seen: VecDeque<Seen>,
}

impl Provider {
    /// A provider that rotates and forgives nothing. Expiries are told by `clock`, that of the service under test.
    pub fn start(clock: &Clock) -> Self {
        Self::start_with(clock, Rules::default())
    }

    /// A provider with other rules.
    pub fn start_with(clock: &Clock, rules: Rules) -> Self {
        let state = State { accounts: Accounts::new(rules), ..State::default() };
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            state: Mutex::new(state),
            held: watch::channel(false).0,
            calls: AtomicUsize::default(),
            at_once: AtomicUsize::default(),
            most_at_once: AtomicUsize::default(),
            hung: AtomicUsize::default(),
            connections: AtomicUsize::default(),
        });
        let served = Arc::clone(&shared);
        let stage = Stage::start(move |stream| {
            served.connections.fetch_add(1, SeqCst);
            serve(stream, Arc::clone(&served))
        });
        Self { stage, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.stage.addr
    }

    /// Its token URL.
    pub fn url(&self) -> String {
        format!("http://{}/oauth/token", self.addr())
    }

    /// A new refresh token of that account.
    pub fn issue(&self, account: &str) -> String {
        self.shared.lock().accounts.issue(account)
    }

    /// The refresh token of that account that is good now; none when the account is dead.
    pub fn current(&self, account: &str) -> Option<String> {
        self.shared.lock().accounts.current(account).map(str::to_owned)
    }

    /// Every refresh token that account ever had, the oldest first.
    pub fn history(&self, account: &str) -> Vec<String> {
        self.shared.lock().accounts.history(account)
    }

    /// The generations of the refresh tokens that were sent for that account, in order; the first is 1.
    pub fn sent(&self, account: &str) -> Vec<u64> {
        self.shared.lock().accounts.sent(account)
    }

    /// How many calls were left without an answer so far: as [`Act::Hang`], [`Act::WhenGone`] and [`Act::Halfway`] do.
    pub fn hung(&self) -> usize {
        self.shared.hung.load(SeqCst)
    }

    /// Forgets what was asked for by [`Self::next`] and did not come.
    pub fn forget(&self) {
        self.shared.lock().next.clear();
    }

    /// Waits until everything has happened that clients which are gone have sent.
    pub async fn quiesce(&self) {
        // When this one has been taken and left, every connection before it has been taken.
        let mut last = TcpStream::connect(self.addr()).await.expect("a connection");
        last.shutdown().await.expect("nothing is said");
        wire::until_gone(&mut last).await;
        super::eventually("nobody is connected any more", async || self.shared.connections.load(SeqCst) == 0).await;
    }

    /// Treats every call so, from now on.
    pub fn always(&self, act: Act) {
        self.shared.lock().always = act;
    }

    /// Treats the next call so; asked for several times, the next ones in order.
    pub fn next(&self, act: Act) {
        self.shared.lock().next.push_back(act);
    }

    /// Treats every call of that account so, unless one of [`Self::next`] comes first.
    pub fn always_of(&self, account: &str, act: Act) {
        self.shared.lock().of_account.insert(account.to_owned(), act);
    }

    /// Lets calls act and keeps the answers back, until [`Self::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Gives the answers out.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(SeqCst)
    }

    /// How many calls there were with refresh tokens of that account.
    pub fn calls_of(&self, account: &str) -> u64 {
        self.shared.lock().accounts.calls(account)
    }

    /// Waits until so many calls have come in.
    pub async fn wait_for_calls(&self, count: usize) {
        super::eventually("the calls have come in", async || self.calls() >= count).await;
    }

    /// How many calls there were at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(SeqCst)
    }

    /// The requests, the oldest first; the last ten thousand.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.iter().cloned().collect()
    }

    /// The last request.
    pub fn last(&self) -> Seen {
        self.shared.lock().seen.back().cloned().expect("a request")
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    converse(stream, &shared).await;
    shared.connections.fetch_sub(1, SeqCst);
}

async fn converse(mut stream: TcpStream, shared: &Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(request) = wire::read(&mut stream, &mut buffer).await {
        let call = Counted::new(shared);
        if shared.leaves(&request) {
            shared.hung.fetch_add(1, SeqCst);
            wire::until_gone(&mut stream).await;
            shared.act(request);
            return;
        }
        let (act, said) = shared.act(request);
        let mut held = shared.held.subscribe();
        held.wait_for(|held| !held).await.expect("the stub runs");
        match act {
            Act::Hang(_) => {
                shared.hung.fetch_add(1, SeqCst);
                return wire::until_gone(&mut stream).await;
            }
            Act::Halfway => {
                let bytes = wire::bytes(&said);
                if wire::write(&mut stream, &bytes[..bytes.len() / 2]).await.is_some() {
                    shared.hung.fetch_add(1, SeqCst);
                    wire::until_gone(&mut stream).await;
                }
                return;
            }
            Act::Reset(_) => return wire::reset(stream),
            Act::Late(late) => tokio::time::sleep(late).await, // the lateness that was asked for
            _ => {}
        }
        let bytes = wire::bytes(&said);
        let length = if matches!(act, Act::CutShort) { bytes.len() - 5 } else { bytes.len() };
        drop(call);
        if wire::write(&mut stream, &bytes[..length]).await.is_none() || length < bytes.len() {
            return;
        }
    }
}

/// Counts a call as long as it goes on.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        let now = shared.at_once.fetch_add(1, SeqCst) + 1;
        shared.most_at_once.fetch_max(now, SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, SeqCst);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that call is to act when its client is gone; the one after it is treated as any other.
    fn leaves(&self, request: &wire::Request) -> bool {
        let mut state = self.lock();
        let leaves = matches!(state.next.front(), Some(Act::WhenGone)) && !request.body.is_empty();
        if leaves {
            state.next.pop_front();
        }
        leaves
    }

    /// Acts as it is to: how, and what to say.
    fn act(&self, request: wire::Request) -> (Act, Said) {
        let now_s = self.clock.now().0.div_euclid(1000);
        let mut state = self.lock();
        let fields = fields(&request);
        let refresh_token = fields.get("refresh_token").cloned().unwrap_or_default();
        let act = state.next_act(&refresh_token);
        let is_spared = matches!(&act, Act::Hang(Acting::Not) | Act::Reset(Acting::Not) | Act::Say(Acting::Not, _));
        let exchanged = if is_spared { Ok(Value::Null) } else { state.accounts.exchange(&refresh_token, now_s) };
        if state.seen.len() == KEPT {
            state.seen.pop_front();
        }
        let wire::Request { target, headers, body, .. } = request;
        state.seen.push_back(Seen { target, headers, body, fields });
        // Last, so that who has waited for the count finds what the call did.
        self.calls.fetch_add(1, SeqCst);
        let said = said(&act, exchanged);
        (act, said)
    }
}

impl State {
    fn next_act(&mut self, refresh_token: &str) -> Act {
        let of_account = self.accounts.name_of(refresh_token).and_then(|name| self.of_account.get(name)).cloned();
        self.next.pop_front().or(of_account).unwrap_or_else(|| self.always.clone())
    }
}

fn said(act: &Act, exchanged: Result<Value, &'static str>) -> Said {
    let mut answer = match (act, exchanged) {
        (Act::Say(_, said), _) => return said.clone(),
        (_, Ok(answer)) => answer,
        (_, Err(code)) => {
            let error =
                json!({"message": "The refresh token is no good.", "type": "invalid_request_error", "code": code});
            return Said::json(401, &json!({"error": error}));
        }
    };
    match act {
        Act::Without(member) => drop(answer.as_object_mut().expect("an object").remove(*member)),
        Act::With(member, value) => answer[*member] = value.clone(),
        _ => {}
    }
    Said::json(200, &answer)
}

/// The members of a body, JSON or form.
fn fields(request: &wire::Request) -> BTreeMap<String, String> {
    let kind = request.headers.get("content-type").map(String::as_str).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        return url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    }
    let body: HashMap<String, Value> = serde_json::from_str(&request.body).unwrap_or_default();
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    body.into_iter().map(|(name, value)| (name, text(value))).collect()
}
