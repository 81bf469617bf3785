//! Tests of the configuration, and of the document that is made from it.

use std::{fmt::Write as _, path::Path};

use super::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("kymo.yaml"), text)
}

#[test]
fn an_empty_file_is_the_default() {
    for text in ["", "\n", "# nothing\n", "{}"] {
        assert_eq!(parse(text).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn the_printed_configuration_reads_back() {
    let mut config = Config::default();
    config.external_labels.insert("replica".to_owned(), "a: \"b\"".to_owned());
    config.query.samples_max = 7;
    config.query.features = vec!["promql-delayed-name-removal".to_owned()];
    assert_eq!(parse(&config.to_yaml()).unwrap(), config);
}

#[test]
fn options_of_places_are_read_and_their_secrets_not_shown() {
    let text = |key: &str| {
        format!(
            "tiers:\n  place: s3://bucket/kymo\n  place_options:\n    s3://bucket/kymo:\n      \
             endpoint: http://127.0.0.1:9000\n      allow_http: true\n      secret_access_key: {key}\n"
        )
    };
    let config = parse(&text("hush")).unwrap();
    assert_ne!(config.engine(), parse(&text("other")).unwrap().engine());
    let shown = config.to_yaml();
    assert!(shown.contains("http://127.0.0.1:9000") && shown.contains("<secret>"), "{shown}");
    assert!(!format!("{shown} {config:?}").contains("hush"), "{shown}");
    let error = parse("tiers: {place_options: {s3://other: {}}}").unwrap_err().to_string();
    assert_eq!(error, "configuration field tiers.place_options: no tier lies in \"s3://other\"");
}

#[test]
fn an_unknown_field_is_named() {
    let error = parse("query:\n  timeout_sm: 5\n").unwrap_err().to_string();
    assert!(error.contains("kymo.yaml") && error.contains("timeout_sm"), "{error}");
}

#[test]
fn a_value_out_of_range_is_named() {
    let error = parse("query: {concurrency_max: 0}").unwrap_err().to_string();
    assert_eq!(error, "configuration field query.concurrency_max: must be greater than 0");
    let error = parse("query: {features: [promql-experimental]}").unwrap_err().to_string();
    assert!(
        error.starts_with("configuration field query.features: there is no feature \"promql-experimental\""),
        "{error}"
    );
    let error = parse("external_labels: {__name__: x}").unwrap_err().to_string();
    assert!(error.starts_with("configuration field external_labels:"), "{error}");
}

/// The document, made from the comments in the source and the defaults.
fn document() -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut text = String::from(
        "# Configuration\n\n\
         `kymo serve --config FILE` reads one YAML file. Every key is optional; a key that does not exist is an \
         error. `kill -HUP` or `POST /-/reload` reads the file again; keys marked \"Change needs a restart\" keep \
         their value until then. Generated from the source: run `UPDATE=1 cargo test -p kymo-server config`.\n",
    );
    let mut sections = structs(include_str!("config.rs"));
    for source in [
        include_str!("access/config.rs"),
        include_str!("../../engine/src/config.rs"),
        include_str!("../../engine/src/wal/config.rs"),
        include_str!("../../engine/src/head/config.rs"),
        include_str!("../../engine/src/tier/config.rs"),
    ] {
        sections.extend(structs(source));
    }
    for field in &sections["Config"] {
        let name = &field.name;
        write!(text, "\n## {name}\n{}\n", field.doc).unwrap();
        match sections.get(field.kind.as_str()) {
            Some(fields) => {
                table(&mut text, name, fields, &defaults[name.as_str()]);
                for field in fields {
                    let items = field.kind.strip_prefix("Vec<").and_then(|kind| kind.strip_suffix('>'));
                    if let Some(item) = items.and_then(|kind| sections.get(kind)) {
                        writeln!(text, "\nEach item of `{name}.{}`:", field.name).unwrap();
                        table(&mut text, &format!("{name}.{}", field.name), item, &serde_json::Value::Null);
                    }
                }
            }
            None => writeln!(text, "\nDefault: `{}`.", defaults[name.as_str()]).unwrap(),
        }
    }
    text
}

fn table(text: &mut String, section: &str, fields: &[Field], defaults: &serde_json::Value) {
    text.push_str("\n| key | default | meaning |\n| --- | --- | --- |\n");
    for field in fields {
        let default = &defaults[field.name.as_str()];
        let doc = field.doc.replace('|', "\\|");
        writeln!(text, "| `{section}.{}` | `{default}` | {doc} |", field.name).unwrap();
    }
}

struct Field {
    name: String,
    kind: String,
    doc: String,
}

/// Fields of the structs in `source`, with their comments.
fn structs(source: &str) -> BTreeMap<String, Vec<Field>> {
    let mut structs = BTreeMap::new();
    let (mut name, mut doc, mut skipped) = (String::new(), Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            doc.push(comment.to_owned());
        } else if line.starts_with("#[") {
            skipped |= line == "#[serde(skip)]";
        } else if let Some(rest) = public(line).and_then(|line| line.strip_prefix("struct ")) {
            name = rest.trim_end_matches(" {").to_owned();
            structs.insert(name.clone(), Vec::new());
            doc.clear();
        } else if let Some((field, kind)) = field_of(line) {
            let field = Field { name: field.to_owned(), kind: kind.to_owned(), doc: doc.join(" ") };
            if !std::mem::take(&mut skipped) {
                structs.get_mut(&name).unwrap().push(field);
            }
            doc.clear();
        } else {
            doc.clear();
        }
    }
    structs
}

fn field_of(line: &str) -> Option<(&str, &str)> {
    public(line)?.strip_suffix(',')?.split_once(": ")
}

fn public(line: &str) -> Option<&str> {
    line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub "))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads, and on request writes, a file of the source tree"
)]
fn the_document_is_up_to_date() {
    let expected = document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(DOCUMENT, &expected).unwrap();
    }
    let found = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert_eq!(found, expected, "run UPDATE=1 cargo test -p kymo-server config");
}
