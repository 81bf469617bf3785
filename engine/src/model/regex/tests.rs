//! The dialect against facts taken from Go, and fast paths against the engine.

use proptest::prelude::*;

use super::*;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern.as_bytes()).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn error(pattern: &str) -> String {
    Regex::new(pattern.as_bytes()).map_or_else(|error| error.to_string(), |_| "no error".to_owned())
}

#[test]
fn perl_classes_are_ascii() {
    for (pattern, yes, no) in [
        (r"\d", "7", "٣"),
        (r"\w", "_", "é"),
        (r"\s", "\t", "\u{a0}"),
        (r"[^\W]", "a", "é"),
        (r"\D", "٣", "7"),
        (r"\w+\b.", "a-", "aé-"),
        ("[[:alpha:]]", "x", "é"),
        (r"[\d-x]", "-", "y"),
        (r"[a&&b]", "&", "c"),
        (r"[+--b]", "-", "a"),
        (r"[[a]", "[", "b"),
        (r"\pL", "é", "1"),
        (r"\p{^Greek}", "a", "α"),
        (r"\p{Zl}", "\u{2028}", "\u{2029}"),
        (r"[^\p{Zp}]", "\u{2028}", "\u{2029}"),
        (r"\P{Cs}", "a", ""),
        (r"\p{Yi}", "\u{a000}", "a"),
        (r"\p{Thai}", "\u{e01}", "a"),
    ] {
        assert!(regex(pattern).is_match(yes.as_bytes()), "{pattern} {yes}");
        assert!(!regex(pattern).is_match(no.as_bytes()), "{pattern} {no}");
    }
}

#[test]
fn patterns_match_whole_subjects_and_dots_match_newlines() {
    assert!(regex("a.b").is_match(b"a\nb"));
    assert!(!regex("(?-s:a.b)").is_match(b"a\nb"));
    assert!(!regex("a").is_match(b"ab"));
    assert!(regex("a|b").is_match(b"b"));
    assert!(!regex("a|b").is_match(b"ab"));
    assert!(regex(r"\Qa.b\E+").is_match(b"a.bb"));
    assert!(regex("(?i)straße").is_match("STRAßE".as_bytes()));
    assert!(regex("(?i)k").is_match("\u{212a}".as_bytes()));
    assert!(regex("a{,2}").is_match(b"a{,2}"));
    assert!(regex("a\nb").is_match(b"a\nb"));
    assert!(regex("(?m)a$\n^b").is_match(b"a\nb"));
}

#[test]
fn bytes_that_are_not_utf8_count_as_characters() {
    assert!(regex(".").is_match(b"\xff"));
    assert!(regex("..").is_match(b"\xe2\x82"));
    assert!(!regex(".").is_match(b"\xe2\x82"));
    let captures = regex("(a.)(.b)").captures(b"a\xff\xc3\xa9b").map(|it| it.get(2).map(<[u8]>::to_vec));
    assert_eq!(captures, Some(Some(b"\xc3\xa9b".to_vec())));
}

#[test]
fn errors_are_those_of_go() {
    for (pattern, text) in [
        ("*", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("(?i)+?", "missing argument to repetition operator: `+?`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*+b", "invalid nested repetition operator: `*+`"),
        ("(a", "missing closing ): `(a`"),
        ("a)b", "unexpected ): `a)b`"),
        ("[a", "missing closing ]: `[a`"),
        ("[a--b]", "invalid character class range: `a--`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        (r"\p{Latn}", r"invalid character class range: `\p{Latn}`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ] {
        assert_eq!(error(pattern), format!("error parsing regexp: {text}"));
    }
    assert!(Regex::new(b"\xff|a").is_ok_and(|regex| regex.is_match(b"\xff") && regex.is_match(b"a")));
}

/// The first bad byte is named, unless something before it is wrong already.
#[test]
fn errors_in_patterns_that_are_not_utf8_are_those_of_go() {
    let error =
        |pattern: &[u8]| Regex::new(pattern).map_or_else(|error| error.to_string(), |_| String::new());
    for (pattern, text) in [
        (&b"a\xff.b"[..], "invalid UTF-8: `\u{fffd}.b`"),
        (b"a\\\xff", "invalid UTF-8: `\u{fffd}`"),
        (b"(a[b\xffc]", "invalid UTF-8: `\u{fffd}c]`"),
        (b"\\x\xff", "invalid UTF-8: `\u{fffd}`"),
        (b"(?i\xff)", "invalid UTF-8: `\u{fffd})`"),
        (b"\xff)", "invalid UTF-8: `\u{fffd})`"),
        (b")\xff", "unexpected ): `)\u{fffd}`"),
        (b"a**\xff", "invalid nested repetition operator: `**`"),
        (b"[b-a]\xff", "invalid character class range: `b-a`"),
        (b"\\8\xff", "invalid escape sequence: `\\8`"),
    ] {
        assert_eq!(error(pattern), format!("error parsing regexp: {text}"));
    }
}

#[test]
fn exploding_patterns_are_refused() {
    assert!(error(r"(\pL{50}){20}").contains("expression too large"));
    for part in ["a?", ".*", "(?i)a", "[a-z]", "b|[0-9]", r"\pL", "()"] {
        assert!(error(&part.repeat(1_000_000 / part.len())).contains("expression too large"), "{part}");
    }
    assert!(error(&"(".repeat(100_000)).contains("nests too deeply"));
    assert!(error(&format!("{}{}", "(?:a".repeat(1000), ")*".repeat(1000))).contains("nests too deeply"));
}

#[test]
fn templates_expand_as_in_go() {
    let expand = |pattern: &str, subject: &str, template: &str| {
        let mut out = Vec::new();
        let regex = regex(pattern);
        let captures = regex.captures(subject.as_bytes()).unwrap();
        captures.expand(template.as_bytes(), &mut out);
        assert_eq!(captures.expanded_len(template.as_bytes()), out.len(), "{template}");
        String::from_utf8(out).unwrap()
    };
    assert_eq!(expand("(.*)-(.*)", "a-b", "$2:$1"), "b:a");
    assert_eq!(expand("(?P<host>.*):.*", "h:1", "${host}_x $host_x"), "h_x ");
    assert_eq!(expand("(a)", "a", "$$ $1x ${1}x $9 ${1 $"), "$  ax  ${1 $");
    assert_eq!(expand("(a)", "a", "${01}$0"), "a");
}

#[test]
fn finite_patterns_are_sets() {
    let set = |pattern: &str| {
        let regex = regex(pattern);
        let values = regex.set_matches()?.iter().map(|value| String::from_utf8_lossy(value));
        Some(values.collect::<Vec<_>>().join(","))
    };
    assert_eq!(set("b|a|b").as_deref(), Some("a,b"));
    assert_eq!(set("^(?:api|web)-[0-2]$").as_deref(), Some("api-0,api-1,api-2,web-0,web-1,web-2"));
    assert_eq!(set("(?i)ab").as_deref(), Some("AB,Ab,aB,ab"));
    assert_eq!(set("ab?").as_deref(), Some("a,ab"));
    assert_eq!(set("").as_deref(), Some(""));
    assert_eq!(set("a.*"), None);
    assert_eq!(set("[0-9]{3}"), None);
    assert_eq!(set("[a-z][a-z]"), None);
}

/// Dashboards write out thousands of values; only what multiplies is limited.
#[test]
fn written_out_alternatives_are_a_set_however_many() {
    let values: Vec<String> = (0..5_000).map(|n| format!("host-{n:04}")).collect();
    let many = regex(&values.join("|"));
    assert_eq!(many.set_matches().unwrap().len(), values.len());
    assert!(many.is_match(b"host-4999") && !many.is_match(b"host-5000"));
    assert_eq!(regex(&format!("(?:{})", values.join("|"))).set_matches().map(<[_]>::len), Some(values.len()));
    assert_eq!(regex(&format!("(?:{})[ab]", values[..200].join("|"))).set_matches(), None);
    let long = "x".repeat(1_000_000);
    assert!(regex(&long).is_match(long.as_bytes()));
    let product = format!("{}(?:{})", &long[..10_000], values.join("|"));
    assert_eq!(Shape::of(&syntax::parse(&product).unwrap().hir).values(), None, "50 MB");
}

/// Patterns that need no engine have groups all the same.
#[test]
fn fast_paths_have_groups() {
    for (pattern, subject, group) in [("(a|b)c", "bc", "b"), ("x-(.*)", "x-y", "y"), ("(?i)(k)", "K", "K")] {
        let regex = regex(pattern);
        let captures = regex.captures(subject.as_bytes()).unwrap();
        assert_eq!(captures.get(1), Some(group.as_bytes()), "{pattern}");
        assert!(regex.captures(b"?").is_none());
    }
    let bytes = Regex::new(b"\xff|a").unwrap();
    assert_eq!(bytes.captures(b"\xff").and_then(|it| it.get(0)), Some(&b"\xff"[..]));
    assert!(bytes.captures("\u{fffd}".as_bytes()).is_none() && !bytes.is_match("\u{fffd}".as_bytes()));
}

#[test]
fn prefixes_are_found() {
    for (pattern, prefix) in
        [("api-.*", "api-"), ("api-[a-z]+", "api-"), ("^(?:api|apo)x*", "ap"), ("(ab)+c", "ab"), ("a*", "")]
    {
        assert_eq!(regex(pattern).prefix(), prefix.as_bytes(), "{pattern}");
    }
    // Bad bytes match as replacement characters, and do not begin with the bytes of one.
    for pattern in ["\u{fffd}.*", "\u{fffd}x{3}|\u{fffe}y{3}"] {
        assert_eq!(regex(pattern).prefix(), b"", "{pattern}");
    }
    assert!(regex("\u{fffd}.*").is_match(b"\xffa"));
    assert!(regex(".*").matches_all() && !regex(".+").matches_all());
    assert!(regex(".+").matches_all_non_empty() && !regex("a.*").matches_all_non_empty());
}

/// Patterns over a small alphabet, so that they often match, many of them with a fast path.
fn pattern() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        4 => "[ab]{1,2}",
        2 => Just(".*".to_owned()),
        2 => Just(".+".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("[ab]".to_owned()),
        1 => Just("(?i:a)".to_owned()),
        1 => Just("é".to_owned()),
        1 => Just("^".to_owned()),
        1 => Just("$".to_owned()),
    ];
    atom.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.clone().prop_map(|part| format!("({part})?")),
            1 => inner.prop_map(|part| format!("(?:{part})*")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(prop::test_runner::FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/regex.txt"
        )))),
        ..ProptestConfig::default()
    })]

    /// The fast paths answer as the engine of another parser does.
    #[test]
    fn fast_paths_agree_with_the_engine(pattern in pattern(), subjects in prop::collection::vec("[abABé]{0,5}", 8)) {
        let ours = regex(&pattern);
        let plain = meta::Regex::new(&format!("^(?s:{pattern})$")).unwrap();
        for subject in subjects {
            prop_assert_eq!(ours.is_match(subject.as_bytes()), plain.is_match(&subject), "{} {}", pattern, subject);
            if ours.is_match(subject.as_bytes()) {
                prop_assert!(subject.as_bytes().starts_with(ours.prefix()));
                prop_assert!(ours.captures(subject.as_bytes()).is_some());
            }
        }
    }

    /// Whatever the pattern, there is an answer, and in bounded time.
    #[test]
    fn no_pattern_panics(pattern in r"[\\()\[\]{}|*+?^$.:<>P=idswQEpLab0-9,&-]{0,30}") {
        if let Ok(regex) = Regex::new(pattern.as_bytes()) {
            prop_assert_eq!(regex.is_match(b"ab0"), regex.captures(b"ab0").is_some());
        }
    }
}
