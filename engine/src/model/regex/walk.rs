//! Matching of many strings, most of which begin as the one before them does.
//!
//! The automaton's state after each byte of a string is kept, so that the next string is read from the first
//! byte on that it does not share. Often the first bytes decide for all strings that begin with them: then the
//! caller learns how many bytes those are, and need not look at the others.

use regex_automata::{
    Anchored,
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
    nfa::thompson::{self, WhichCaptures},
    util::start,
};
use regex_syntax::hir::Hir;

use super::{CACHE_BYTES_MAX, NFA_BYTES_MAX, Regex, ascii, syntax};

/// How often the lazily computed states may outgrow their memory before matching string by string is cheaper.
const CACHE_CLEARS_MAX: usize = 8;

/// The automaton of a [`Walk`]: over ASCII, states computed when they are reached.
///
/// It knows two patterns: number 0 are the starts that decide whatever follows, number 1 is the whole pattern.
#[derive(Debug)]
pub(super) struct WalkDfa {
    dfa: DFA,
    /// Whether what decides may depend on the byte behind it, as `\b` does.
    looks_ahead: bool,
}

impl WalkDfa {
    /// The automaton for `hir`; none when it would be too large, or is not made of characters.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let decided = ascii::decided(hir).map_or_else(|| Some(Hir::fail()), |hir| ascii::projected(&hir))?;
        let start = Hir::look(regex_syntax::hir::Look::Start);
        let patterns = [Hir::concat(vec![start, decided]), syntax::anchored(&ascii::projected(hir)?)];
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(NFA_BYTES_MAX));
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&patterns).ok()?;
        let config = (0x80..=u8::MAX).fold(DFA::config(), |config, byte| config.quit(byte, true));
        let config = config.cache_capacity(CACHE_BYTES_MAX).minimum_cache_clear_count(Some(CACHE_CLEARS_MAX));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        Some(Self { dfa, looks_ahead: !hir.properties().look_set().is_empty() })
    }
}

/// Whether strings match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Of this string alone.
    One(bool),
    /// Of all strings whose first `len` bytes are this string's.
    All {
        /// Whether they match.
        matched: bool,
        /// Number of bytes; 0 when it is all strings.
        len: usize,
    },
}

/// One pass of a pattern over strings.
#[derive(Debug)]
pub(crate) struct Walk<'r> {
    regex: &'r Regex,
    lazy: Option<Lazy<'r>>,
    /// The last string of [`Walk::matches`].
    last: Vec<u8>,
}

#[derive(Debug)]
struct Lazy<'r> {
    dfa: &'r DFA,
    looks_ahead: bool,
    cache: Cache,
    /// The state after each number of bytes of the last string, as far as it was read and nothing was decided.
    states: Vec<LazyStateID>,
    /// How often the cache had been cleared when `states` began: a clear makes them void.
    clears: usize,
}

impl<'r> Walk<'r> {
    pub(super) fn new(regex: &'r Regex, dfa: Option<&'r WalkDfa>) -> Self {
        Self { regex, lazy: dfa.and_then(Lazy::new), last: Vec::new() }
    }

    /// Whether `string` matches, for strings that come in no order: neighbours often begin alike all the same.
    pub(crate) fn matches(&mut self, string: &[u8]) -> bool {
        let shared = self.last.iter().zip(string).take_while(|(a, b)| a == b).count();
        self.last.truncate(shared);
        self.last.extend_from_slice(&string[shared..]);
        match self.step(string, shared) {
            Verdict::One(matched) | Verdict::All { matched, .. } => matched,
        }
    }

    /// Looks at `string`, whose first `shared` bytes are those of the string before.
    pub(crate) fn step(&mut self, string: &[u8], shared: usize) -> Verdict {
        let verdict = match &mut self.lazy {
            None => return Verdict::One(self.regex.is_match(string)),
            Some(lazy) => lazy.step(string, shared),
        };
        match verdict {
            Ok(verdict) => verdict,
            Err(undecided) => {
                if undecided == Undecided::OutOfMemory {
                    self.lazy = None;
                }
                Verdict::One(self.regex.is_match(string))
            }
        }
    }
}

/// Why the automaton does not know whether a string matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undecided {
    /// The string goes beyond ASCII.
    BeyondAscii,
    /// There are too many states.
    OutOfMemory,
}

impl<'r> Lazy<'r> {
    fn new(WalkDfa { dfa, looks_ahead }: &'r WalkDfa) -> Option<Self> {
        let cache = dfa.create_cache();
        let mut lazy = Self { dfa, looks_ahead: *looks_ahead, cache, states: Vec::new(), clears: 0 };
        lazy.restart().ok()?;
        Some(lazy)
    }

    fn restart(&mut self) -> Result<(), Undecided> {
        let start = start::Config::new().anchored(Anchored::Yes);
        let start = self.dfa.start_state(&mut self.cache, &start).map_err(|_| Undecided::OutOfMemory)?;
        self.clears = self.cache.clear_count();
        self.states.clear();
        self.states.push(start);
        Ok(())
    }

    fn step(&mut self, string: &[u8], shared: usize) -> Result<Verdict, Undecided> {
        if self.cache.clear_count() != self.clears {
            self.restart()?;
        }
        self.states.truncate(shared.saturating_add(1));
        let from = self.states.len() - 1;
        let mut state = self.states[from];
        for (at, byte) in string.iter().enumerate().skip(from) {
            state = self.next(state, *byte)?;
            if !state.is_tagged() {
                self.states.push(state);
            } else if state.is_dead() {
                return Ok(Verdict::All { matched: false, len: at + 1 });
            } else if state.is_match() {
                // Automata tell of a match one byte late, on which it may depend. Of the two patterns only the one
                // that decides can match before the end.
                return Ok(Verdict::All { matched: true, len: at + usize::from(self.looks_ahead) });
            } else {
                return Err(Undecided::BeyondAscii);
            }
        }
        let end = self.dfa.next_eoi_state(&mut self.cache, state).map_err(|_| Undecided::OutOfMemory)?;
        Ok(Verdict::One(end.is_match()))
    }

    #[inline]
    fn next(&mut self, state: LazyStateID, byte: u8) -> Result<LazyStateID, Undecided> {
        // The quick way, for all transitions but the first time: nothing but a look into a table.
        let next =
            if state.is_tagged() { state } else { self.dfa.next_state_untagged(&self.cache, state, byte) };
        if next.is_unknown() || state.is_tagged() {
            return self.dfa.next_state(&mut self.cache, state, byte).map_err(|_| Undecided::OutOfMemory);
        }
        Ok(next)
    }
}
