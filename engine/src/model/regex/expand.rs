//! Templates of replacements.

use super::Captures;

/// Calls `visit` with the parts of the expanded template, in order.
pub(super) fn for_each_piece(captures: &Captures<'_, '_>, template: &[u8], mut visit: impl FnMut(&[u8])) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|&byte| byte == b'$') {
        visit(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix(b"$") {
            visit(b"$");
            rest = tail;
        } else if let Some((name, tail)) = reference(rest) {
            visit(group(captures, name).unwrap_or_default());
            rest = tail;
        } else {
            visit(b"$");
        }
    }
    visit(rest);
}

/// The name behind a dollar sign, and what follows it; `None` when that is no reference.
fn reference(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (is_braced, body) = match rest.strip_prefix(b"{") {
        Some(body) => (true, body),
        None => (false, rest),
    };
    let text = body.utf8_chunks().next()?.valid();
    let is_name = |c: char| c == '_' || c.is_alphanumeric();
    let name = &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())];
    if name.is_empty() {
        return None;
    }
    let tail = &body[name.len()..];
    if is_braced { Some((name, tail.strip_prefix(b"}")?)) } else { Some((name, tail)) }
}

/// Numbers have no leading zeros; what looks like one and is not is a name.
fn group<'s>(captures: &Captures<'_, 's>, name: &str) -> Option<&'s [u8]> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number { captures.get(name.parse().ok()?) } else { captures.get_named(name) }
}
