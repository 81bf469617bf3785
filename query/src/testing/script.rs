//! A script's commands, from its text.

use std::sync::LazyLock;

use regex_automata::{meta::Regex, util::captures::Captures};

use super::{eval::Eval, load::Load};
use crate::lang::parse_duration;

/// One command.
#[derive(Debug)]
pub(super) enum Command {
    /// Throws all samples away.
    Clear,
    /// Writes samples.
    Load(Load),
    /// Asks and compares.
    Eval(Box<Eval>),
}

/// A command with the line on which it starts, counted from 1.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) line: usize,
    pub(super) command: Command,
}

/// Parses a script.
///
/// # Errors
/// When a command is none, or an expression in it does not parse: the text says where.
pub(super) fn parse(text: &str) -> Result<Vec<Numbered>, String> {
    let lines: Vec<&str> = text.split('\n').map(trimmed).collect();
    let mut commands = Vec::new();
    let mut next = 0;
    while next < lines.len() {
        let first = next;
        next += 1;
        if lines[first].is_empty() {
            continue;
        }
        let body_end =
            |from: usize| (from..lines.len()).find(|i| lines[*i].is_empty()).unwrap_or(lines.len());
        let command = word(lines[first]).to_lowercase();
        let command = if command == "clear" {
            Command::Clear
        } else if command.starts_with("load") {
            let end = body_end(next);
            let load = Load::parse(lines[first], &lines[next..end]);
            next = end;
            Command::Load(load.map_err(|(offset, error)| at(first + offset, error))?)
        } else if command.starts_with("eval") {
            let end = body_end(next);
            let eval = Eval::parse(lines[first], &lines[next..end])
                .map_err(|(offset, error)| at(first + offset, error))?;
            // Some expectations end the block early; what follows is a command of its own then.
            next += eval.1;
            Command::Eval(Box::new(eval.0))
        } else {
            return Err(at(first, format!("invalid command {:?}", lines[first])));
        };
        commands.push(Numbered { line: first + 1, command });
    }
    Ok(commands)
}

fn at(line: usize, error: String) -> String {
    format!("line {}: {error}", line + 1)
}

/// A line without white space around it; a comment is an empty line.
fn trimmed(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') { "" } else { line }
}

/// The text up to the first blank.
pub(super) fn word(line: &str) -> &str {
    line.split([' ', '\t']).next().unwrap_or_default()
}

/// Milliseconds of a duration.
pub(super) fn millis(text: &str) -> Result<i64, String> {
    parse_duration(text).map(|nanos| nanos / 1_000_000).map_err(|error| error.to_string())
}

/// A pattern of the script language.
pub(super) struct Pattern(LazyLock<Regex>);

impl Pattern {
    /// A pattern that `compile` makes.
    pub(super) const fn new(compile: fn() -> Regex) -> Self {
        Self(LazyLock::new(compile))
    }

    /// The groups of `text`, without the whole; empty where a group does not take part.
    pub(super) fn groups<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut captures: Captures = self.0.create_captures();
        self.0.captures(text, &mut captures);
        if !captures.is_match() {
            return None;
        }
        let group = |i: usize| captures.get_group(i).map_or("", |span| &text[span.range()]);
        Some((1..captures.group_len()).map(group).collect())
    }
}

/// Compiles one of the language's own patterns.
pub(super) fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the script language's patterns are valid")
}
