//! Just enough of Rust's syntax for the rules: what is code, and where functions and modules are.

/// `text` with comments, strings and characters replaced by spaces, byte for byte, lines kept.
pub(super) fn code_only(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let len = literal_len(&text.as_bytes()[at..], at > 0 && is_word(text.as_bytes()[at - 1]));
        for byte in &mut code[at..at + len] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += len.max(1);
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Length of the comment, string or character that `bytes` begins with, else 0. `in_word`: the byte before belongs
/// to a word, so that an `r` or `b` here begins no literal.
fn literal_len(bytes: &[u8], in_word: bool) -> usize {
    let len = |end: Option<usize>| end.unwrap_or(bytes.len());
    match bytes {
        [b'/', b'/', ..] => len(bytes.iter().position(|byte| *byte == b'\n')),
        [b'/', b'*', ..] => len(find(bytes, b"*/").map(|end| end + 2)),
        [b'"', ..] => len(string_end(bytes, b'"')),
        [b'r', b'"' | b'#', ..] if !in_word => {
            let hashes = bytes[1..].iter().take_while(|byte| **byte == b'#').count();
            if bytes.get(1 + hashes) != Some(&b'"') {
                return 0;
            }
            let close = [&b"\""[..], &vec![b'#'; hashes]].concat();
            len(find(&bytes[2 + hashes..], &close).map(|end| 2 + hashes + end + close.len()))
        }
        [b'\'', b'\\', ..] => len(string_end(bytes, b'\'')),
        // A character, not a lifetime: closed within the four bytes that one can have.
        [b'\'', rest @ ..] => match rest.iter().take(5).position(|byte| *byte == b'\'') {
            Some(end) if end == 1 || end > 1 && rest[0] >= 0x80 => end + 2,
            _ => 0,
        },
        _ => 0,
    }
}

fn string_end(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    while *bytes.get(at)? != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The place behind the bracket that closes the first one in `code` at or behind `from`, of the kind of `open`.
pub(super) fn close_of(code: &str, from: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

/// Name and number of lines of each function with a body in `code`.
pub(super) fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // A declaration ends before a body begins; so does the type `fn (..)`.
        let body = code[at..].find(['{', ';']).map(|end| at + end);
        let Some(body) = body.filter(|body| !name.is_empty() && code.as_bytes()[*body] == b'{') else {
            continue;
        };
        if let Some(end) = close_of(code, body, b'{', b'}') {
            found.push((name, code[at..end].matches('\n').count() + 1));
        }
    }
    found
}

/// The modules that `code` declares in files of their own, with the path that an attribute gives them. `text` is
/// the file with its strings.
pub(super) fn modules(code: &str, text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for (line, original) in code.lines().zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [.., "mod", name] = words[..]
            && let Some(name) = name.strip_suffix(';')
        {
            found.push((name.to_owned(), None));
        } else if line.trim_start().starts_with("#[path") {
            found.push((String::new(), original.split('"').nth(1).map(str::to_owned)));
        }
    }
    // A path stands on the line before its module.
    let paths = found.clone();
    for (module, before) in found.iter_mut().skip(1).zip(&paths) {
        if before.0.is_empty() {
            module.1.clone_from(&before.1);
        }
    }
    found.retain(|(name, _)| !name.is_empty());
    found
}

#[test]
fn literals_and_comments_are_not_code() {
    let text = "a(\"{\\\"\", r#\"{\"#, '{', '\\'', b'{', 'é') // {\nfn f<'a>() { /* } */ }\n";
    let code = code_only(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('{').count(), 1);
    assert_eq!(functions(&code), [("f".to_owned(), 1)]);
}

#[test]
fn modules_are_found_with_their_paths() {
    let text = "mod a;\npub(crate) mod b;\n#[path = \"c/d.rs\"]\nmod d;\nmod e { }\n// mod f;\n";
    let found = modules(&code_only(text), text);
    assert_eq!(
        found,
        [("a".to_owned(), None), ("b".to_owned(), None), ("d".to_owned(), Some("c/d.rs".to_owned()))]
    );
}
