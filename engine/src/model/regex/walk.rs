//! Matching of many strings, most of which begin as the one before them does.
//!
//! The automaton's state after each byte of a string is kept, so that the next string is read from the first
//! byte on that it does not share. Often the first bytes decide for all strings that begin with them: then the
//! caller learns how many bytes those are, and need not look at the others.

use std::collections::BTreeMap;

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
    /// The states met so far.
    table: Table,
    /// The state after each number of bytes of the last string; meaningful up to `depth`.
    states: Vec<State>,
    /// Bytes of the last string that were read and decided nothing.
    depth: usize,
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
        let (table, states) = (Table::new(dfa), Vec::new());
        let mut lazy = Self { dfa, looks_ahead: *looks_ahead, cache, table, states, depth: 0 };
        lazy.restart().ok()?;
        Some(lazy)
    }

    /// Forgets all states, as the cache did.
    fn restart(&mut self) -> Result<(), Undecided> {
        let start = start::Config::new().anchored(Anchored::Yes);
        let start = self.dfa.start_state(&mut self.cache, &start).map_err(|_| Undecided::OutOfMemory)?;
        self.table = Table::new(self.dfa);
        self.depth = 0;
        self.states.resize(self.states.len().max(1), UNKNOWN);
        self.states[0] = self.table.state_of(start);
        Ok(())
    }

    fn step(&mut self, string: &[u8], shared: usize) -> Result<Verdict, Undecided> {
        if self.states.len() <= string.len() {
            self.states.resize(string.len() + 1, UNKNOWN);
        }
        self.depth = self.depth.min(shared);
        loop {
            let (state, read) = self.table.run(&mut self.states[self.depth..], &string[self.depth..]);
            self.depth += read;
            if !self.table.decides(state) {
                return self.matches_at_end(state).map(Verdict::One);
            }
            let at = self.depth;
            match self.table.kind(state) {
                Kind::Unknown => self.learn(at, string[at])?,
                Kind::Dead => return Ok(Verdict::All { matched: false, len: at + 1 }),
                // Automata tell of a match one byte late, on which it may depend. Of the two patterns only the one
                // that decides can match before the end.
                Kind::Match => {
                    return Ok(Verdict::All { matched: true, len: at + usize::from(self.looks_ahead) });
                }
                Kind::Quit => return Err(Undecided::BeyondAscii),
            }
        }
    }

    /// Computes where `byte` leads to from the state after `at` bytes.
    fn learn(&mut self, at: usize, byte: u8) -> Result<(), Undecided> {
        let (state, clears) = (self.states[at], self.cache.clear_count());
        let id = self.table.id_of(state);
        let next = self.dfa.next_state(&mut self.cache, id, byte).map_err(|_| Undecided::OutOfMemory)?;
        if self.cache.clear_count() != clears {
            return self.restart();
        }
        let next = self.table.state_of(next);
        self.table.set(state, byte, next);
        Ok(())
    }

    fn matches_at_end(&mut self, state: State) -> Result<bool, Undecided> {
        if let Some(matches) = self.table.end(state) {
            return Ok(matches);
        }
        let (id, clears) = (self.table.id_of(state), self.cache.clear_count());
        let end = self.dfa.next_eoi_state(&mut self.cache, id).map_err(|_| Undecided::OutOfMemory)?;
        if self.cache.clear_count() == clears {
            self.table.set_end(state, end.is_match());
        } else {
            self.restart()?;
        }
        Ok(end.is_match())
    }
}

/// A state: where its row begins in a [`Table`].
type State = u32;

/// Stands for what was not computed yet.
const UNKNOWN: State = 0;

/// What states decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It was not computed yet which state comes next.
    Unknown = 0,
    /// Nothing that begins so matches.
    Dead = 1,
    /// Everything that begins so matches.
    Match = 2,
    /// A byte beyond ASCII.
    Quit = 3,
}

/// Number of [`Kind`]s. They take the places of as many rows, which are never looked at.
const KINDS: u32 = 4;

/// What an automaton does at each byte, as far as it is known, made for nothing but being run quickly.
#[derive(Debug)]
struct Table {
    /// Bytes that no state tells apart are of one class.
    classes: [u8; 256],
    /// Logarithm of the length of a row.
    shift: u32,
    /// For each state the next one by class.
    rows: Vec<State>,
    /// Of each row that is no kind's: what the automaton calls the state, and whether a string that ends there matches.
    known: Vec<(LazyStateID, Option<bool>)>,
    by_id: BTreeMap<LazyStateID, State>,
}

impl Table {
    fn new(dfa: &DFA) -> Self {
        let classes = dfa.byte_classes();
        let shift = classes.alphabet_len().next_power_of_two().ilog2();
        let rows = vec![UNKNOWN; (KINDS << shift) as usize];
        let classes = std::array::from_fn(|byte| classes.get(u8::try_from(byte).unwrap_or(u8::MAX)));
        Self { classes, shift, rows, known: Vec::new(), by_id: BTreeMap::new() }
    }

    /// Reads `bytes` from the first state of `states` on, until one decides, and fills in those that do not. Returns the
    /// last state, and how many bytes decided nothing.
    #[inline]
    fn run(&self, states: &mut [State], bytes: &[u8]) -> (State, usize) {
        let Some((first, states)) = states.split_first_mut() else { return (UNKNOWN, 0) };
        let mut state = *first;
        for (read, (slot, byte)) in std::iter::zip(states, bytes).enumerate() {
            let at = state as usize + usize::from(self.classes[usize::from(*byte)]);
            state = self.rows.get(at).copied().unwrap_or(UNKNOWN);
            if self.decides(state) {
                return (state, read);
            }
            *slot = state;
        }
        (state, bytes.len())
    }

    /// Whether the state is one that decides.
    #[inline]
    const fn decides(&self, state: State) -> bool {
        state < KINDS << self.shift
    }

    /// What a state that decides says.
    const fn kind(&self, state: State) -> Kind {
        match state >> self.shift {
            0 => Kind::Unknown,
            1 => Kind::Dead,
            2 => Kind::Match,
            _ => Kind::Quit,
        }
    }

    /// The state that the automaton calls `id`.
    fn state_of(&mut self, id: LazyStateID) -> State {
        let kind = |kind: Kind| (kind as u32) << self.shift;
        if id.is_dead() {
            return kind(Kind::Dead);
        }
        if id.is_match() {
            return kind(Kind::Match);
        }
        if id.is_tagged() {
            return kind(Kind::Quit);
        }
        *self.by_id.entry(id).or_insert_with(|| {
            // The automaton's own table is not smaller, and it has a bound.
            let state = u32::try_from(self.rows.len()).expect("the cache holds fewer states than that");
            self.rows.resize(self.rows.len() + (1 << self.shift), UNKNOWN);
            self.known.push((id, None));
            state
        })
    }

    /// Where the state is in `known`.
    const fn index(&self, state: State) -> usize {
        ((state >> self.shift) - KINDS) as usize
    }

    /// What the automaton calls the state.
    fn id_of(&self, state: State) -> LazyStateID {
        self.known[self.index(state)].0
    }

    /// After the state comes `next` at `byte`.
    fn set(&mut self, state: State, byte: u8, next: State) {
        self.rows[state as usize + usize::from(self.classes[usize::from(byte)])] = next;
    }

    /// Whether a string that ends in the state matches, if it is known.
    fn end(&self, state: State) -> Option<bool> {
        self.known[self.index(state)].1
    }

    fn set_end(&mut self, state: State, matches: bool) {
        let at = self.index(state);
        self.known[at].1 = Some(matches);
    }
}
