//! `kymo hash-password` and `kymo new-token`: what goes into the configuration.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::token_hash;

/// What `htpasswd` and Prometheus's examples have: a tenth of a second.
const COST: u32 = 10;
/// bcrypt takes no more of a password into account.
const PASSWORD_BYTES_MAX: usize = 72;

/// Reads a password from standard input and prints its hash.
pub(crate) fn hash_password() -> ExitCode {
    let mut password = String::new();
    let read = io::stdin().lock().take(1 << 16).read_to_string(&mut password);
    let password = password.trim_end_matches(['\r', '\n']);
    let hash = match read {
        Err(error) => Err(format!("read the password from standard input: {error}")),
        Ok(_) if password.is_empty() => Err("the password, on standard input, is empty".to_owned()),
        Ok(_) if password.len() > PASSWORD_BYTES_MAX => {
            Err(format!("a password has at most {PASSWORD_BYTES_MAX} bytes"))
        }
        Ok(_) => bcrypt::hash(password, COST).map_err(|error| error.to_string()),
    };
    print(hash)
}

/// Prints a new token and its hash.
pub(crate) fn new_token() -> ExitCode {
    let mut random = [0; 32];
    let made = SystemRandom::new().fill(&mut random).map_err(|_| "there is no randomness".to_owned());
    print(made.map(|()| {
        let token = format!("kymo_{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        let hash: String = token_hash(&token).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("token: {token}\ntoken_hash: {hash}")
    }))
}

fn print(text: Result<String, String>) -> ExitCode {
    let (printed, code) = match text {
        Ok(text) => (writeln!(io::stdout(), "{text}"), ExitCode::SUCCESS),
        Err(error) => (writeln!(io::stderr(), "error: {error}"), ExitCode::FAILURE),
    };
    if printed.is_ok() { code } else { ExitCode::FAILURE }
}
