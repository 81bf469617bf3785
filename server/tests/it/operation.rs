//! Restarts, signals, admin calls, own metrics, the page, the command line.

use std::process::Command;

use serde_json::json;

use crate::harness::{PATIENCE, Server, now, write_file};

/// What was needed for a moment goes back to the system soon, by threads of the allocator's own.
#[test]
fn the_allocator_has_its_settings() {
    let output = Command::new(env!("CARGO_BIN_EXE_kymo"))
        .arg("--version")
        .env("_RJEM_MALLOC_CONF", "confirm_conf:true")
        .output()
        .unwrap();
    let confirmed = String::from_utf8_lossy(&output.stderr).into_owned();
    for setting in ["dirty_decay_ms:1000", "muzzy_decay_ms:0", "background_thread:true"] {
        assert!(confirmed.contains(&format!("Set conf value: {setting}")), "{confirmed}");
    }
}

#[test]
fn data_survives_an_orderly_stop_and_a_kill() {
    let ts = now();
    let server = Server::new();
    server.store(&[("__name__", "a")], &[(ts, 1.0)]);
    let dir = server.stop();
    let server = Server::open(&dir, "self_metrics: {enabled: false}\n");
    assert_eq!(server.query("a", ts)[0]["value"][1], "1");
    server.store(&[("__name__", "a")], &[(ts + 1, 2.0)]);
    let dir = server.kill();
    let server = Server::open(&dir, "self_metrics: {enabled: false}\n");
    assert_eq!(server.query("a", ts + 1)[0]["value"][1], "2");
    assert_eq!(server.query("a", ts)[0]["value"][1], "1");
    let replay = server.get("/api/v1/status/walreplay", &[]).data();
    let segment = |field: &str| replay[field].as_u64().unwrap();
    assert!(segment("min") >= 1, "the kill left a log: {replay}");
    assert!(segment("min") <= segment("max"));
    assert_eq!(segment("current"), segment("max"), "done");
}

#[test]
fn flush_and_compaction_answer_when_done() {
    let server = Server::new();
    let ts = now();
    server.store(&[("__name__", "m")], &[(ts - 10_000_000, 1.0), (ts, 2.0)]);
    for path in ["/-/flush", "/-/compact"] {
        let answer = server.post(path, &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let blocks = server.get("/api/v1/status/tsdb/blocks", &[]).data();
    assert!(!blocks["blocks"].as_array().unwrap().is_empty());
    assert_eq!(server.query("m", ts)[0]["value"][1], "2");
    assert_eq!(server.query("count_over_time(m[1d])", ts)[0]["value"][1], "2");
}

#[test]
fn deleted_series_are_gone_at_once() {
    let server = Server::new();
    let ts = now();
    for (name, value) in [("a", 1.0), ("b", 2.0)] {
        server.store(&[("__name__", name), ("x", "y")], &[(ts, value)]);
    }
    let path = "/api/v1/admin/tsdb/delete_series";
    assert_eq!(server.form(path, &[]).error().2, "no match[] parameter provided");
    let answer = server.form(path, &[("match[]", "a")]);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(server.query("{x=\"y\"}", ts).as_array().unwrap().len(), 1);
    assert_eq!(server.form("/api/v1/admin/tsdb/clean_tombstones", &[]).status, 204);
    assert_eq!(server.query("b", ts)[0]["value"][1], "2");
    assert_eq!(server.get(path, &[]).status, 405);
}

#[test]
fn a_snapshot_is_taken_of_a_running_server_and_restored() {
    let server = Server::new();
    let ts = now();
    server.store(&[("__name__", "m")], &[(ts - 10_000_000, 1.0)]);
    assert_eq!(server.post("/-/flush", &[], b"").status, 200);
    server.store(&[("__name__", "m")], &[(ts, 2.0)]);
    let (status, kind, text) = server.form("/api/v1/admin/tsdb/snapshot", &[("skip_head", "maybe")]).error();
    assert_eq!((status, kind.as_str()), (400, "bad_data"), "{text}");
    let answer = server.form("/api/v1/admin/tsdb/snapshot", &[]).data();
    let (name, path) = (answer["name"].as_str().unwrap(), answer["path"].as_str().unwrap());
    assert!(path.ends_with(&format!("data/snapshots/{name}")), "{path}");

    let kymo = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kymo")).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, errors) = kymo(&["snapshot", "--url", &server.url]);
    assert_eq!(code, Some(0), "{errors}");
    let second = out.lines().next().unwrap();
    assert_ne!(second, path);
    server.store(&[("__name__", "m")], &[(ts + 1, 3.0)]);

    let target = tempfile::tempdir().unwrap();
    let data = target.path().join("data");
    let data_dir = data.to_str().unwrap();
    let (code, _, errors) =
        kymo(&["restore", server.dir.join("data").to_str().unwrap(), "--data-dir", data_dir]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("locked"), "{errors}");
    let (code, out, errors) = kymo(&["restore", path, "--data-dir", data_dir]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.starts_with("restored 1 blocks, 2 files,"), "{out}");
    let (code, _, errors) = kymo(&["restore", second, "--data-dir", data_dir]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("is not empty"), "{errors}");

    let restored = Server::open(target.path(), "self_metrics: {enabled: false}\n");
    assert_eq!(restored.query("count_over_time(m[1d])", ts + 1)[0]["value"][1], "2");
    assert_eq!(restored.query("m", ts + 1)[0]["value"][1], "2");
    assert_eq!(server.query("m", ts + 1)[0]["value"][1], "3");
}

#[test]
fn the_admin_api_can_be_switched_off() {
    let server = Server::with_config("server: {admin_api: false}\n");
    let (status, kind, text) = server.form("/api/v1/admin/tsdb/delete_series", &[("match[]", "a")]).error();
    assert_eq!((status, kind.as_str(), text.as_str()), (500, "unavailable", "admin APIs disabled"));
}

#[test]
fn the_configuration_is_read_again_on_request() {
    let server = Server::new();
    let yaml = || server.get("/api/v1/status/config", &[]).data()["yaml"].as_str().unwrap().to_owned();
    assert!(!yaml().contains("zone"), "{}", yaml());
    let file = server.dir.join("kymo.yaml");
    write_file(&file, "external_labels: {zone: a}\n");
    assert_eq!(server.post("/-/reload", &[], b"").status, 200);
    assert!(yaml().contains("zone"), "{}", yaml());

    write_file(&file, "external_lables: {zone: b}\n");
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("external_lables"), "{}", answer.text());
    let info = server.get("/api/v1/status/runtimeinfo", &[]).data();
    assert_eq!(info["reloadConfigSuccess"], json!(false));
    assert!(yaml().contains("zone"), "the old configuration holds");

    write_file(&file, "external_labels: {zone: c}\n");
    server.signal("-HUP");
    server.wait_for_line("configuration reloaded");
    server.wait_for_line("configuration reloaded");
    assert!(yaml().contains("zone: c"), "{}", yaml());
}

#[test]
fn a_wrong_configuration_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kymo.yaml");
    write_file(&file, "query: {timeout_ms: 0}\n");
    let output = Command::new(env!("CARGO_BIN_EXE_kymo")).arg("--config").arg(&file).output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("configuration field query.timeout_ms: must be greater than 0"), "{log}");
}

#[test]
fn own_metrics_are_shown_and_stored() {
    let server = Server::with_config("self_metrics: {interval_ms: 50}\n");
    let page = server.get("/metrics", &[]);
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(
        page.text().contains("# TYPE kymo_build_info gauge\nkymo_build_info{version="),
        "{}",
        page.text()
    );
    let deadline = now() + i64::try_from(PATIENCE.as_millis()).unwrap();
    loop {
        let found = server.query(r#"up{job="kymo-self"}"#, now() + 1000);
        if found[0]["value"][1] == "1" {
            break;
        }
        assert!(now() < deadline, "own metrics are not stored");
    }
    let metadata = server.get("/api/v1/metadata", &[("metric", "kymo_build_info")]).data();
    assert_eq!(metadata["kymo_build_info"][0]["type"], "gauge");
}

#[test]
fn health_and_the_page_are_there() {
    let server = Server::new();
    assert_eq!(server.get("/-/healthy", &[]).status, 200);
    assert_eq!(server.get("/-/ready", &[]).status, 200);
    for path in ["/", "/graph", "/query", "/ui/app.js", "/ui/style.css"] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        let text = answer.text();
        assert!(!text.contains("https://") && !text.contains("http://"), "{path} loads from elsewhere");
    }
    assert_eq!(server.get("/api/v1/status/kymo", &[]).data()["open_to_network"], json!(false));
}

#[test]
fn browsers_may_ask_first() {
    let server = Server::new();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let answer = agent
        .options(format!("{}/api/v1/query", server.url))
        .header("origin", "http://grafana")
        .call()
        .unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    assert_eq!(answer.headers()["access-control-allow-methods"], "GET, POST, OPTIONS");
}

#[test]
fn the_command_line_prints_a_table() {
    let server = Server::new();
    let ts = now();
    server.store(&[("__name__", "m"), ("job", "a")], &[(ts, 1.5)]);
    let kymo = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kymo"))
            .arg("query")
            .args(args)
            .args(["--url", &server.url])
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (succeeded, table, notes) = kymo(&["m"]);
    assert!(succeeded && table.trim_end().ends_with("1.5  m{job=\"a\"}"), "{table}{notes}");
    let (succeeded, table, notes) = kymo(&["m", "--range", "5m", "--step", "1m"]);
    assert!(succeeded && table.lines().count() >= 1, "{table}{notes}");
    let (succeeded, _, notes) = kymo(&["m{"]);
    assert!(!succeeded);
    assert!(notes.starts_with("error: invalid parameter \"query\": 1:3: parse error"), "{notes}");
}
