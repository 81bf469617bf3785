//! The label index of a block: building it, and selecting from a million values of one label.
//!
//! Expressions over many values are walked in parallel, so times are by the clock. Nothing is cached from one selection
//! to the next.

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use kymo_engine::{IndexInMemory, Labels, MatchOp, Matcher, series_order};

use support::measured;

/// Expressions that begin and end with no literal. Each names a number of letters that no fast path knows.
const REGEXES: [&str; 20] = [
    ".*-[0-9a-f]{9}-[a-z0-9]{5}",
    ".*-7c9.*-x.*",
    "[a-z]+-[0-9a-f]+-[a-z0-9]+",
    ".*[0-9]{3}.*",
    "[a-m].*-.*[0-9]",
    ".*(check|pay|cart).*-[a-f].*",
    "(?i).*CHECKOUT.*",
    "[^-]+-[^-]+-[^-]+",
    ".*-[a-f]{2}[0-9]{2}.*",
    ".*[xyz][0-9][xyz].*",
    "(.*out|.*ment)-.*-.*",
    ".+-.+-[0-9].+",
    ".*ab.*cd.*",
    "[a-z]*(-[a-z0-9]+){2}",
    ".*-(1|2|3)[0-9a-f]*-.*[a-z]",
    ".*([0-9])[a-f].*[0-9]",
    r"\w+-\w+-\w{5}",
    ".{10,20}.*[k-p]",
    "[c-s].*e.*-.*0.*",
    ".*[aeiou]{2}.*-.*[02468].",
];

const SERVICES: [&str; 20] = [
    "adverts",
    "billing",
    "cart",
    "checkout",
    "currency",
    "email",
    "frontend",
    "gateway",
    "inventory",
    "login",
    "mailer",
    "notifier",
    "orders",
    "payment",
    "quotes",
    "recommend",
    "search",
    "shipping",
    "tracking",
    "users",
];

/// As many pods as asked for, each with one series: `checkout-7c9f8d6b5-x2x7k`, all hashes random.
fn series(count: usize) -> Vec<Labels> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut text = |letters: &[u8], length: usize| {
        let picked = (0..length).map(|_| letters[random(letters.len())]);
        picked.map(char::from).collect::<String>()
    };
    let mut series: Vec<Labels> = (0..count)
        .map(|i| {
            let service = SERVICES[i % SERVICES.len()];
            let pod = format!(
                "{service}-{}-{}",
                text(b"0123456789abcdef", 9),
                text(b"bcdfghjklmnpqrstvwxz2456789", 5)
            );
            Labels::from_pairs([("__name__", "up"), ("job", service), ("pod", &pod)])
        })
        .collect();
    series.sort_by(series_order);
    series.dedup();
    series
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name.as_bytes(), value.as_bytes()).expect("the matcher is valid")
}

fn index(criterion: &mut Criterion) {
    let series = series(if measured() { 1_000_000 } else { 2_000 });
    let index = IndexInMemory::build(&series);
    let some_pod = str::from_utf8(series[series.len() / 2].get(b"pod")).expect("pods are text").to_owned();
    let mut group = criterion.benchmark_group("index");
    group.sample_size(10);
    group.bench_function("build", |b| b.iter(|| IndexInMemory::build(black_box(&series))));
    let pod = |op, value: &str| vec![matcher(op, "pod", value)];
    let mut queries = vec![
        ("equal".to_owned(), pod(MatchOp::Equal, &some_pod)),
        ("prefix".to_owned(), pod(MatchOp::Regex, "checkout-7.*")),
        ("suffix".to_owned(), pod(MatchOp::Regex, ".*x2x7k")),
        ("contains".to_owned(), pod(MatchOp::Regex, ".*7c9f.*")),
        ("all but".to_owned(), pod(MatchOp::NotRegex, ".*7c9f.*")),
        (
            "one pod and regex".to_owned(),
            [pod(MatchOp::Equal, &some_pod), pod(MatchOp::Regex, REGEXES[0])].concat(),
        ),
        (
            "a twentieth and regex".to_owned(),
            [pod(MatchOp::Regex, REGEXES[1]), vec![matcher(MatchOp::Equal, "job", "cart")]].concat(),
        ),
    ];
    queries.extend(REGEXES.iter().map(|regex| (format!("regex/{regex}"), pod(MatchOp::Regex, regex))));
    for (name, matchers) in queries {
        let expected = series.iter().filter(|labels| {
            matchers.iter().all(|matcher: &Matcher| matcher.matches(labels.get(matcher.name())))
        });
        let expected = expected.count() as u64;
        group.bench_function(name, |b| {
            b.iter_batched(
                // Compiled anew each time: a query brings its own.
                || {
                    index.forget();
                    let again =
                        |matcher: &Matcher| Matcher::new(matcher.op(), matcher.name(), matcher.value());
                    matchers.iter().map(again).collect::<Result<Vec<_>, _>>().expect("it was valid before")
                },
                |matchers| assert_eq!(index.select(&matchers).map(|ids| ids.len()), Ok(expected)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, index);
criterion_main!(benches);
