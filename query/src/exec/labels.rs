//! `label_replace()` and `label_join()`.

use kymo_engine::LabelsBuilder;
use regex_automata::{meta::Regex, util::captures::Captures};

use super::{
    Evaluator, Notes,
    call::argument,
    context::{Evaluated, execution, internal},
    finish::merge_same_labels,
};
use crate::{
    Error,
    lang::promql::{self, Expr},
};

const METRIC_NAME: &[u8] = b"__name__";

impl Evaluator<'_> {
    /// Sets a label to what a regular expression finds in another.
    pub(crate) fn eval_label_replace(
        &self,
        call: &promql::Call,
        notes: &mut Notes,
    ) -> Result<Evaluated, Error> {
        let target = string(call, 1)?;
        let replacement = string(call, 2)?;
        let source = string(call, 3)?;
        let pattern = String::from_utf8_lossy(string(call, 4)?);
        let regex = Regex::new(&format!("^(?s:{pattern})$"))
            .map_err(|_| execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
        check_name(target, "destination", "label_replace")?;
        let mut series = self.eval_vector(argument(call, 0)?, notes)?;
        let mut captures = regex.create_captures();
        for series in &mut series {
            let value = series.labels.get(source);
            regex.captures(value, &mut captures);
            if !captures.is_match() {
                continue;
            }
            let replaced = expand(replacement, value, &captures);
            series.labels = LabelsBuilder::from_labels(&series.labels).set(target, &replaced).build();
            series.drop_name &= target != METRIC_NAME;
        }
        merge_same_labels(series).map(Evaluated::Vector)
    }

    /// Sets a label to other labels joined.
    pub(crate) fn eval_label_join(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let target = string(call, 1)?;
        let separator = string(call, 2)?;
        let sources: Vec<&[u8]> = (3..call.args.len()).map(|i| string(call, i)).collect::<Result<_, _>>()?;
        for source in &sources {
            check_name(source, "source", "label_join")?;
        }
        check_name(target, "destination", "label_join")?;
        let mut series = self.eval_vector(argument(call, 0)?, notes)?;
        for series in &mut series {
            let values: Vec<&[u8]> = sources.iter().map(|source| series.labels.get(source)).collect();
            let joined = values.join(separator);
            series.labels = LabelsBuilder::from_labels(&series.labels).set(target, &joined).build();
            series.drop_name &= target != METRIC_NAME;
        }
        merge_same_labels(series).map(Evaluated::Vector)
    }
}

/// Argument `idx`, which the parser has found to be a string.
fn string(call: &promql::Call, idx: usize) -> Result<&[u8], Error> {
    match argument(call, idx)?.unparenthesized() {
        Expr::String(string) => Ok(&string.value),
        _ => Err(internal(format!("argument {idx} of {} is no string", call.function.name))),
    }
}

/// Whether a label can have this name.
pub(crate) fn is_label_name(name: &[u8]) -> bool {
    !name.is_empty() && std::str::from_utf8(name).is_ok()
}

fn check_name(name: &[u8], role: &str, function: &str) -> Result<(), Error> {
    if is_label_name(name) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(execution(format!("invalid {role} label name in {function}(): {name}")))
}

/// `template` with `$1`, `$name`, `${1}` and `${name}` replaced by groups and `$$` by a dollar, as Go's
/// `Regexp.Expand`: a group that does not exist is empty, and a dollar that starts no reference stays.
fn expand(template: &[u8], value: &[u8], captures: &Captures) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some(dollar) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if rest.first() == Some(&b'$') {
            out.push(b'$');
            rest = &rest[1..];
        } else if let Some((name, tail)) = reference(rest) {
            out.extend_from_slice(group(name, value, captures));
            rest = tail;
        } else {
            out.push(b'$');
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The name of a reference whose dollar has been read, and what follows it.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let text_str = text.utf8_chunks().next()?.valid();
    let (braced, start) = match text.first()? {
        b'{' => (true, 1),
        _ => (false, 0),
    };
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let len = text_str[start..].find(|c| !is_word(c)).unwrap_or(text_str.len() - start);
    if len == 0 {
        return None;
    }
    let name = &text_str[start..start + len];
    let end = start + len;
    match braced {
        false => Some((name, &text[end..])),
        true => (text.get(end) == Some(&b'}')).then(|| (name, &text[end + 1..])),
    }
}

fn group<'v>(name: &str, value: &'v [u8], captures: &Captures) -> &'v [u8] {
    let span = match name.parse::<usize>() {
        Ok(idx) => captures.get_group(idx),
        Err(_) => captures.get_group_by_name(name),
    };
    span.and_then(|span| value.get(span.range())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, pattern: &str, value: &str) -> String {
        let regex = Regex::new(pattern).unwrap();
        let mut captures = regex.create_captures();
        regex.captures(value, &mut captures);
        String::from_utf8(expand(template.as_bytes(), value.as_bytes(), &captures)).unwrap()
    }

    #[test]
    fn references_expand_as_in_go() {
        let cases = [
            ("$1-$2", "x-y"),
            ("${1}a", "xa"),
            ("$1a", ""),
            ("${n}", "y"),
            ("$$1", "$1"),
            ("a$", "a$"),
            ("${1", "${1"),
            ("$9", ""),
            ("$-", "$-"),
        ];
        for (template, expected) in cases {
            assert_eq!(expanded(template, "(x):(?P<n>y)", "x:y"), expected, "{template}");
        }
    }
}
