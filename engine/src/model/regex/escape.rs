//! Characters written with a backslash: `\n`, `\x{1F600}`, `\.`.

use super::error::{RegexError, RegexErrorKind};

/// The character that the escape at the start of `pattern` stands for, and the pattern behind it.
pub(super) fn escape(pattern: &str) -> Result<(char, &str), RegexError> {
    let mut rest = pattern[1..].chars();
    let Some(kind) = rest.next() else {
        return Err(RegexError::new(RegexErrorKind::TrailingBackslash, ""));
    };
    let tail = rest.as_str();
    let simple = match kind {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => return hexadecimal(pattern, tail),
        // Without a second octal digit it would be a reference to a group.
        '1'..='7' if !tail.starts_with(|c: char| c.is_digit(8)) => return Err(bad(pattern, tail)),
        '0'..='7' => return octal(pattern),
        _ if kind.is_ascii() && !kind.is_ascii_alphanumeric() => kind,
        _ => return Err(bad(pattern, tail)),
    };
    Ok((simple, tail))
}

fn octal(pattern: &str) -> Result<(char, &str), RegexError> {
    let digits = pattern[1..].bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let (code, tail) = pattern[1..].split_at(digits);
    let code = u32::from_str_radix(code, 8).ok().and_then(char::from_u32);
    code.map(|c| (c, tail)).ok_or_else(|| bad(pattern, tail))
}

fn hexadecimal<'a>(pattern: &'a str, tail: &'a str) -> Result<(char, &'a str), RegexError> {
    if let Some(body) = tail.strip_prefix('{') {
        return braced_hexadecimal(pattern, body);
    }
    let mut rest = tail.chars();
    let Some(high) = rest.next() else { return Err(bad(pattern, tail)) };
    let Some(low) = rest.next() else {
        return Err(bad(pattern, rest.as_str()));
    };
    match (high.to_digit(16), low.to_digit(16)) {
        (Some(high), Some(low)) => {
            let c = char::from_u32(high * 16 + low).ok_or_else(|| bad(pattern, rest.as_str()))?;
            Ok((c, rest.as_str()))
        }
        _ => Err(bad(pattern, rest.as_str())),
    }
}

fn braced_hexadecimal<'a>(pattern: &'a str, body: &'a str) -> Result<(char, &'a str), RegexError> {
    let (mut code, mut rest) = (None, body.chars());
    while let Some(c) = rest.next() {
        if c == '}' {
            let c = code.and_then(char::from_u32).ok_or_else(|| bad(pattern, rest.as_str()))?;
            return Ok((c, rest.as_str()));
        }
        let digit = c.to_digit(16).ok_or_else(|| bad(pattern, rest.as_str()))?;
        let next = code.unwrap_or(0) * 16 + digit;
        if next > u32::from(char::MAX) {
            break;
        }
        code = Some(next);
    }
    Err(bad(pattern, rest.as_str()))
}

/// The escape up to `tail` does not exist.
fn bad(pattern: &str, tail: &str) -> RegexError {
    RegexError::new(RegexErrorKind::Escape, &pattern[..pattern.len() - tail.len()])
}
