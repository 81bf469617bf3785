//! Random expressions for property tests and fuzzers: valid with all options on, of every kind of node.

use super::{FUNCTIONS, FunctionSignature, ValueType};

/// Picks numbers below a bound; the source of all randomness, so that tests can shrink and fuzzers can steer.
pub trait Choices {
    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: usize) -> usize;
}

/// Choices taken from bytes; zeros when they are used up, which choose the simplest alternative.
#[derive(Debug, Clone)]
pub struct ByteChoices<'a>(pub &'a [u8]);

impl Choices for ByteChoices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(byte) % bound
    }
}

const NAMES: [&str; 8] = ["x", "up", "a:b", "sum", "offset", "start", "fill", "group"];
const LABELS: [&str; 6] = ["job", "le", "by", "on", "\"a.b\"", "bool"];
const STRINGS: [&str; 6] = ["\"a\"", "'b\\n'", "`c`", "\"\\xff\"", "\"é\"", "\"\""];
const DURATIONS: [&str; 6] = ["5m", "1h30m", "90", "0x10", "1w", "250ms"];
/// Without `Inf`, which is printed with a sign, so that `Inf ^ 1` comes back as `+(Inf ^ 1)`.
const NUMBERS: [&str; 7] = ["1", "0.5", "1e3", "NaN", "5m", "1_000", "0x1F"];

/// An expression of any type, at most `depth` levels deep.
pub fn expression(choices: &mut impl Choices, depth: usize) -> String {
    match choices.below(4) {
        0 | 1 => vector(choices, depth),
        2 => scalar(choices, depth),
        _ => matrix(choices, depth),
    }
}

fn of_type(choices: &mut impl Choices, depth: usize, wanted: ValueType) -> String {
    match wanted {
        ValueType::Scalar => scalar(choices, depth),
        ValueType::String => pick(choices, &STRINGS),
        ValueType::Vector => vector(choices, depth),
        ValueType::Matrix => matrix(choices, depth),
    }
}

fn pick(choices: &mut impl Choices, from: &[&str]) -> String {
    from[choices.below(from.len())].to_owned()
}

fn maybe(choices: &mut impl Choices, text: impl FnOnce(&mut dyn Choices) -> String) -> String {
    struct Dynamic<'a, C: Choices>(&'a mut C);
    impl<C: Choices> Choices for Dynamic<'_, C> {
        fn below(&mut self, bound: usize) -> usize {
            self.0.below(bound)
        }
    }
    if choices.below(3) == 2 { text(&mut Dynamic(choices)) } else { String::new() }
}

impl Choices for &mut dyn Choices {
    fn below(&mut self, bound: usize) -> usize {
        (**self).below(bound)
    }
}

fn scalar(choices: &mut impl Choices, depth: usize) -> String {
    if depth == 0 {
        return pick(choices, &NUMBERS);
    }
    match choices.below(5) {
        0 => pick(choices, &NUMBERS),
        1 => format!("({})", scalar(choices, depth - 1)),
        2 => format!("{}{}", pick(choices, &["-", "+"]), scalar(choices, depth - 1)),
        3 => {
            let op = pick(choices, &["+", "-", "*", "/", "%", "^", "atan2", "== bool", "< bool"]);
            format!("{} {op} {}", scalar(choices, depth - 1), scalar(choices, depth - 1))
        }
        _ => call(choices, depth, ValueType::Scalar),
    }
}

fn vector(choices: &mut impl Choices, depth: usize) -> String {
    if depth == 0 {
        return selector(choices);
    }
    match choices.below(6) {
        0 => selector(choices),
        1 => format!("({})", vector(choices, depth - 1)),
        2 => format!("-({})", vector(choices, depth - 1)),
        3 => binary(choices, depth),
        4 => aggregate(choices, depth),
        _ => call(choices, depth, ValueType::Vector),
    }
}

fn matrix(choices: &mut impl Choices, depth: usize) -> String {
    if depth == 0 || choices.below(2) == 0 {
        let extension = maybe(choices, |mut choices| pick(&mut choices, &[" anchored", " smoothed"]));
        return format!("{}[{}]{extension}{}", series(choices), duration(choices, 2), times(choices));
    }
    let step = maybe(choices, |mut choices| duration(&mut choices, 1));
    // The lexer wants a number before the colon.
    let range = format!("{} + {}", pick(choices, &DURATIONS), duration(choices, 1));
    format!("({})[{range}:{step}]{}", vector(choices, depth - 1), times(choices))
}

fn selector(choices: &mut impl Choices) -> String {
    format!("{}{}", series(choices), times(choices))
}

fn series(choices: &mut impl Choices) -> String {
    let name = pick(choices, &NAMES);
    let matchers = maybe(choices, |mut choices| {
        let op = pick(&mut choices, &["=", "!=", "=~", "!~"]);
        let value = pick(&mut choices, &["\"a\"", "\"a|b.*\"", "''", "`\\d+`"]);
        format!("{{{}{op}{value}}}", pick(&mut choices, &LABELS))
    });
    name + &matchers
}

/// `@` and `offset`.
fn times(choices: &mut impl Choices) -> String {
    let at = maybe(choices, |mut choices| pick(&mut choices, &[" @ 1.5", " @ -3", " @ start()", " @ end()"]));
    let offset = maybe(choices, |mut choices| match choices.below(3) {
        0 => pick(&mut choices, &[" offset 5m", " offset -90", " offset step()", " offset -range()"]),
        1 => format!(" offset max_of({}, 1h)", duration(&mut choices, 1)),
        // Behind parentheses without a sign the grammar takes all operators for the duration's.
        _ => format!(" offset -({})", duration(&mut choices, 2)),
    });
    at + &offset
}

/// Never a plain literal zero, and an expression only where its value does not matter to the parser.
fn duration(choices: &mut impl Choices, depth: usize) -> String {
    if depth == 0 {
        return pick(choices, &DURATIONS);
    }
    match choices.below(5) {
        0 | 1 => pick(choices, &DURATIONS),
        2 => pick(choices, &["step()", "range()"]),
        3 => {
            let op = pick(choices, &["+", "-", "*", "/", "%", "^"]);
            format!("({} {op} {})", duration(choices, depth - 1), duration(choices, depth - 1))
        }
        _ => {
            let word = pick(choices, &["min_of", "max_of"]);
            format!("{word}({}, {})", duration(choices, depth - 1), duration(choices, depth - 1))
        }
    }
}

fn binary(choices: &mut impl Choices, depth: usize) -> String {
    let op = match choices.below(3) {
        0 => pick(choices, &["and", "or", "unless", "and on (job)", "or ignoring (le)"]),
        1 => pick(choices, &["+", "-", "*", "/", "%", "^", "atan2", "</", ">/"]),
        _ => pick(choices, &["== bool", "!=", "<", "<= bool", ">", ">= bool"]),
    };
    let is_set = op.starts_with(['a', 'o', 'u']) && op != "atan2";
    let modifiers = if is_set {
        String::new()
    } else {
        maybe(choices, |mut choices| {
            let side = pick(&mut choices, &["", " group_left ()", " group_right (\"a.b\")", " fill (0)"]);
            let fill = pick(&mut choices, &["", " fill_left (-1)", " fill_right (1e30) fill_left (2)"]);
            let fill = if side.contains("fill") { String::new() } else { fill };
            format!(" on (job, le){side}{fill}")
        })
    };
    format!("{} {op}{modifiers} {}", vector(choices, depth - 1), vector(choices, depth - 1))
}

fn aggregate(choices: &mut impl Choices, depth: usize) -> String {
    let grouping = maybe(choices, |mut choices| {
        let word = pick(&mut choices, &["by", "without"]);
        format!(" {word} ({}, {})", pick(&mut choices, &LABELS), pick(&mut choices, &LABELS))
    });
    let inner = vector(choices, depth - 1);
    match choices.below(3) {
        0 => format!("{}{grouping} ({inner})", pick(choices, &["sum", "avg", "count", "group", "stddev"])),
        1 => format!("count_values{grouping} ({}, {inner})", pick(choices, &STRINGS)),
        _ => {
            let op = pick(choices, &["topk", "bottomk", "quantile", "limitk", "limit_ratio"]);
            format!("{op}({}, {inner}){grouping}", scalar(choices, depth - 1))
        }
    }
}

fn call(choices: &mut impl Choices, depth: usize, wanted: ValueType) -> String {
    let fits = |function: &&FunctionSignature| function.returns == wanted && function.name != "info";
    let functions: Vec<&FunctionSignature> = FUNCTIONS.iter().filter(fits).collect();
    let function = functions[choices.below(functions.len())];
    let args: Vec<String> = function.args.iter().map(|&wanted| of_type(choices, depth - 1, wanted)).collect();
    format!("{}({})", function.name, args.join(", "))
}
