//! Who may do what, and what crosses the network in clear.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::harness::{Answer, Server, V1, message_v1, now, write_file};

const READER: (&str, &str) = ("ann", "correct horse");
const WRITER: (&str, &str) = ("prometheus", "battery");
const ADMIN: (&str, &str) = ("root", "staple: §");

struct Output {
    code: Option<i32>,
    out: String,
    errors: String,
}

/// Runs `kymo` with these arguments and this input.
fn kymo(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
    command.args(args).env_remove("KYMO_PASSWORD");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that asks for nothing may have ended.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) }
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

fn users(reader_password: &str) -> String {
    let user = |name: &str, password: &str, role: &str| {
        format!("  - {{name: {name}, password_hash: '{}', roles: [{role}]}}\n", hash(password))
    };
    format!(
        "self_metrics: {{enabled: false}}\naccess:\n  users:\n{}{}{}",
        user(READER.0, reader_password, "read"),
        user(WRITER.0, WRITER.1, "write"),
        user(ADMIN.0, ADMIN.1, "admin")
    )
}

fn basic((name, password): (&str, &str)) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

fn post(server: &Server, path: &str, who: &str) -> Answer {
    server.post(path, &[("authorization", who)], b"")
}

#[test]
fn each_route_takes_its_role() {
    let server = Server::with_config(&users(READER.1));
    let [reader, writer, admin] = [READER, WRITER, ADMIN].map(basic);
    let read = [&reader, &admin];
    let write = [&writer, &admin];
    let operate = [&admin];
    for (path, may) in [
        ("/api/v1/query", &read[..]),
        ("/api/v1/labels", &read),
        ("/api/v1/read", &read),
        ("/api/v1/write", &write),
        ("/api/v1/admin/tsdb/delete_series", &operate),
        ("/api/v1/admin/tsdb/snapshot", &operate),
        ("/api/v1/status/tiers", &read),
        ("/api/v1/explain", &read),
        ("/api/v1/admin/tiers/rollup", &operate),
        ("/-/flush", &operate),
        ("/-/compact", &operate),
        ("/-/reload", &operate),
    ] {
        for who in [&reader, &writer, &admin] {
            let status = post(&server, path, who).status;
            assert_eq!(status != 403, may.contains(&who), "{path}: {status}");
            assert_ne!(status, 401, "{path}");
        }
    }
    let refusal = post(&server, "/api/v1/write", &reader);
    assert_eq!(refusal.text().trim(), r#""ann" lacks the role write"#);
    for (who, path) in [
        ("", "/api/v1/query"),
        (basic(("ann", "wrong")).as_str(), "/api/v1/query"),
        (basic(("nobody", "")).as_str(), "/-/flush"),
        ("Bearer x", "/"),
    ] {
        let answer = server.get_with(path, &[("authorization", who)]);
        assert_eq!(answer.status, 401, "{who} {path}");
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="kymo", charset="UTF-8""#);
    }
    let metrics = server.get_with("/metrics", &[("authorization", &reader)]).text();
    for line in [
        r#"kymo_access_denied_total{reason="anonymous"} 1"#,
        r#"kymo_access_denied_total{reason="unknown"} 3"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

/// All paths in the source of the router.
fn routes() -> Vec<String> {
    let source = include_str!("../../src/http/router.rs");
    let compact: String = source.split_whitespace().collect();
    let (api, pages) = compact.split_once("fnpages(").unwrap();
    let paths = |text: &str| -> Vec<String> {
        text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let api = paths(api).into_iter().map(|path| format!("/api/v1{}", path.replace("{name}", "job")));
    api.chain(paths(pages)).collect()
}

#[test]
fn no_route_is_open_but_those_for_probes() {
    let server = Server::with_config(&users(READER.1));
    let routes = routes();
    assert!(routes.len() > 40, "{routes:?}");
    let mut open = Vec::new();
    for path in routes {
        let statuses = [server.get(&path, &[]).status, server.post(&path, &[], b"").status];
        if !statuses.contains(&401) {
            open.push(path);
        } else {
            assert!(statuses.iter().all(|status| [401, 405].contains(status)), "{path}: {statuses:?}");
        }
    }
    assert_eq!(open, ["/-/healthy", "/-/ready"]);
}

#[test]
fn a_password_holds_until_it_is_changed() {
    let server = Server::with_config(&users(READER.1));
    let (old, new, admin) = (basic(READER), basic((READER.0, "changed")), basic(ADMIN));
    let status = |who: &str| server.get_with("/api/v1/labels", &[("authorization", who)]).status;
    // The second time from memory.
    assert_eq!([status(&old), status(&old), status(&new)], [200, 200, 401]);
    let file = server.dir.join("kymo.yaml");
    write_file(&file, &users("changed"));
    assert_eq!([status(&old), status(&new)], [200, 401], "not read yet");
    assert_eq!(post(&server, "/-/reload", &admin).status, 200);
    assert_eq!([status(&old), status(&new)], [401, 200]);

    write_file(&file, "access: {users: [{name: ann, password_hash: s3cr3t, roles: [read]}]}\n");
    let refused = post(&server, "/-/reload", &admin);
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("access.users") && !refused.text().contains("s3cr3t"), "{refused:?}");
    assert_eq!([status(&old), status(&new)], [401, 200], "what was read before holds");
}

#[test]
fn commands_make_secrets_that_nobody_sees_again() {
    let Output { code, out: password_hash, errors } = kymo(&["hash-password"], "tr0ub4dor\n");
    assert_eq!(code, Some(0), "{errors}");
    let Output { out, .. } = kymo(&["new-token"], "");
    let (token, token_hash) = out.split_once('\n').unwrap();
    let (token, token_hash) = (token.strip_prefix("token: ").unwrap(), token_hash.trim());
    let (password_hash, hash) = (password_hash.trim(), token_hash.strip_prefix("token_hash: ").unwrap());
    let config = format!(
        "access:\n  users: [{{name: ann, password_hash: '{password_hash}', roles: [read]}}]\n  \
         tokens: [{{name: agent, {token_hash}, roles: [write, admin]}}]\n"
    );
    let server = Server::with_config(&config);
    let bearer = format!("Bearer {token}");
    let shown = server.get_with("/api/v1/status/config", &[("authorization", &bearer)]);
    assert_eq!(shown.status, 200);
    assert_eq!(shown.text().matches("secret").count(), 2, "{}", shown.text());
    assert!(!shown.text().contains(password_hash) && !shown.text().contains(hash), "{}", shown.text());

    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        write_file(&files.path().join(name), text);
        files.path().join(name).display().to_string()
    };
    let (token_file, password_file) = (file("token", token), file("password", "tr0ub4dor\n"));
    let query = |more: &[&str]| kymo(&[&["query", "1", "--url", &server.url], more].concat(), "");
    assert_eq!(query(&["--token-file", &token_file]).code, Some(0));
    assert_eq!(query(&["--user", "ann", "--password-file", &password_file]).code, Some(0));
    for (more, expected) in [
        (&[][..], "401"),
        (&["--user", "ann"], "KYMO_PASSWORD"),
        (&["--user", "ann", "--password-file", &token_file], "401"),
    ] {
        let Output { code, errors, .. } = query(more);
        assert_eq!(code, Some(1));
        assert!(errors.contains(expected), "{errors}");
    }
    for (input, expected) in [("", "empty"), (&"x".repeat(73), "72")] {
        let Output { code, errors, .. } = kymo(&["hash-password"], input);
        assert_eq!(code, Some(1));
        assert!(errors.contains(expected), "{errors}");
    }

    // Wherever the mistake is, the secret beside it is not repeated.
    for mistake in ["rolls: [read]", "roles: [reed]", "roles: [read", "roles: read"] {
        let config = file(
            "wrong.yaml",
            &format!(
                "access:\n  users:\n  - name: ann\n    password_hash: '{password_hash}'\n    {mistake}\n"
            ),
        );
        let data = files.path().join("data").display().to_string();
        let Output { code, errors, .. } =
            kymo(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data, "--config", &config], "");
        assert_eq!(code, Some(1), "{mistake}: {errors}");
        assert!(errors.contains("wrong.yaml") && !errors.contains(password_hash), "{mistake}: {errors}");
    }
}

/// Writes a new certificate for 127.0.0.1 and its key, and returns both.
fn certificate(dir: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let texts = [made.cert.pem(), made.signing_key.serialize_pem()];
    write_file(&dir.join("cert.pem"), &texts[0]);
    write_file(&dir.join("key.pem"), &texts[1]);
    texts
}

fn tls_config(dir: &Path) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    format!("server: {{tls: {{cert_file: {}, key_file: {}}}}}\n", path("cert.pem"), path("key.pem"))
}

#[test]
fn https_with_a_certificate_that_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let [first, _] = certificate(dir.path());
    let server = Server::with_config(&tls_config(dir.path()));
    let url = server.url.replace("http:", "https:");
    let old = dir.path().join("old.pem").display().to_string();
    write_file(Path::new(&old), &first);
    let current = dir.path().join("cert.pem").display().to_string();
    let ask = |ca: &str| kymo(&["query", "21 + 21", "--url", &url, "--ca-file", ca], "");
    let Output { code, out, errors } = ask(&current);
    assert!(code == Some(0) && out.contains(" 42"), "{out} {errors}");
    let Output { code, errors, .. } = kymo(&["query", "1", "--url", &url], "");
    assert!(code == Some(1) && errors.to_lowercase().contains("certificate"), "{errors}");
    // Whoever speaks HTTP gets nothing.
    assert!(!server.raw(b"GET /-/healthy HTTP/1.1\r\n\r\n").starts_with(b"HTTP"));

    certificate(dir.path());
    server.signal("-HUP");
    server.wait_for_line("configuration reloaded");
    assert_eq!(ask(&current).code, Some(0));
    assert_eq!(ask(&old).code, Some(1), "the old one is gone");

    write_file(&dir.path().join("key.pem"), "no key");
    server.signal("-HUP");
    let line = server.wait_for_line("configuration not reloaded");
    assert!(line.contains("key.pem"), "{line}");
    assert_eq!(ask(&current).code, Some(0), "the old pair holds");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    let config = dir.path().join("kymo.yaml");
    let serve = |text: &str| {
        write_file(&config, text);
        let config = config.display().to_string();
        let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data, "--config", &config];
        let Output { code, errors, .. } = kymo(&args, "");
        assert_eq!(code, Some(1), "{errors}");
        errors
    };
    let missing = serve(&tls_config(dir.path()));
    assert!(missing.contains("server.tls") && missing.contains("cert.pem"), "{missing}");
    let [_, key] = certificate(dir.path());
    certificate(dir.path());
    write_file(&dir.path().join("key.pem"), &key);
    let foreign = serve(&tls_config(dir.path()));
    assert!(foreign.contains("cannot be used"), "{foreign}");
    let half = serve("server: {tls: {cert_file: x.pem}}\n");
    assert!(half.contains("server.tls: needs both"), "{half}");
}

#[test]
fn what_is_open_is_said_loudly() {
    let warnings = |config: &str| {
        let server = Server::open_at("0.0.0.0:0", config);
        let status = server.get_with("/api/v1/status/kymo", &[("authorization", &basic(ADMIN))]).data();
        (status["open_to_network"] == true, status["shows_secrets"] == true)
    };
    assert_eq!(warnings(""), (true, false));
    assert_eq!(warnings(&users(READER.1)), (false, true));
    let server = Server::with_config(&users(READER.1));
    let ts = now();
    let message = message_v1(&[(&[("__name__", "m")], &[(ts, 1.0)])]);
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let headers =
        [("content-type", V1), ("content-encoding", "snappy"), ("authorization", &basic(WRITER) as &str)];
    assert_eq!(server.post("/api/v1/write", &headers, &body).status, 204);
}
