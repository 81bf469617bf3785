//! Patterns simple enough to be matched, or looked up in an index, without the engine.

use regex_syntax::hir::{Class, Dot, Hir, HirKind, Look, Repetition};

/// Most values that classes, options and combinations may stand for to be treated as a set. Alternatives that
/// are written out may be as many as there are: dashboards send thousands of them.
const VALUES_MAX: usize = 256;
/// Most bytes of all values together: a long literal before or behind many alternatives multiplies.
const VALUES_BYTES_MAX: usize = 8 << 20;
/// Most alternatives that are tried one by one.
const GLOBS_MAX: usize = 16;

/// What is known of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It matches exactly these values, sorted, each once.
    Values(Vec<Box<[u8]>>),
    /// It matches what one of these matches.
    Globs(Vec<Glob>),
    /// It needs the engine. All that it matches begins with these bytes.
    Other { prefix: Box<[u8]> },
}

/// Literals with `.*` or `.+` between them, and maybe before and behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glob {
    prefix: String,
    /// None when it is a plain literal, as an alternative can be.
    gaps: Vec<Gap>,
}

/// `.*` or `.+`, and the literal behind it, which is empty at most for the last one.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    is_non_empty: bool,
    then: String,
}

impl Shape {
    pub(super) fn of(hir: &Hir) -> Self {
        let hir = &without_edges(hir);
        if let Some(mut values) = values(hir) {
            values.sort_unstable();
            values.dedup();
            return Self::Values(values.into_iter().map(Vec::into_boxed_slice).collect());
        }
        match globs(hir) {
            Some(globs) => Self::Globs(globs),
            None => Self::Other { prefix: prefix(hir).into_boxed_slice() },
        }
    }

    pub(super) fn values(&self) -> Option<&[Box<[u8]>]> {
        match self {
            Self::Values(values) => Some(values),
            Self::Globs(_) | Self::Other { .. } => None,
        }
    }

    pub(super) fn prefix(&self) -> &[u8] {
        match self {
            Self::Values(values) if values.len() == 1 => &values[0],
            Self::Globs(globs) if globs.len() == 1 => globs[0].prefix.as_bytes(),
            Self::Other { prefix } => prefix,
            Self::Values(_) | Self::Globs(_) => &[],
        }
    }
}

impl Glob {
    pub(super) fn is_match(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(self.prefix.as_str()) else { return false };
        let Some((last, gaps)) = self.gaps.split_last() else { return rest.is_empty() };
        // The first place where a literal fits leaves most room for those behind it.
        for gap in gaps {
            let Some(tail) = gap.skip(rest) else { return false };
            let Some(at) = tail.find(gap.then.as_str()) else { return false };
            rest = &tail[at + gap.then.len()..];
        }
        last.skip(rest).is_some_and(|tail| tail.ends_with(last.then.as_str()))
    }

    pub(super) fn matches_all(&self) -> bool {
        self.matches_all_non_empty() && self.gaps.iter().all(|gap| !gap.is_non_empty)
    }

    pub(super) fn matches_all_non_empty(&self) -> bool {
        matches!(&self.gaps[..], [gap] if gap.then.is_empty()) && self.prefix.is_empty()
    }
}

impl Gap {
    /// `text` without the one character that a non-empty gap takes at least.
    fn skip<'t>(&self, text: &'t str) -> Option<&'t str> {
        if !self.is_non_empty {
            return Some(text);
        }
        text.chars().next().map(|c| &text[c.len_utf8()..])
    }
}

/// `hir` without `^` at its start and `$` at its end: the pattern is anchored anyway.
fn without_edges(hir: &Hir) -> Hir {
    let is_look = |hir: &Hir, look: Look| matches!(hir.kind(), HirKind::Look(other) if *other == look);
    match hir.kind() {
        HirKind::Look(Look::Start | Look::End) => Hir::empty(),
        HirKind::Concat(parts) => {
            let start = parts.iter().take_while(|part| is_look(part, Look::Start)).count();
            let rest = &parts[start..];
            let end = rest.iter().rev().take_while(|part| is_look(part, Look::End)).count();
            Hir::concat(rest[..rest.len() - end].to_vec())
        }
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(without_edges).collect()),
        _ => hir.clone(),
    }
}

/// All values that `hir` matches, if they are few or written out. May contain repeats.
fn values(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(|range| range.len()).sum();
            let chars = || class.ranges().iter().flat_map(|range| range.start()..=range.end());
            (count <= VALUES_MAX).then(|| chars().map(|c| c.to_string().into_bytes()).collect())
        }
        HirKind::Capture(capture) => values(&capture.sub),
        HirKind::Alternation(alternatives) => {
            let count_max = alternatives.len().max(VALUES_MAX);
            let mut all = Vec::new();
            for alternative in alternatives {
                all.extend(values(alternative)?);
                if all.len() > count_max {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                all = product(&all, &values(part)?)?;
            }
            Some(all)
        }
        HirKind::Repetition(repetition) => repeated_values(repetition),
        // At most all bytes; made of alternatives that are not UTF-8.
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            Some(bytes.map(|byte| vec![byte]).collect())
        }
        HirKind::Look(_) => None,
    }
}

/// The values of `a?`; of other counts only the parser's `{1}`, which is no repetition any more.
fn repeated_values(repetition: &Repetition) -> Option<Vec<Vec<u8>>> {
    if repetition.min != 0 || repetition.max != Some(1) {
        return None;
    }
    let mut all = values(&repetition.sub)?;
    all.push(Vec::new());
    Some(all)
}

/// Each of `heads` with each of `tails` behind it. The tree has the common start of alternatives apart from
/// the rest of them, so one times many is still what was written out.
fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let count_max = heads.len().max(tails.len()).max(VALUES_MAX);
    let count = heads.len().checked_mul(tails.len()).filter(|&count| count <= count_max)?;
    let bytes = |values: &[Vec<u8>]| values.iter().map(Vec::len).sum::<usize>();
    let all_bytes =
        bytes(heads).checked_mul(tails.len())?.checked_add(bytes(tails).checked_mul(heads.len())?)?;
    if all_bytes > VALUES_BYTES_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(count);
    for head in heads {
        all.extend(tails.iter().map(|tail| [head.as_slice(), tail].concat()));
    }
    Some(all)
}

fn globs(hir: &Hir) -> Option<Vec<Glob>> {
    match hir.kind() {
        HirKind::Capture(capture) => globs(&capture.sub),
        HirKind::Alternation(alternatives) if alternatives.len() <= GLOBS_MAX => {
            alternatives.iter().map(glob).collect()
        }
        _ => glob(hir).map(|glob| vec![glob]),
    }
}

fn glob(hir: &Hir) -> Option<Glob> {
    let mut glob = Glob { prefix: String::new(), gaps: Vec::new() };
    glob_parts(hir, &mut glob)?;
    Some(glob)
}

fn glob_parts(hir: &Hir, glob: &mut Glob) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => Some(()),
        HirKind::Capture(capture) => glob_parts(&capture.sub, glob),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| glob_parts(part, glob)),
        HirKind::Literal(literal) => {
            let literal = str::from_utf8(&literal.0).ok()?;
            let before = glob.gaps.last_mut().map_or(&mut glob.prefix, |gap| &mut gap.then);
            before.push_str(literal);
            Some(())
        }
        HirKind::Repetition(repetition) => {
            let is_any = repetition.max.is_none() && *repetition.sub == Hir::dot(Dot::AnyChar);
            if !is_any || repetition.min > 1 {
                return None;
            }
            let is_non_empty = repetition.min == 1;
            match glob.gaps.last_mut() {
                // `.*.+` is `.+`; `.+.+` would need two characters.
                Some(gap) if gap.then.is_empty() => {
                    if gap.is_non_empty && is_non_empty {
                        return None;
                    }
                    gap.is_non_empty |= is_non_empty;
                }
                _ => glob.gaps.push(Gap { is_non_empty, then: String::new() }),
            }
            Some(())
        }
        _ => None,
    }
}

/// What all matches of `hir` begin with.
fn prefix(hir: &Hir) -> Vec<u8> {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.to_vec(),
        HirKind::Capture(capture) => prefix(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => prefix(&repetition.sub),
        HirKind::Concat(parts) => concat_prefix(parts),
        HirKind::Alternation(alternatives) => alternatives
            .iter()
            .map(prefix)
            .reduce(|mut common, other| {
                let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
                common.truncate(same);
                common
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn concat_prefix(parts: &[Hir]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => all.extend_from_slice(&literal.0),
            HirKind::Look(_) | HirKind::Empty => {}
            _ => {
                all.extend(prefix(part));
                break;
            }
        }
    }
    all
}
