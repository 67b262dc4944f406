//! What the stub knows of its accounts: which refresh token is good, and which was used.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// How tokens are treated.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether an exchange ends the refresh token that was used; else it stays, and no other is answered.
    pub rotates: bool,
    /// Whether one repetition is answered like the first time, as long as the token that came of it was not used.
    pub forgives: bool,
    /// Seconds an access token lives.
    pub lifetime_s: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { rotates: true, forgives: false, lifetime_s: 3600 }
    }
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    rules: Rules,
    all: HashMap<String, Account>,
    /// Account and generation of every refresh token ever issued.
    issued: HashMap<String, (String, u64)>,
    access_tokens: u64,
}

#[derive(Debug, Default)]
struct Account {
    generation: u64,
    refresh_token: String,
    /// Repetitions of the last exchange that were forgiven.
    repeated: u32,
    is_dead: bool,
    /// Generations, in the order they came in.
    sent: Vec<u64>,
    history: Vec<String>,
}

impl Accounts {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// A new refresh token, as after signing in: an account that was dead lives again.
    pub(super) fn issue(&mut self, name: &str) -> String {
        let account = self.all.entry(name.to_owned()).or_default();
        account.is_dead = false;
        self.rotate(name)
    }

    fn rotate(&mut self, name: &str) -> String {
        let account = self.all.get_mut(name).expect("an account");
        account.generation += 1;
        account.repeated = 0;
        account.refresh_token = format!("rt_{name}_{}_{}", account.generation, uuid::Uuid::new_v4().simple());
        let entry = (name.to_owned(), account.generation);
        account.history.push(account.refresh_token.clone());
        self.issued.insert(account.refresh_token.clone(), entry);
        account.refresh_token.clone()
    }

    /// Exchanges a refresh token; the error is OpenAI's code.
    pub(super) fn exchange(&mut self, refresh_token: &str, now_s: i64) -> Result<Value, &'static str> {
        let (name, generation) = self.issued.get(refresh_token).cloned().ok_or("invalid_refresh_token")?;
        let account = self.all.get_mut(&name).expect("an account");
        account.sent.push(generation);
        if account.is_dead {
            return Err("refresh_token_invalidated");
        }
        let is_last = generation + 1 == account.generation;
        if generation != account.generation {
            if !(is_last && self.rules.forgives && account.repeated == 0) {
                account.is_dead = true; // who used it twice may be a thief: the whole family ends
                return Err("refresh_token_reused");
            }
            account.repeated += 1;
        }
        let new = match (self.rules.rotates, is_last) {
            (false, _) => None,
            (true, true) => Some(account.refresh_token.clone()),
            (true, false) => Some(self.rotate(&name)),
        };
        Ok(self.answer(&name, new, now_s))
    }

    fn answer(&mut self, name: &str, refresh_token: Option<String>, now_s: i64) -> Value {
        self.access_tokens += 1;
        let lifetime = self.rules.lifetime_s;
        let payload = json!({
            "exp": now_s + lifetime, "jti": self.access_tokens, "sub": name,
            "https://api.openai.com/profile": {"email": format!("{name}@example.com")},
            "https://api.openai.com/auth": {"chatgpt_plan_type": "plus", "chatgpt_account_id": format!("acc-{name}")},
        });
        let access_token = format!("e30.{}.c3R1Yg", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let mut answer = json!({"access_token": access_token, "expires_in": lifetime, "token_type": "Bearer"});
        if let Some(refresh_token) = refresh_token {
            answer["refresh_token"] = Value::from(refresh_token);
        }
        answer
    }

    pub(super) fn name_of(&self, refresh_token: &str) -> Option<&str> {
        self.issued.get(refresh_token).map(|(name, _)| name.as_str())
    }

    pub(super) fn current(&self, name: &str) -> Option<&str> {
        self.all.get(name).filter(|account| !account.is_dead).map(|account| account.refresh_token.as_str())
    }

    pub(super) fn calls(&self, name: &str) -> u64 {
        self.all.get(name).map_or(0, |account| account.sent.len() as u64)
    }

    pub(super) fn history(&self, name: &str) -> Vec<String> {
        self.all.get(name).map_or_else(Vec::new, |account| account.history.clone())
    }

    pub(super) fn sent(&self, name: &str) -> Vec<u64> {
        self.all.get(name).map_or_else(Vec::new, |account| account.sent.clone())
    }
}
