//! A pattern as an automaton over single ASCII characters sees it.
//!
//! Whoever walks strings byte by byte and stops at the first character beyond ASCII needs no transitions for
//! those, only to know that one could follow. So each of them, whichever it is, becomes one and the same byte:
//! the automaton is small whatever the classes of the pattern, exact as long as it reads ASCII, and dead only
//! where nothing that could follow makes a match.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Dot, Hir, HirKind, Look, Repetition};

/// Stands for every character beyond ASCII; never read.
const BEYOND_ASCII: u8 = 0x80;

/// `hir` over ASCII. None when it has parts that are not made of characters.
pub(super) fn projected(hir: &Hir) -> Option<Hir> {
    let all = |parts: &[Hir]| parts.iter().map(projected).collect::<Option<Vec<_>>>();
    Some(match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => {
            let chars = str::from_utf8(&literal.0).ok()?.chars();
            Hir::literal(chars.map(projected_char).collect::<Vec<_>>())
        }
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges().iter();
            let ranges = ranges.map(|range| {
                ClassBytesRange::new(projected_char(range.start()), projected_char(range.end()))
            });
            Hir::class(Class::Bytes(ClassBytes::new(ranges)))
        }
        HirKind::Class(Class::Bytes(_)) => return None,
        HirKind::Look(look @ (Look::Start | Look::End | Look::StartLF | Look::EndLF))
        | HirKind::Look(look @ (Look::WordAscii | Look::WordAsciiNegate)) => Hir::look(*look),
        HirKind::Look(_) => return None,
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(projected(&repetition.sub)?), ..repetition.clone() })
        }
        HirKind::Capture(capture) => projected(&capture.sub)?,
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
    })
}

fn projected_char(c: char) -> u8 {
    u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(BEYOND_ASCII)
}

/// What is left of `hir` before a `.*` at its end, in those of its alternatives that have one: once this has
/// matched the start of a string, the rest of the string does not matter.
pub(super) fn decided(hir: &Hir) -> Option<Hir> {
    match hir.kind() {
        HirKind::Capture(capture) => decided(&capture.sub),
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(decided).collect();
            (!parts.is_empty()).then(|| Hir::alternation(parts))
        }
        HirKind::Concat(parts) => {
            let ends = parts.iter().rev().take_while(|part| *part.kind() == HirKind::Look(Look::End)).count();
            let (last, before) = parts[..parts.len() - ends].split_last()?;
            Some(Hir::concat(before.iter().cloned().chain([decided(last)?]).collect()))
        }
        HirKind::Repetition(repetition) if repetition.max.is_none() && is_any(&repetition.sub) => {
            Some(match repetition.min {
                0 => Hir::empty(),
                min => Hir::repetition(Repetition { max: Some(min), ..repetition.clone() }),
            })
        }
        _ => None,
    }
}

fn is_any(hir: &Hir) -> bool {
    *hir == Hir::dot(Dot::AnyChar)
}
