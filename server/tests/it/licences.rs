//! What we depend on may be given away with us: the licences of all crates.

use std::process::Command;

/// Licences that ask for no more than that their text is kept.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression leaves a choice that is allowed. Crates of old write `/` for `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &tokens[..];
    let allowed = any_of(&mut rest);
    assert!(rest.is_empty(), "{expression}: not understood from {rest:?} on");
    allowed
}

fn any_of(tokens: &mut &[&str]) -> bool {
    let mut allowed = all_of(tokens);
    while take(tokens, "OR") {
        allowed |= all_of(tokens);
    }
    allowed
}

fn all_of(tokens: &mut &[&str]) -> bool {
    let mut allowed = one(tokens);
    while take(tokens, "AND") {
        allowed &= one(tokens);
    }
    allowed
}

fn one(tokens: &mut &[&str]) -> bool {
    if take(tokens, "(") {
        let allowed = any_of(tokens);
        return take(tokens, ")") && allowed;
    }
    let Some((licence, rest)) = tokens.split_first() else { return false };
    *tokens = rest;
    // An exception only adds to what is allowed.
    if take(tokens, "WITH") {
        *tokens = &tokens[1..];
    }
    ALLOWED.contains(licence)
}

fn take(tokens: &mut &[&str], wanted: &str) -> bool {
    let found = tokens.first() == Some(&wanted);
    if found {
        *tokens = &tokens[1..];
    }
    found
}

#[test]
fn expressions_are_understood() {
    for allowed in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR Zlib",
        "(MIT OR GPL-2.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in [
        "",
        "GPL-3.0",
        "MIT AND AGPL-3.0",
        "(MIT AND GPL-2.0) OR SSPL-1.0",
        "Apache-2.0 AND (GPL-2.0 OR LGPL-3.0)",
    ] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn all_licences_are_permissive() {
    // Only what is built here is on this machine.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let target = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", target])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("")))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}
