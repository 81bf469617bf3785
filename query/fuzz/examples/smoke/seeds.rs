//! What the mutations start from: expressions of all kinds, right and wrong.

type Inputs = Vec<Vec<u8>>;

/// Damage, six bytes each: file, kind, offset, length, value.
pub fn data_directory() -> Inputs {
    (0..=255).map(|n: u8| vec![n, n / 7, n.wrapping_mul(31), n % 5, 8, 0xff]).collect()
}

/// What the parser and series descriptions start from, and literals that end where they should not.
pub fn promql_lexer() -> Inputs {
    let literals = [
        "0x_1F.5e+3 1h30m5 .5e",
        "'\\u00e9\\U0001F600\\x' `a\nb",
        "x[step():max_of(5m,range())]#c\r:",
        "{{n_buckets:[-1 Inf]}}x3",
    ];
    let mut inputs: Inputs = literals.map(Into::into).into();
    inputs.extend(promql_parse());
    inputs.extend(promql_series());
    inputs
}

/// The inputs of the parser's acceptance scripts: what follows `> ` on a line.
pub fn promql_parse() -> Inputs {
    let scripts = [
        include_str!("../../../tests/scripts/promql_parse/printed.txt"),
        include_str!("../../../tests/scripts/promql_parse/errors.txt"),
    ];
    scripts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| Some(line.strip_prefix("> ")?.into()))
        .collect()
}

/// Choices, not text: any bytes will do.
pub fn promql_round_trip() -> Inputs {
    (0..8).map(|seed: u8| (0..200).map(|n: u8| n.wrapping_mul(seed * 2 + 37) ^ seed).collect()).collect()
}

pub fn promql_series() -> Inputs {
    let descriptions = [
        "http_requests_total{job=\"api\",\"a.b\"='c'} 0+10x10 _ 5-1x3 stale _x4 Inf NaN 1e3",
        "{__name__=\"x\"} {{schema:1 count:3 sum:2.5 buckets:[1 2] offset:-1 z_bucket:1 z_bucket_w:0.1}}x3",
        "x {{n_buckets:[1 0 2] n_offset:2 custom_values:[1 2 3] schema:-53 counter_reset_hint:gauge}}+{{sum:1}}x2",
    ];
    descriptions.map(Into::into).into()
}

pub fn regex() -> Inputs {
    let inputs = [
        "a.*b|^c$\nabxc",
        "(?i)(foo|bar)-[0-9]{1,3}\nFOO-123",
        "(?P<name>\\pL+)\\s*\\d?\\x{e9}\né12 é",
        "prefix.+\nprefix and more",
        "[^[:alpha:]](?s:.)(?-u:\\xff)\n\u{0}\n",
        "(|a)+b{2,}?\naabb",
    ];
    inputs.map(Into::into).into()
}
