//! The runner must fail cases that are wrong.

use super::{MemoryStorage, Report, acceptance_options, run_script};
use crate::QueryEngine;

fn run(script: &str) -> Result<Report, String> {
    let engine = QueryEngine::new(acceptance_options());
    run_script(script, &engine, &mut || Box::new(MemoryStorage::default()))
}

/// The reasons for which the cases of a script fail.
fn failures(script: &str) -> Vec<String> {
    run(script).unwrap().failures.into_iter().map(|failure| failure.reason).collect()
}

const LOAD: &str =
    "load 1m\n  m{a=\"1\"} 1 2 3\n  m{a=\"2\"} 10 20 30\n  h {{sum:3 count:2 buckets:[1 1]}}\n\n";

/// `LOAD` and one `eval` with these lines.
fn case(lines: &str) -> Vec<String> {
    failures(&format!("{LOAD}{lines}\n"))
}

#[test]
fn right_answers_pass() {
    let right = [
        "eval instant at 1m m\n m{a=\"1\"} 2\n m{a=\"2\"} 20",
        "eval range from 0 to 2m step 1m sum(m)\n {} 11 22 33",
        "eval instant at 0 h\n h {{sum:3 count:2 buckets:[1 1]}}",
        "eval instant at 0 topk(2, m)\n expect ordered\n m{a=\"2\"} 10\n m{a=\"1\"} 1",
        "eval instant at 0 1 + 1\n 2",
        "eval instant at 0 \"a\\xc5\"\n expect string \"a\\xc5\"",
        "eval instant at 2m m{a=\"1\"}[2m]\n expect range vector from 1m to 2m step 1m\n m{a=\"1\"} 2 3",
        "eval instant at 0 m + on() m\n expect fail",
        "eval_fail instant at 0 m + on() m\n expected_fail_regexp found duplicate series.*",
        "eval instant at 0 max(h)\n expect info msg: PromQL info: ignored histogram in max aggregation (1:5)",
        "eval instant at 0 missing",
    ];
    for lines in right {
        assert_eq!(case(lines), Vec::<String>::new(), "{lines}");
    }
}

#[test]
fn wrong_answers_fail() {
    let wrong = [
        ("eval instant at 1m m\n m{a=\"1\"} 2\n m{a=\"2\"} 21", "expected 21 but got 20"),
        ("eval instant at 1m m\n m{a=\"1\"} 2", "unexpected metric"),
        ("eval instant at 1m m{a=\"1\"}\n m{a=\"1\"} 2\n m{a=\"3\"} 2", "not found"),
        ("eval instant at 1m missing\n missing 0", "not found"),
        ("eval range from 0 to 2m step 1m sum(m)\n {} 11 22", "more points than expected"),
        ("eval range from 0 to 2m step 1m sum(m)\n {} 11 _ 33", "expected float 33"),
        ("eval range from 0 to 1m step 1m sum(m)\n {} 11 22 33", "cannot return this many points"),
        ("eval instant at 0 h\n h {{sum:3 count:2 buckets:[1 2]}}", "expected {"),
        ("eval instant at 0 h\n h 1", "expected float"),
        ("eval instant at 0 m{a=\"1\"}\n m{a=\"1\"} {{count:1}}", "expected histogram"),
        ("eval instant at 0 h\n h {{sum:3 count:2 buckets:[1 1] counter_reset_hint:gauge}}", "Gauge"),
        ("eval instant at 0 topk(2, m)\n expect ordered\n m{a=\"1\"} 1\n m{a=\"2\"} 10", "at position"),
        ("eval instant at 0 1 + 1\n 3", "expected scalar 3"),
        ("eval instant at 0 1 + 1\n {} 2", "expected vector"),
        ("eval instant at 0 sum(m)\n 11", "expected scalar"),
        ("eval instant at 0 \"a\"\n expect string \"b\"", "expected string"),
        ("eval instant at 0 m\n expect fail", "expected error but got none"),
        ("eval instant at 0 m + on() m", "found duplicate series"),
        ("eval instant at 0 m + on() m\n expect fail msg: other", "expected error \"other\""),
        ("eval instant at 0 max(h)\n expect no_info", "unexpected info"),
        ("eval instant at 0 max(h)\n expect warn", "expected warn annotations but none"),
        ("eval instant at 0 max(h)\n expect info msg: other", "expected info annotation"),
        ("eval_warn instant at 0 m{a=\"1\"}\n m{a=\"1\"} 1", "expected warnings"),
        ("eval_info instant at 0 m{a=\"1\"}\n m{a=\"1\"} 1", "expected info"),
    ];
    for (lines, reason) in wrong {
        let reasons = case(lines);
        assert!(reasons.len() == 1 && reasons[0].contains(reason), "{lines}: {reasons:?}");
    }
}

#[test]
fn what_is_no_script_is_refused() {
    let refused = [
        ("evil instant at 0 m", "line 1: invalid command"),
        ("load\n", "invalid load command"),
        ("load 1x\n m 1", "invalid step definition"),
        ("load 1m\n m 1 {{", "line 2:"),
        ("load 1m\n m@st _", "no following sample line"),
        ("load 1m\n m@st _\n n 1", "does not match"),
        ("load 1m\n m@st _ _\n m 1", "@st line has 2 values but sample line has 1"),
        ("eval instant at 0 m +", "parse error"),
        ("eval instant at x m", "invalid timestamp definition"),
        ("eval range from 2m to 1m step 1m m", "is before start timestamp"),
        ("eval instant at 0 m\n m 1 2", "expecting multiple values"),
        ("eval instant at 0 m\n expect nothing", "invalid expect statement"),
        ("eval instant at 0 m\n expect warn\n expect no_warn", "cannot be used together"),
        ("eval instant at 0 m\n expect fail\n expect fail", "multiple expect fail lines"),
        ("eval instant at 0 \"a\"\n expect string a", "expected string literal not valid"),
    ];
    for (script, reason) in refused {
        let error = run(script).unwrap_err();
        assert!(error.contains(reason), "{script}: {error}");
    }
}

#[test]
fn a_load_that_storage_refuses_fails_what_follows() {
    let reasons = failures("load 1m\n m _ 1\n\nload 1m\n m 1\n\neval instant at 1m m\n m 1\n");
    assert_eq!(reasons, ["load on line 4 failed: out of order sample"]);
    assert_eq!(
        run("load 1m\n m _ 1\n\nload 1m\n m 1\n").unwrap_err(),
        "load on line 4 failed: out of order sample"
    );
}

#[test]
fn storage_derives_reset_hints() {
    let script = "
load 1m
  h {{count:5 buckets:[5]}} {{count:6 buckets:[6]}} {{count:1 buckets:[1]}} {{count:2 buckets:[2] counter_reset_hint:gauge}}

eval range from 0 to 3m step 1m h
  h {{count:5 buckets:[5] counter_reset_hint:unknown}} {{count:6 buckets:[6] counter_reset_hint:not_reset}} {{count:1 buckets:[1] counter_reset_hint:unknown}} {{count:2 buckets:[2] counter_reset_hint:gauge}}
";
    assert_eq!(failures(script), Vec::<String>::new());
}

#[test]
fn classic_histograms_become_custom_buckets() {
    let script = "
load_with_nhcb 1m
  d_bucket{le=\"1\"} 2
  d_bucket{le=\"5\"} 3
  d_bucket{le=\"+Inf\"} 4
  d_count 4
  d_sum 20

eval instant at 0 d
  d {{schema:-53 count:4 sum:20 custom_values:[1 5] buckets:[2 1 1]}}
";
    assert_eq!(failures(script), Vec::<String>::new());
}
