//! Values of string literals.

/// The bytes that a quoted string stands for. The lexer has checked its escapes.
pub(super) fn unquote(literal: &str) -> Vec<u8> {
    let bytes = literal.as_bytes();
    let body = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default();
    if bytes.first() == Some(&b'`') {
        return body.to_vec();
    }
    let mut value = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'\\' {
            rest = unescape(rest, &mut value);
        } else {
            value.push(byte);
        }
    }
    value
}

/// Appends what the escape at the start of `rest` stands for, and returns what follows it.
fn unescape<'a>(rest: &'a [u8], value: &mut Vec<u8>) -> &'a [u8] {
    let Some((&kind, tail)) = rest.split_first() else { return rest };
    let simple = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'x' => return unescape_number(tail, 2, 16, value),
        b'u' => return unescape_code_point(tail, 4, value),
        b'U' => return unescape_code_point(tail, 8, value),
        b'0'..=b'7' => return unescape_number(rest, 3, 8, value),
        other => other,
    };
    value.push(simple);
    tail
}

fn unescape_number<'a>(rest: &'a [u8], digits: usize, base: u32, value: &mut Vec<u8>) -> &'a [u8] {
    let (code, tail) = take_code(rest, digits, base);
    value.extend(u8::try_from(code));
    tail
}

fn unescape_code_point<'a>(rest: &'a [u8], digits: usize, value: &mut Vec<u8>) -> &'a [u8] {
    let (code, tail) = take_code(rest, digits, 16);
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    tail
}

fn take_code(rest: &[u8], digits: usize, base: u32) -> (u32, &[u8]) {
    let (code, tail) = rest.split_at(digits.min(rest.len()));
    let digit = |byte: &u8| char::from(*byte).to_digit(base).unwrap_or_default();
    (code.iter().fold(0_u32, |code, byte| code.wrapping_mul(base).wrapping_add(digit(byte))), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unquote(r#""a\tb\"\x80\u00e9\U0001F600\101""#), b"a\tb\"\x80\xc3\xa9\xf0\x9f\x98\x80A");
        assert_eq!(unquote(r"'it\'s'"), b"it's");
        assert_eq!(unquote(r"`a\n`"), br"a\n");
    }
}
