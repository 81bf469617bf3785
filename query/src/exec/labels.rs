//! `label_replace()` and `label_join()`.

use kymo_engine::{LabelsBuilder, Regex};

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
        let pattern = string(call, 4)?;
        // Matchers take plain bytes that are not UTF-8; here upstream compiles every pattern, and refuses them.
        let regex = Regex::new(pattern).ok().filter(|_| str::from_utf8(pattern).is_ok());
        let regex = regex.ok_or_else(|| {
            let pattern = String::from_utf8_lossy(pattern);
            execution(format!("invalid regular expression in label_replace(): {pattern}"))
        })?;
        check_name(target, "destination", "label_replace")?;
        let mut series = self.eval_vector(argument(call, 0)?, notes)?;
        let mut replaced = Vec::new();
        for series in &mut series {
            let Some(captures) = regex.captures(series.labels.get(source)) else {
                continue;
            };
            // A replacement can name a group any number of times.
            self.take_label_value(captures.expanded_len(replacement))?;
            replaced.clear();
            captures.expand(replacement, &mut replaced);
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
            let separators = separator.len() * values.len().saturating_sub(1);
            let joined_len = values.iter().map(|value| value.len()).sum::<usize>() + separators;
            self.take_label_value(joined_len)?;
            let joined = values.join(separator);
            series.labels = LabelsBuilder::from_labels(&series.labels).set(target, &joined).build();
            series.drop_name &= target != METRIC_NAME;
        }
        merge_same_labels(series).map(Evaluated::Vector)
    }

    /// Takes the memory of a new label value of `len` bytes.
    fn take_label_value(&self, len: usize) -> Result<(), Error> {
        // Until its label set is built the value is there this often.
        const COPIES: usize = 4;
        let budget = &self.shared.budget;
        budget.memory().probe(len.saturating_mul(COPIES))?;
        budget.take_bytes(len)
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
