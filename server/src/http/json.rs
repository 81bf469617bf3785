//! JSON as Go's encoder writes it.
//!
//! Hot answers (series, samples, labels) are written straight into the buffer; everything else goes through
//! serde with [`GoFormatter`], so that both escape as upstream does.

use std::io;

use kymo_engine::Labels;
use serde::Serialize;

/// Whether `<`, `>` and `&` are escaped. Upstream does it everywhere but in label sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Html {
    /// `<` becomes `\u003c`.
    Escape,
    /// `<` stays.
    Keep,
}

/// Appends `bytes` as a string in quotes; what is not UTF-8 becomes U+FFFD.
pub(crate) fn push_string(out: &mut String, bytes: &[u8], html: Html) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        push_escaped(out, chunk.valid(), html);
        for _ in chunk.invalid() {
            out.push_str(if html == Html::Escape { "\\ufffd" } else { "\u{fffd}" });
        }
    }
    out.push('"');
}

/// Appends a label set as an object, in label order.
pub(crate) fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, label.name, Html::Keep);
        out.push(':');
        push_string(out, label.value, Html::Keep);
    }
    out.push('}');
}

/// Appends `items` as an array of strings.
pub(crate) fn push_string_array<T: AsRef<[u8]>>(out: &mut String, items: &[T]) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, item.as_ref(), Html::Escape);
    }
    out.push(']');
}

/// `value` as Go would encode it.
pub(crate) fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, GoFormatter))?;
    String::from_utf8(bytes).map_err(|error| serde::ser::Error::custom(error.utf8_error()))
}

/// Copies runs that need no escape at once: nearly all strings are such runs.
fn push_escaped(out: &mut String, text: &str, html: Html) {
    let mut run = 0;
    for (at, c) in text.char_indices() {
        let Some(escape) = escape(c, html) else { continue };
        out.push_str(&text[run..at]);
        match escape {
            Escape::Short(short) => out.push_str(short),
            Escape::Code => push_code(out, c),
        }
        run = at + c.len_utf8();
    }
    out.push_str(&text[run..]);
}

enum Escape {
    Short(&'static str),
    Code,
}

fn escape(c: char, html: Html) -> Option<Escape> {
    match c {
        '"' => Some(Escape::Short("\\\"")),
        '\\' => Some(Escape::Short("\\\\")),
        '\n' => Some(Escape::Short("\\n")),
        '\r' => Some(Escape::Short("\\r")),
        '\t' => Some(Escape::Short("\\t")),
        '\0'..='\u{1f}' => Some(Escape::Code),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if html == Html::Escape => Some(Escape::Code),
        _ => None,
    }
}

fn push_code(out: &mut String, c: char) {
    use std::fmt::Write as _;
    let _: std::fmt::Result = write!(out, "\\u{:04x}", u32::from(c));
}

/// Serde's compact form with Go's escapes.
struct GoFormatter;

impl serde_json::ser::Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut escaped = String::with_capacity(text.len());
        push_escaped(&mut escaped, text, Html::Escape);
        writer.write_all(escaped.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: serde_json::ser::CharEscape,
    ) -> io::Result<()> {
        use serde_json::ser::CharEscape;
        let c = match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => char::from(byte),
        };
        let mut escaped = String::new();
        push_escaped(&mut escaped, c.encode_utf8(&mut [0; 4]), Html::Escape);
        writer.write_all(escaped.as_bytes())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let mut text = String::new();
        super::number::push_json_float(&mut text, value);
        writer.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_keep_html_and_ordinary_strings_do_not() {
        let labels = Labels::from_pairs([("a", "<b>&\"\n\u{1}")]);
        let mut out = String::new();
        push_labels(&mut out, &labels);
        assert_eq!(out, r#"{"a":"<b>&\"\n\u0001"}"#);
        let mut out = String::new();
        push_string(&mut out, b"<b>&\xe2\x80\xa8", Html::Escape);
        assert_eq!(out, r#""\u003cb\u003e\u0026\u2028""#);
    }

    #[test]
    fn what_is_not_utf8_becomes_the_replacement_character() {
        let mut out = String::new();
        push_string(&mut out, b"a\xffb", Html::Keep);
        assert_eq!(out, "\"a\u{fffd}b\"");
    }

    #[test]
    fn serde_escapes_as_go_does() {
        let value = serde_json::json!({"e": "a<b \u{8}\"\u{2029}", "f": 1.0, "n": 3});
        assert_eq!(to_string(&value).unwrap(), r#"{"e":"a\u003cb \u0008\"\u2029","f":1,"n":3}"#);
    }
}
