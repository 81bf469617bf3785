//! From a pattern to the tree that the engine compiles.
//!
//! Groups are kept on a stack of our own instead of the call stack, and their number is limited because the
//! engine's compiler recurses.

use regex_syntax::hir::{Capture, Class, Dot, Hir, HirKind, Look, Repetition};

use super::{
    class,
    error::{RegexError, RegexErrorKind},
    escape::escape,
};

/// How deep groups may nest. Go allows 1,000; the compiler of the engine recurses on threads with small stacks.
const DEPTH_MAX: usize = 250;
/// Most repetitions that counts, multiplied over nested ones, may ask for.
const REPEAT_MAX: u32 = 1000;

/// Most parts of a pattern, plain characters aside: each range of a class is one, each operator and group. It
/// refuses hostile patterns before they are compiled, which takes far longer than to read them.
const PARTS_MAX: usize = 100_000;

/// A parsed pattern.
pub(super) struct Parsed {
    pub(super) hir: Hir,
    /// Names of the groups by number; number 0 is the whole match.
    pub(super) names: Vec<Option<String>>,
}

/// `hir` between the start and the end of the text.
pub(super) fn anchored(hir: &Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir.clone(), Hir::look(Look::End)])
}

/// Parses `pattern` with the flags that matchers have: dot matches newlines.
pub(super) fn parse(pattern: &str) -> Result<Parsed, RegexError> {
    let flags = Flags { dot_matches_newline: true, ..Flags::default() };
    let groups = vec![Group::new(flags, None)];
    let mut parser = Parser { pattern, groups, flags, names: vec![None], parts: 0 };
    parser.run()?;
    let whole = match (parser.groups.pop(), parser.groups.is_empty()) {
        (Some(whole), true) => whole,
        _ => return Err(RegexError::new(RegexErrorKind::MissingParen, pattern)),
    };
    Ok(Parsed { hir: whole.finish().hir, names: parser.names })
}

/// Parses a pattern that is not UTF-8. Upstream compares alternatives of plain bytes before it parses, and so
/// accepts them; nothing else.
pub(super) fn parse_bytes(pattern: &[u8]) -> Result<Parsed, RegexError> {
    if pattern.iter().any(|byte| b"\\.+*?()[]{}^$".contains(byte)) {
        return Err(error_in_bytes(pattern));
    }
    let literals = pattern.split(|&byte| byte == b'|').map(Hir::literal);
    Ok(Parsed { hir: Hir::alternation(literals.collect()), names: vec![None] })
}

/// What is wrong with a pattern that is not UTF-8: the first bad byte, unless something is wrong before it.
///
/// What is read when that byte comes up shows by putting a character into its place that no pattern has: an
/// error that takes it in had not been found before it.
fn error_in_bytes(pattern: &[u8]) -> RegexError {
    const PLACEHOLDER: char = char::MAX;
    let valid = pattern.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let rest = || String::from_utf8_lossy(&pattern[valid.len()..]);
    match parse(&format!("{valid}{PLACEHOLDER}")) {
        Err(RegexError {
            kind: kind @ (RegexErrorKind::UnexpectedParen | RegexErrorKind::NestingDepth),
            ..
        }) => RegexError::new(kind, String::from_utf8_lossy(pattern)),
        Err(error) if error.kind != RegexErrorKind::MissingParen && !error.part.ends_with(PLACEHOLDER) => {
            error
        }
        _ => RegexError::new(RegexErrorKind::Utf8, rest()),
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
    swap_greed: bool,
}

struct Parser<'a> {
    pattern: &'a str,
    /// Open groups, the outermost first.
    groups: Vec<Group>,
    flags: Flags,
    names: Vec<Option<String>>,
    /// How many parts have been read, of [`PARTS_MAX`].
    parts: usize,
}

/// An open group.
struct Group {
    alternatives: Vec<Node>,
    items: Vec<Node>,
    /// Flags to go back to when it closes.
    flags: Flags,
    /// Its number if it captures.
    capture: Option<u32>,
}

/// A part of the tree.
struct Node {
    hir: Hir,
    /// How often its innermost part may be repeated by counts.
    repeats: u32,
}

impl Group {
    const fn new(flags: Flags, capture: Option<u32>) -> Self {
        Self { alternatives: Vec::new(), items: Vec::new(), flags, capture }
    }

    fn end_alternative(&mut self) {
        let items = std::mem::take(&mut self.items);
        self.alternatives.push(Node::join(items, Hir::concat));
    }

    fn finish(mut self) -> Node {
        self.end_alternative();
        let mut node = Node::join(self.alternatives, Hir::alternation);
        if let Some(index) = self.capture {
            node.hir = Hir::capture(Capture { index, name: None, sub: Box::new(node.hir) });
        }
        node
    }
}

impl Node {
    const fn once(hir: Hir) -> Self {
        Self { hir, repeats: 1 }
    }

    fn join(nodes: Vec<Self>, join: impl FnOnce(Vec<Hir>) -> Hir) -> Self {
        let repeats = nodes.iter().map(|node| node.repeats).max().unwrap_or(1);
        Self { hir: join(nodes.into_iter().map(|node| node.hir).collect()), repeats }
    }
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), RegexError> {
        let mut rest = self.pattern;
        // Where the repetition operator begins that has just been read.
        let mut last_repeat: Option<&str> = None;
        while let Some(c) = rest.chars().next() {
            if self.parts > PARTS_MAX {
                return Err(RegexError::new(RegexErrorKind::Large, self.pattern));
            }
            let tail = &rest[c.len_utf8()..];
            let before = rest;
            let mut is_repeat = false;
            rest = match c {
                '(' => self.open(rest)?,
                '|' => {
                    self.top().end_alternative();
                    tail
                }
                ')' => {
                    self.close()?;
                    tail
                }
                '^' => self.push(self.line_edge(Look::StartLF, Look::Start), tail),
                '$' => self.push(self.line_edge(Look::EndLF, Look::End), tail),
                '.' => self.push(self.dot(), tail),
                '[' => {
                    let (class, tail) = class::bracketed(rest, self.flags.fold_case)?;
                    self.push(Hir::class(Class::Unicode(class)), tail)
                }
                '*' | '+' | '?' | '{' => match counts(rest)? {
                    Some((min, max, after)) => {
                        is_repeat = true;
                        self.repeat(min, max, rest, after, last_repeat)?
                    }
                    None => self.push_char(c, tail),
                },
                '\\' => self.escaped(rest)?,
                _ => self.push_char(c, tail),
            };
            last_repeat = is_repeat.then_some(before);
        }
        Ok(())
    }

    fn top(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the outermost group closes only at the end")
    }

    fn push<'t>(&mut self, hir: Hir, tail: &'t str) -> &'t str {
        self.parts += match hir.kind() {
            HirKind::Literal(_) => 0,
            HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
            _ => 1,
        };
        self.top().items.push(Node::once(hir));
        tail
    }

    fn push_char<'t>(&mut self, c: char, tail: &'t str) -> &'t str {
        let hir = if self.flags.fold_case {
            Hir::class(Class::Unicode(class::single(c, true)))
        } else {
            Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
        };
        self.push(hir, tail)
    }

    fn line_edge(&self, of_line: Look, of_text: Look) -> Hir {
        Hir::look(if self.flags.multi_line { of_line } else { of_text })
    }

    fn dot(&self) -> Hir {
        Hir::dot(if self.flags.dot_matches_newline { Dot::AnyChar } else { Dot::AnyCharExceptLF })
    }

    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        before: &str,
        after: &'a str,
        last_repeat: Option<&str>,
    ) -> Result<&'a str, RegexError> {
        let (is_lazy, after) = match after.strip_prefix('?') {
            Some(after) => (true, after),
            None => (false, after),
        };
        let part = |from: &str| from[..from.len() - after.len()].to_owned();
        if let Some(last) = last_repeat {
            return Err(RegexError::new(RegexErrorKind::NestedRepeat, part(last)));
        }
        self.parts += 1;
        let greedy = is_lazy == self.flags.swap_greed;
        let Some(Node { hir, repeats }) = self.top().items.pop() else {
            return Err(RegexError::new(RegexErrorKind::MissingRepeatArgument, part(before)));
        };
        let mut repeats = repeats;
        if before.starts_with('{') {
            // Nothing inside of what is repeated zero times counts.
            repeats = repeats.saturating_mul(max.unwrap_or(min));
            if (min >= 2 || max.is_some_and(|max| max >= 2)) && repeats > REPEAT_MAX {
                return Err(RegexError::new(RegexErrorKind::RepeatSize, part(before)));
            }
            repeats = repeats.max(1);
        }
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(hir) });
        self.top().items.push(Node { hir, repeats });
        Ok(after)
    }

    fn escaped(&mut self, rest: &'a str) -> Result<&'a str, RegexError> {
        let kind = rest[1..].chars().next();
        let tail = &rest[1 + kind.map_or(0, char::len_utf8)..];
        match kind {
            Some('A') => Ok(self.push(Hir::look(Look::Start), tail)),
            Some('z') => Ok(self.push(Hir::look(Look::End), tail)),
            Some('b') => Ok(self.push(Hir::look(Look::WordAscii), tail)),
            Some('B') => Ok(self.push(Hir::look(Look::WordAsciiNegate), tail)),
            Some('C') => Err(RegexError::new(RegexErrorKind::Escape, &rest[..2])),
            Some('Q') => {
                let (literal, tail) = tail.split_once("\\E").unwrap_or((tail, ""));
                for c in literal.chars() {
                    self.push_char(c, "");
                }
                Ok(tail)
            }
            _ => {
                if let Some((class, tail)) = class::escaped_class(rest, self.flags.fold_case)? {
                    return Ok(self.push(Hir::class(Class::Unicode(class)), tail));
                }
                let (c, tail) = escape(rest)?;
                Ok(self.push_char(c, tail))
            }
        }
    }

    fn open(&mut self, rest: &'a str) -> Result<&'a str, RegexError> {
        self.parts += 1;
        if self.groups.len() > DEPTH_MAX {
            return Err(RegexError::new(RegexErrorKind::NestingDepth, self.pattern));
        }
        if let Some(body) = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<")) {
            return self.open_named(rest, body);
        }
        if let Some(body) = rest.strip_prefix("(?") {
            return self.open_with_flags(rest, body);
        }
        self.open_capture(None);
        Ok(&rest[1..])
    }

    fn open_capture(&mut self, name: Option<String>) {
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name);
        self.groups.push(Group::new(self.flags, Some(index)));
    }

    fn open_named(&mut self, rest: &'a str, body: &'a str) -> Result<&'a str, RegexError> {
        let bad = |part: &str| RegexError::new(RegexErrorKind::NamedCapture, part);
        let Some((name, tail)) = body.split_once('>') else { return Err(bad(rest)) };
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
            return Err(bad(&rest[..rest.len() - tail.len()]));
        }
        self.open_capture(Some(name.to_owned()));
        Ok(tail)
    }

    /// `(?i-s)` changes flags up to the end of the group around it, `(?i-s:` opens a group.
    fn open_with_flags(&mut self, rest: &'a str, body: &'a str) -> Result<&'a str, RegexError> {
        let mut flags = self.flags;
        let (mut value, mut has_flag) = (true, false);
        let mut chars = body.chars();
        for c in chars.by_ref() {
            match c {
                'i' => flags.fold_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_matches_newline = value,
                'U' => flags.swap_greed = value,
                '-' if value => {
                    value = false;
                    has_flag = false;
                    continue;
                }
                ':' | ')' if value || has_flag => {
                    if c == ':' {
                        self.groups.push(Group::new(self.flags, None));
                    }
                    self.flags = flags;
                    return Ok(chars.as_str());
                }
                _ => break,
            }
            has_flag = true;
        }
        let part = &rest[..rest.len() - chars.as_str().len()];
        Err(RegexError::new(RegexErrorKind::PerlOp, part))
    }

    fn close(&mut self) -> Result<(), RegexError> {
        if self.groups.len() < 2 {
            return Err(RegexError::new(RegexErrorKind::UnexpectedParen, self.pattern));
        }
        if let Some(group) = self.groups.pop() {
            self.flags = group.flags;
            let node = group.finish();
            self.top().items.push(node);
        }
        Ok(())
    }
}

/// Least and most repetitions, and the pattern behind the operator; `None` when a brace is only a brace.
#[expect(clippy::type_complexity, reason = "three values that are taken apart at once")]
fn counts(rest: &str) -> Result<Option<(u32, Option<u32>, &str)>, RegexError> {
    let tail = &rest[1..];
    match rest.as_bytes().first() {
        Some(b'*') => return Ok(Some((0, None, tail))),
        Some(b'+') => return Ok(Some((1, None, tail))),
        Some(b'?') => return Ok(Some((0, Some(1), tail))),
        _ => {}
    }
    let Some((min, after_min)) = integer(tail) else { return Ok(None) };
    let (max, after_max) = match after_min.strip_prefix(',') {
        None => (Some(min), after_min),
        Some(after) if after.starts_with('}') => (None, after),
        Some(after) => match integer(after) {
            Some((max, after)) => (Some(max), after),
            None => return Ok(None),
        },
    };
    let Some(after) = after_max.strip_prefix('}') else { return Ok(None) };
    if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || max < min) {
        let part = &rest[..rest.len() - after.len()];
        return Err(RegexError::new(RegexErrorKind::RepeatSize, part));
    }
    Ok(Some((min, max, after)))
}

/// A number without leading zeros at the start of `text`; too large ones count as the largest.
fn integer(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() || number.len() > 1 && number.starts_with('0') {
        return None;
    }
    Some((number.parse().unwrap_or(u32::MAX), rest))
}
