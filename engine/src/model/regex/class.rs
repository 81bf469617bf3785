//! Sets of characters: `[a-z]`, `\d`, `\p{Greek}`, `[[:alpha:]]`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::{
    error::{RegexError, RegexErrorKind},
    escape::escape,
};

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Scripts whose names are as long as the codes of all others.
const SCRIPTS_OF_FOUR_LETTERS: [&str; 9] =
    ["Ahom", "Cham", "Kawi", "Lisu", "Miao", "Modi", "Newa", "Thai", "Toto"];

/// A set and the pattern behind it.
type Parsed<'a> = (ClassUnicode, &'a str);

/// The set `[...]` at the start of `pattern`.
pub(super) fn bracketed(pattern: &str, fold_case: bool) -> Result<Parsed<'_>, RegexError> {
    let body = pattern.strip_prefix('[').unwrap_or(pattern);
    let (is_negated, mut rest) = match body.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let mut class = ClassUnicode::empty();
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        if let Some((named, tail)) = posix(rest, fold_case)? {
            class.union(&named);
            rest = tail;
        } else if let Some((group, tail)) = escaped_class(rest, fold_case)? {
            class.union(&group);
            rest = tail;
        } else {
            let (range, tail) = range(rest, pattern)?;
            class.union(&folded(ClassUnicode::new([range]), fold_case));
            rest = tail;
        }
    }
    if is_negated {
        class.negate();
    }
    Ok((class, &rest[1..]))
}

/// A class of letters, digits and so on that is written with a backslash, if one is at the start.
pub(super) fn escaped_class(pattern: &str, fold_case: bool) -> Result<Option<Parsed<'_>>, RegexError> {
    let Some(body) = pattern.strip_prefix('\\') else { return Ok(None) };
    let Some(kind) = body.chars().next() else { return Ok(None) };
    let ranges = match kind {
        'd' | 'D' => DIGIT,
        's' | 'S' => SPACE,
        'w' | 'W' => WORD,
        'p' | 'P' => return unicode(pattern, fold_case).map(Some),
        _ => return Ok(None),
    };
    let class = group(ranges, kind.is_ascii_uppercase(), fold_case);
    Ok(Some((class, &body[1..])))
}

/// One character, or all that differ from it only by case.
pub(super) fn single(c: char, fold_case: bool) -> ClassUnicode {
    folded(ClassUnicode::new([ClassUnicodeRange::new(c, c)]), fold_case)
}

fn folded(mut class: ClassUnicode, fold_case: bool) -> ClassUnicode {
    if fold_case {
        // Without tables of cases this fails; they are compiled in.
        class.try_case_fold_simple().unwrap_or_default();
    }
    class
}

fn group(ranges: &[(char, char)], is_negated: bool, fold_case: bool) -> ClassUnicode {
    let ranges = ranges.iter().map(|&(start, end)| ClassUnicodeRange::new(start, end));
    let mut class = folded(ClassUnicode::new(ranges), fold_case);
    if is_negated {
        class.negate();
    }
    class
}

/// A character, or two with a dash between them. `whole` is the set from its bracket on.
fn range<'a>(pattern: &'a str, whole: &str) -> Result<(ClassUnicodeRange, &'a str), RegexError> {
    let (start, rest) = character(pattern, whole)?;
    let is_range = rest.starts_with('-') && rest.len() >= 2 && !rest[1..].starts_with(']');
    if !is_range {
        return Ok((ClassUnicodeRange::new(start, start), rest));
    }
    let (end, rest) = character(&rest[1..], whole)?;
    if end < start {
        let part = &pattern[..pattern.len() - rest.len()];
        return Err(RegexError::new(RegexErrorKind::CharRange, part));
    }
    Ok((ClassUnicodeRange::new(start, end), rest))
}

fn character<'a>(pattern: &'a str, whole: &str) -> Result<(char, &'a str), RegexError> {
    match pattern.chars().next() {
        None => Err(RegexError::new(RegexErrorKind::MissingBracket, whole)),
        Some('\\') => escape(pattern),
        Some(c) => Ok((c, &pattern[c.len_utf8()..])),
    }
}

/// `[:alpha:]` at the start, if it is one.
fn posix(pattern: &str, fold_case: bool) -> Result<Option<Parsed<'_>>, RegexError> {
    let Some(body) = pattern.strip_prefix("[:") else { return Ok(None) };
    let Some(end) = body.find(":]") else { return Ok(None) };
    let (name, rest) = (&body[..end], &body[end + 2..]);
    let (is_negated, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => {
            let part = &pattern[..pattern.len() - rest.len()];
            return Err(RegexError::new(RegexErrorKind::CharRange, part));
        }
    };
    Ok(Some((group(ranges, is_negated, fold_case), rest)))
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}` at the start.
fn unicode(pattern: &str, fold_case: bool) -> Result<Parsed<'_>, RegexError> {
    let mut is_negated = pattern.starts_with("\\P");
    let body = &pattern[2..];
    let bad = |part: &str| RegexError::new(RegexErrorKind::CharRange, part);
    let (mut name, rest) = match body.chars().next() {
        Some('{') => body[1..].split_once('}').ok_or_else(|| bad(pattern))?,
        Some(c) => body.split_at(c.len_utf8()),
        None => return Err(bad(pattern)),
    };
    let part = &pattern[..pattern.len() - rest.len()];
    if let Some(inner) = name.strip_prefix('^') {
        is_negated = !is_negated;
        name = inner;
    }
    let class = unicode_table(name).ok_or_else(|| bad(part))?;
    let mut class = folded(class, fold_case);
    if is_negated {
        class.negate();
    }
    Ok((class, rest))
}

/// The characters of a general category or script.
fn unicode_table(name: &str) -> Option<ClassUnicode> {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_word || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    // Text has no surrogates, which Rust's tables leave out.
    if name == "Cs" {
        return Some(ClassUnicode::empty());
    }
    // Categories go by their short names, scripts by their long ones: `Lu`, not `Uppercase_Letter`; `Latin`, not
    // `Latn`.
    let is_script = name.len() > 2 && name != "Any" || name == "Yi";
    if is_script && name.len() == 4 && !SCRIPTS_OF_FOUR_LETTERS.contains(&name) {
        return None;
    }
    let table = if is_script { "sc" } else { "gc" };
    match regex_syntax::parse(&format!("\\p{{{table}={name}}}")).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // `Zl` and `Zp` have one character each, and become that.
        HirKind::Literal(literal) => {
            let text = str::from_utf8(&literal.0).ok()?;
            Some(ClassUnicode::new(text.chars().map(|c| ClassUnicodeRange::new(c, c))))
        }
        _ => None,
    }
}
