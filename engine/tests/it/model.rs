//! Random operations against a naive model: a map of maps in which the first value written at a time stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kymo_engine::{Engine, Env, Labels, MemFs};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use crate::support::{Content, config, content, env, equal, labels, open};

const MINUTE: i64 = 60_000;

#[derive(Debug, Clone)]
enum Operation {
    /// One request: series, time in minutes, value.
    Append(Vec<(usize, i64, u8)>),
    Flush,
    Maintain,
    Compact,
    /// Closes properly and opens again.
    Reopen,
    /// Opens again as after kill -9.
    Kill,
    /// Deletes one series in a range of minutes.
    Delete(usize, i64, i64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let row = (0_usize..6, 0_i64..600, any::<u8>());
    prop_oneof![
        12 => vec(row, 1..60).prop_map(Operation::Append),
        2 => Just(Operation::Flush),
        2 => Just(Operation::Maintain),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Kill),
        1 => (0_usize..6, 0_i64..600, 0_i64..200).prop_map(|(s, from, len)| Operation::Delete(s, from, from + len)),
    ]
}

/// What was sent, and at which times of which series different values were.
#[derive(Default)]
struct Model {
    content: Content,
    contested: BTreeSet<(Labels, i64)>,
}

impl Model {
    fn send(&mut self, labels: Labels, ts: i64, bits: u64) {
        if *self.content.entry(labels.clone()).or_default().entry(ts).or_insert(bits) != bits {
            self.contested.insert((labels, ts));
        }
    }
}

/// Appends the rows. Only what contradicts another row may be refused.
fn append_rows(engine: &Engine, model: &mut Model, rows: &[(usize, i64, u8)]) {
    let mut batch = engine.batch();
    for (series, minute, value) in rows {
        model.send(labels(*series), minute * MINUTE, f64::from(*value).to_bits());
        let id = batch.series(&labels(*series), None).unwrap();
        batch.float(id, minute * MINUTE, 0, f64::from(*value));
    }
    let outcome = batch.commit().unwrap();
    assert_eq!(outcome.floats + outcome.refused_count, rows.len() as u64);
    for row in outcome.refused {
        let row = (row.labels, row.ts.unwrap());
        assert!(model.contested.contains(&row), "{row:?} contradicts nothing");
    }
}

fn run(env: &Env, operations: &[Operation]) {
    let mut engine = open(env, config());
    let mut model = Model::default();
    for operation in operations {
        match operation {
            Operation::Append(rows) => append_rows(&engine, &mut model, rows),
            Operation::Flush => drop(engine.flush().unwrap()),
            Operation::Maintain => engine.maintain().unwrap(),
            Operation::Compact => engine.compact().unwrap(),
            Operation::Reopen => {
                engine.close().unwrap();
                engine = open(env, config());
            }
            Operation::Kill => {
                drop(engine);
                engine = open(env, config());
            }
            Operation::Delete(series, from, to) => {
                let matchers: Vec<_> = labels(*series)
                    .iter()
                    .map(|label| {
                        equal(
                            std::str::from_utf8(label.name).unwrap(),
                            std::str::from_utf8(label.value).unwrap(),
                        )
                    })
                    .collect();
                engine.delete_series(&matchers, from * MINUTE, to * MINUTE).unwrap();
                if let Some(samples) = model.content.get_mut(&labels(*series)) {
                    samples.retain(|ts, _| !(from * MINUTE..=to * MINUTE).contains(ts));
                }
            }
        }
        model.content.retain(|_, samples: &mut BTreeMap<_, _>| !samples.is_empty());
        assert_eq!(content(&engine), model.content, "after {operation:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/model.txt"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_is_a_map_of_maps(operations in vec(operation(), 1..40)) {
        run(&env(Arc::new(MemFs::default())), &operations);
    }
}
