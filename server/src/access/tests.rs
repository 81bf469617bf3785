//! Who may do what, without a server.

use super::*;

/// Of `secret`, with a cost that does not matter in a test.
fn hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

fn config(text: &str) -> Result<Access, ConfigError> {
    let config: AccessConfig = serde_saphyr::from_str(text).unwrap();
    Access::new(&config)
}

fn basic(text: &str) -> HeaderMap {
    authorization(&format!("Basic {}", BASE64_STANDARD.encode(text)))
}

fn authorization(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

#[tokio::test]
async fn who_is_nobody_may_do_what_everybody_may() {
    let access = config("{}").unwrap();
    assert!(access.is_open());
    for headers in [HeaderMap::new(), basic("a:b"), authorization("nonsense")] {
        assert_eq!(access.check(&headers, Role::Admin).await, Ok(None));
    }
}

#[tokio::test]
async fn names_passwords_tokens_and_roles() {
    let token: String = token_hash("abc").iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "users:\n- {{name: ann, password_hash: '{}', roles: [read]}}\n\
         - {{name: root, password_hash: '{}', roles: [admin]}}\n\
         tokens: [{{name: agent, token_hash: {token}, roles: [write]}}]",
        hash(),
        hash()
    );
    let access = config(&text).unwrap();
    assert!(!access.is_open());
    let lacks = |name: &str, role| Err(Denied::Lacks { name: name.to_owned(), role });
    for (headers, role, expected) in [
        (basic("ann:secret"), Role::Read, Ok("ann")),
        (basic("ann:secret"), Role::Read, Ok("ann")),
        (basic("ann:secret"), Role::Write, lacks("ann", Role::Write)),
        (basic("ann:wrong"), Role::Read, Err(Denied::Unknown)),
        (basic("ann:"), Role::Read, Err(Denied::Unknown)),
        (basic("bob:secret"), Role::Read, Err(Denied::Unknown)),
        (basic("root:secret"), Role::Write, Ok("root")),
        (basic("root:secret"), Role::Admin, Ok("root")),
        (authorization("bearer abc"), Role::Write, Ok("agent")),
        (authorization("Bearer abc"), Role::Read, lacks("agent", Role::Read)),
        (authorization("Bearer abd"), Role::Write, Err(Denied::Unknown)),
        (authorization("Bearer "), Role::Write, Err(Denied::Unknown)),
        (authorization("Basic ???"), Role::Read, Err(Denied::Anonymous)),
        (authorization("Digest abc"), Role::Read, Err(Denied::Anonymous)),
        (basic("ann"), Role::Read, Err(Denied::Anonymous)),
        (HeaderMap::new(), Role::Read, Err(Denied::Anonymous)),
    ] {
        let found = access.check(&headers, role).await;
        assert_eq!(found, expected.map(|name| Some(name.to_owned())), "{headers:?} {role}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name_and_without_the_secret() {
    let hash = hash();
    for (text, expected) in [
        ("users: [{name: ann, password_hash: s3cr3t, roles: [read]}]".to_owned(), "is no bcrypt hash"),
        (format!("users: [{{name: ann, password_hash: '{hash}', roles: []}}]"), "has no role"),
        (format!("users: [{{name: '', password_hash: '{hash}', roles: [read]}}]"), "a name is empty"),
        (format!("users: [{{name: 'a:b', password_hash: '{hash}', roles: [read]}}]"), "has a colon"),
        (
            format!(
                "users: [{{name: a, password_hash: '{hash}', roles: [read]}}, \
                 {{name: a, password_hash: '{hash}', roles: [read]}}]"
            ),
            "two users",
        ),
        (
            format!("users: [{{name: a, password_hash: '{}', roles: [read]}}]", hash.replace("$04$", "$30$")),
            "a cost above 16",
        ),
        ("tokens: [{name: a, token_hash: s3cr3t, roles: [read]}]".to_owned(), "is no SHA-256"),
    ] {
        let error = config(&text).unwrap_err().to_string();
        assert!(error.contains("access.") && error.contains(expected), "{error}");
        assert!(!error.contains("s3cr3t") && !error.contains(&hash), "{error}");
    }
    let text = format!("users: [{{name: ann, password_hash: '{hash}', roles: [read]}}]");
    let shown: AccessConfig = serde_saphyr::from_str(&text).unwrap();
    let access = Access::new(&shown).unwrap();
    for text in [format!("{shown:?} {access:?}"), serde_saphyr::to_string(&shown).unwrap()] {
        assert!(text.contains("<secret>") && !text.contains(&hash), "{text}");
    }
}
