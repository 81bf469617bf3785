//! Regular expressions in the RE2 dialect of Go, which PromQL's matchers and `label_replace` use.
//!
//! Rust's engine matches, but its syntax is another: `\d`, `\w`, `\s` and `\b` are Unicode's there and
//! ASCII's here, `[a&&b]` is an intersection there and four characters here, `\Q...\E` exists only here. So
//! patterns are parsed here and handed to the engine as a tree. Error texts are Go's.
//!
//! * `syntax` - pattern to tree; `class` - sets of characters; `escape` - escapes
//! * `shape` - patterns that need no engine: sets of literals, prefixes, suffixes, substrings
//! * `expand` - templates of replacements, `$1`
//! * `text` - subjects that are not UTF-8
//! * `walk` - many subjects in order, without reading twice what they share; `ascii` - its view of patterns

mod ascii;
mod class;
mod error;
mod escape;
mod expand;
mod shape;
mod syntax;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use std::sync::OnceLock;

use regex_automata::{Anchored, Input, meta};
use regex_syntax::hir::Hir;

pub use error::{RegexError, RegexErrorKind};
pub(crate) use walk::{Verdict, Walk};

use shape::Shape;
use text::Text;
use walk::WalkDfa;

/// Most memory that the compiled form of one pattern may take, in bytes.
const NFA_BYTES_MAX: usize = 8 << 20;
/// Most memory for the transitions that matching computes lazily, in bytes and per thread that matches.
const CACHE_BYTES_MAX: usize = 2 << 20;

/// A compiled pattern, anchored at both ends, with a dot that matches newlines: `^(?s:pattern)$`.
#[derive(Debug)]
pub struct Regex {
    pattern: Box<[u8]>,
    hir: Hir,
    /// Compiled at once if matching needs it, else when groups are asked for: most matchers of dashboards are
    /// literals and prefixes, and compiling is what costs.
    engine: OnceLock<meta::Regex>,
    shape: Shape,
    /// Made when it is first needed: few patterns ever look through an index.
    walk: OnceLock<Option<WalkDfa>>,
    /// Names of the groups by number; the whole match has number 0 and no name.
    names: Vec<Option<String>>,
}

impl Regex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// When `pattern` is not a regular expression of the dialect, or what matches it takes more than 8 MiB.
    pub fn new(pattern: &[u8]) -> Result<Self, RegexError> {
        let parsed = match str::from_utf8(pattern) {
            Ok(text) => syntax::parse(text)?,
            Err(_) => syntax::parse_bytes(pattern)?,
        };
        let shape = Shape::of(&parsed.hir);
        let engine = OnceLock::new();
        if let Shape::Other { .. } = shape {
            let compiled = compile(&parsed.hir, Some(NFA_BYTES_MAX))
                .map_err(|_| RegexError::new(RegexErrorKind::Large, String::from_utf8_lossy(pattern)))?;
            engine.get_or_init(|| compiled);
        }
        Ok(Self {
            pattern: pattern.into(),
            hir: parsed.hir,
            engine,
            shape,
            walk: OnceLock::new(),
            names: parsed.names,
        })
    }

    fn engine(&self) -> &meta::Regex {
        self.engine.get_or_init(|| {
            compile(&self.hir, None).expect("without a limit, a tree of literals and dots compiles")
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn pattern(&self) -> &[u8] {
        &self.pattern
    }

    /// Whether the whole of `subject` matches.
    #[must_use]
    pub fn is_match(&self, subject: &[u8]) -> bool {
        if let Some(values) = self.shape.values() {
            return values.binary_search_by(|value| value.as_ref().cmp(subject)).is_ok();
        }
        let text = Text::new(subject);
        match &self.shape {
            Shape::Globs(globs) => globs.iter().any(|glob| glob.is_match(text.as_str())),
            _ => self.engine().is_match(Input::new(text.as_str()).anchored(Anchored::Yes)),
        }
    }

    /// The groups of the match of the whole of `subject`, if it matches.
    #[must_use]
    pub fn captures<'r, 's>(&'r self, subject: &'s [u8]) -> Option<Captures<'r, 's>> {
        if self.names.len() == 1 {
            // Only the whole, which is the subject. Patterns that are not UTF-8 are among these.
            let groups = vec![Some((0, subject.len()))];
            return self.is_match(subject).then_some(Captures { names: &self.names, subject, groups });
        }
        let text = Text::new(subject);
        let mut captures = self.engine().create_captures();
        self.engine().captures(Input::new(text.as_str()).anchored(Anchored::Yes), &mut captures);
        if !captures.is_match() {
            return None;
        }
        let groups = (0..captures.group_len()).map(|group| {
            let span = captures.get_group(group)?;
            Some((text.original_offset(span.start), text.original_offset(span.end)))
        });
        Some(Captures { names: &self.names, subject, groups: groups.collect() })
    }

    /// A pass over subjects of which each begins, mostly, as the one before does.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk::new(self, self.walk.get_or_init(|| WalkDfa::new(&self.hir)).as_ref())
    }

    /// All subjects that match, sorted, each once, when they are few.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[Box<[u8]>]> {
        self.shape.values()
    }

    /// What all matching subjects begin with; empty when nothing is known.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        let prefix = self.shape.prefix();
        // A replacement character also matches a bad byte, and a part of a character may be part of that one.
        let known = prefix.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let end = known.find(char::REPLACEMENT_CHARACTER).unwrap_or(known.len());
        &prefix[..end]
    }

    /// Whether every subject matches: `.*`.
    #[must_use]
    pub fn matches_all(&self) -> bool {
        matches!(&self.shape, Shape::Globs(globs) if globs.iter().any(|glob| glob.matches_all()))
    }

    /// Whether every subject but the empty one matches, and maybe that one, too: `.+`.
    #[must_use]
    pub fn matches_all_non_empty(&self) -> bool {
        matches!(&self.shape, Shape::Globs(globs) if globs.iter().any(|glob| glob.matches_all_non_empty()))
    }
}

/// The engine for `hir`, anchored at both ends.
fn compile(hir: &Hir, nfa_bytes_max: Option<usize>) -> Result<meta::Regex, Box<meta::BuildError>> {
    let config = meta::Config::new()
        .nfa_size_limit(nfa_bytes_max)
        .hybrid_cache_capacity(CACHE_BYTES_MAX)
        // Both ends are anchored, so no empty match inside of a character is ever reported.
        .utf8_empty(false);
    meta::Builder::new().configure(config).build_from_hir(&syntax::anchored(hir)).map_err(Box::new)
}

/// The groups of one match.
#[derive(Debug)]
pub struct Captures<'r, 's> {
    names: &'r [Option<String>],
    subject: &'s [u8],
    groups: Vec<Option<(usize, usize)>>,
}

impl<'s> Captures<'_, 's> {
    /// The part of the subject that the group of this number matched; 0 is the whole.
    #[must_use]
    pub fn get(&self, group: usize) -> Option<&'s [u8]> {
        let (start, end) = (*self.groups.get(group)?)?;
        self.subject.get(start..end)
    }

    /// The first group of this name that matched.
    fn get_named(&self, name: &str) -> Option<&'s [u8]> {
        self.names
            .iter()
            .enumerate()
            .filter(|(_, other)| other.as_deref() == Some(name))
            .find_map(|(group, _)| self.get(group))
    }

    /// Appends `template` to `out`, `$1`, `$name` and `${name}` in it replaced by groups, as Go's
    /// `Regexp.Expand` does it: names are as long as possible, unknown groups are empty, `$$` is `$`.
    pub fn expand(&self, template: &[u8], out: &mut Vec<u8>) {
        expand::for_each_piece(self, template, |piece| out.extend_from_slice(piece));
    }

    /// How many bytes [`Captures::expand`] would append: with long groups that are named often, any number.
    #[must_use]
    pub fn expanded_len(&self, template: &[u8]) -> usize {
        let mut len = 0_usize;
        expand::for_each_piece(self, template, |piece| len = len.saturating_add(piece.len()));
        len
    }
}
