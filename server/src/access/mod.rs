//! Who is calling, and what they may do.
//!
//! * `config` - the part of the configuration
//! * `passwords` - their verification, which takes time on purpose
//! * `secrets` - commands that make hashes and tokens

mod config;
mod passwords;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::digest::{SHA256, digest};

pub(crate) use config::{AccessConfig, Role};
use config::{TokenConfig, UserConfig};
use passwords::{Checked, Passwords};
pub(crate) use secrets::{hash_password, new_token};

use crate::config::ConfigError;

/// SHA-256 of a token.
type TokenHash = [u8; 32];

/// Everybody who may do something.
#[derive(Debug)]
pub(crate) struct Access {
    roles: BTreeMap<String, BTreeSet<Role>>,
    tokens: BTreeMap<TokenHash, (String, BTreeSet<Role>)>,
    passwords: Passwords,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No name and no token, or none that can be read.
    Anonymous,
    /// A wrong name, password or token.
    Unknown,
    /// Known, and without this role.
    Lacks { name: String, role: Role },
    /// Too many passwords are being verified.
    Busy,
}

impl Denied {
    /// The value of the metric's label.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Unknown => "unknown",
            Self::Lacks { .. } => "role",
            Self::Busy => "busy",
        }
    }
}

/// What a request says of who is calling.
enum Credentials {
    Password { name: String, password: String },
    Token(String),
}

impl Access {
    /// What `config` says.
    ///
    /// # Errors
    /// With the first field that makes no sense.
    pub(crate) fn new(config: &AccessConfig) -> Result<Self, ConfigError> {
        let invalid = |field, reason| ConfigError::Invalid { field, reason };
        let mut hashes = BTreeMap::new();
        let mut roles = BTreeMap::new();
        for UserConfig { name, password_hash, roles: theirs } in &config.users {
            check_name(name, theirs).map_err(|reason| invalid("access.users", reason))?;
            // A colon ends the name in what a client sends.
            if name.contains(':') {
                return Err(invalid("access.users", format!("the name {name:?} has a colon")));
            }
            passwords::check_hash(password_hash.reveal())
                .map_err(|reason| invalid("access.users", format!("password_hash of {name:?} {reason}")))?;
            if hashes.insert(name.clone(), password_hash.reveal().to_owned()).is_some() {
                return Err(invalid("access.users", format!("there are two users {name:?}")));
            }
            roles.insert(name.clone(), theirs.clone());
        }
        let mut tokens = BTreeMap::new();
        for TokenConfig { name, token_hash, roles } in &config.tokens {
            check_name(name, roles).map_err(|reason| invalid("access.tokens", reason))?;
            let hash = parse_hash(token_hash.reveal()).ok_or_else(|| {
                invalid("access.tokens", format!("token_hash of {name:?} is no SHA-256 in hexadecimal"))
            })?;
            if tokens.insert(hash, (name.clone(), roles.clone())).is_some() {
                return Err(invalid("access.tokens", format!("the token of {name:?} is there twice")));
            }
        }
        Ok(Self { roles, tokens, passwords: Passwords::new(hashes) })
    }

    /// Whether everybody may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.roles.is_empty() && self.tokens.is_empty()
    }

    /// Whether who sends these headers may do what takes `role`: the name, if it takes one.
    pub(crate) async fn check(&self, headers: &HeaderMap, role: Role) -> Result<Option<String>, Denied> {
        if self.is_open() {
            return Ok(None);
        }
        let value = headers.get(header::AUTHORIZATION).ok_or(Denied::Anonymous)?;
        let (name, roles) = match credentials(value).ok_or(Denied::Anonymous)? {
            Credentials::Token(token) => {
                let (name, roles) = self.tokens.get(&token_hash(&token)).ok_or(Denied::Unknown)?;
                (name.clone(), roles)
            }
            Credentials::Password { name, password } => match self.passwords.check(&name, &password).await {
                Checked::Right => {
                    let roles = self.roles.get(&name).ok_or(Denied::Unknown)?;
                    (name, roles)
                }
                Checked::Wrong => return Err(Denied::Unknown),
                Checked::Busy => return Err(Denied::Busy),
            },
        };
        if roles.contains(&role) || roles.contains(&Role::Admin) {
            return Ok(Some(name));
        }
        Err(Denied::Lacks { name, role })
    }
}

fn check_name(name: &str, roles: &BTreeSet<Role>) -> Result<(), String> {
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    if roles.is_empty() {
        return Err(format!("{name:?} has no role"));
    }
    Ok(())
}

fn credentials(value: &HeaderValue) -> Option<Credentials> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Credentials::Password { name: name.to_owned(), password: password.to_owned() })
}

fn token_hash(token: &str) -> TokenHash {
    sha256(&[token.as_bytes()])
}

/// SHA-256 of the parts, one after the other.
fn sha256(parts: &[&[u8]]) -> TokenHash {
    let whole = digest(&SHA256, &parts.concat());
    let mut hash = TokenHash::default();
    hash.copy_from_slice(whole.as_ref());
    hash
}

fn parse_hash(text: &str) -> Option<TokenHash> {
    let mut hash = TokenHash::default();
    if text.len() != 2 * hash.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
