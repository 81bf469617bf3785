//! Quoting as Go's `%q` does it, which upstream's error texts and printed queries use.

use std::fmt::{self, Write as _};

/// `bytes` in double quotes; bytes that are not UTF-8 as `\xff`.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut quoted, c, '"');
        }
        for byte in chunk.invalid() {
            push_hex(&mut quoted, *byte);
        }
    }
    quoted.push('"');
    quoted
}

/// Writes the name of a label: as it is if it is a plain word, else quoted.
pub(super) fn write_name(out: &mut impl fmt::Write, name: &[u8]) -> fmt::Result {
    match str::from_utf8(name) {
        Ok(text) if is_plain_name(name) => out.write_str(text),
        _ => out.write_str(&quote(name)),
    }
}

fn is_plain_name(name: &[u8]) -> bool {
    let is_word = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
    name.iter().all(is_word) && name.first().is_some_and(|byte| !byte.is_ascii_digit())
}

/// `c` in single quotes; the end of input as Go writes a rune that does not exist.
#[must_use]
pub fn quote_char(c: Option<char>) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, c.unwrap_or(char::REPLACEMENT_CHARACTER), '\'');
    quoted.push('\'');
    quoted
}

/// Whether Go would print `c` as it is.
#[must_use]
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // The standard library's own table is private. Behind another character only what is not printable is
    // escaped; alone, combining marks would be, too.
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(1) == Some(c)
}

fn push_escaped(out: &mut String, c: char, delimiter: char) {
    match c {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        _ if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        _ if is_printable(c) => out.push(c),
        _ => push_code(out, c),
    }
}

fn push_code(out: &mut String, c: char) {
    let code = u32::from(c);
    match u8::try_from(code) {
        Ok(byte) if byte < 0x80 => push_hex(out, byte),
        _ if code < 0x1_0000 => push_formatted(out, format_args!("\\u{code:04x}")),
        _ => push_formatted(out, format_args!("\\U{code:08x}")),
    }
}

fn push_hex(out: &mut String, byte: u8) {
    push_formatted(out, format_args!("\\x{byte:02x}"));
}

fn push_formatted(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(quote(b"a\"b'\n\x00\x7f\xff\\"), r#""a\"b'\n\x00\x7f\xff\\""#);
        assert_eq!(quote("é\u{a0}\u{200b}\u{1f600}\u{e0001}".as_bytes()), "\"é\\u00a0\\u200b😀\\U000e0001\"");
        assert_eq!(quote("e\u{301}".as_bytes()), "\"e\u{301}\"");
        assert_eq!(quote_char(Some('\'')), r"'\''");
        assert_eq!(quote_char(None), "'\u{fffd}'");
    }
}
