//! What a login is, as a pure state machine (`accounts.md` A1, D3): the reference of [`super::refresh_model`].

use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Active,
    Rotated { at: i64 },
    Revoked,
}

#[derive(Clone, Debug)]
struct Token {
    secret: String,
    parent: Option<usize>,
    state: State,
}

/// How a rotation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    Rotated,
    Reused,
    Invalid,
}

/// One login: its tokens in the order in which they were given.
#[derive(Clone, Debug)]
pub struct Family {
    tokens: Vec<Token>,
    revoked: bool,
    idle_until: i64,
    absolute_until: i64,
}

impl Family {
    pub fn new(secret: String, idle_until: i64, absolute_until: i64) -> Self {
        let tokens = vec![Token { secret, parent: None, state: State::Active }];
        Self { tokens, revoked: false, idle_until, absolute_until }
    }

    pub fn is_live(&self, now: i64) -> bool {
        !self.revoked && now < self.expires_at()
    }

    pub fn expires_at(&self) -> i64 {
        self.idle_until.min(self.absolute_until)
    }

    /// The secrets of the active tokens.
    pub fn active(&self) -> BTreeSet<String> {
        let active = self.tokens.iter().filter(|token| token.state == State::Active);
        active.map(|token| token.secret.clone()).collect()
    }

    /// The token given last, its parent, its parent's parent, and so on.
    pub fn ancestor(&self, back: usize) -> &str {
        let mut at = self.tokens.len() - 1;
        for _ in 0..back {
            at = self.tokens[at].parent.unwrap_or(at);
        }
        &self.tokens[at].secret
    }

    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|token| token.secret.as_str())
    }

    pub fn revoke(&mut self) {
        self.revoked = true;
        for token in &mut self.tokens {
            if token.state == State::Active {
                token.state = State::Revoked;
            }
        }
    }

    pub fn rotate(&mut self, secret: &str, successor: &str, now: i64, grace: i64, idle: i64) -> Expected {
        let Some(presented) = self.tokens.iter().position(|token| token.secret == secret) else {
            return Expected::Invalid;
        };
        if !self.is_live(now) {
            return Expected::Invalid;
        }
        match self.tokens[presented].state {
            State::Active => self.tokens[presented].state = State::Rotated { at: now },
            State::Rotated { at } if now - at < grace && self.has_unused_child(presented) => {
                for token in self.tokens.iter_mut().filter(|token| token.state == State::Active) {
                    token.state = State::Revoked;
                }
            }
            _ => {
                self.revoke();
                return Expected::Reused;
            }
        }
        let (secret, parent) = (successor.to_owned(), Some(presented));
        self.tokens.push(Token { secret, parent, state: State::Active });
        self.idle_until = now + idle;
        Expected::Rotated
    }

    fn has_unused_child(&self, parent: usize) -> bool {
        self.tokens.iter().any(|token| token.parent == Some(parent) && token.state == State::Active)
    }
}
