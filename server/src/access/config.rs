//! Who may do what: the part of the configuration.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize, Serializer};

/// Who may do what. Without users and tokens everybody may do everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessConfig {
    /// Users with passwords, for HTTP basic authentication: a list of `{name, password_hash, roles}`. The hash is
    /// bcrypt's, as `kymo hash-password` and `htpasswd -nB` make it. Roles are `read` (queries, labels, remote read,
    /// federation, status), `write` (remote write) and `admin` (all of it, and to delete, flush, compact, reload and take
    /// snapshots).
    pub(crate) users: Vec<UserConfig>,
    /// Tokens, for `Authorization: Bearer`: a list of `{name, token_hash, roles}`. The hash is SHA-256 in hexadecimal;
    /// `kymo new-token` makes a token and its hash.
    pub(crate) tokens: Vec<TokenConfig>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserConfig {
    pub(crate) name: String,
    pub(crate) password_hash: Secret,
    pub(crate) roles: BTreeSet<Role>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    pub(crate) name: String,
    pub(crate) token_hash: Secret,
    pub(crate) roles: BTreeSet<Role>,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// See data, and how the server is.
    Read,
    /// Send data.
    Write,
    /// Everything.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}
