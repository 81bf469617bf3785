//! Plans on hand-made blocks, and plans carried out to their end on random ones.

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use super::*;
use crate::model::Millis;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

fn config() -> Config {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/plan.txt");
    Config { failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))), ..Config::default() }
}

/// A block of 100 bytes.
fn block(id: u64, level: u8, range: Range<i64>) -> PlanBlock {
    PlanBlock { id, sequence: id, level, range, bytes: 100, deletions: false }
}

fn levels() -> Levels {
    Levels::for_retention(Some(Millis(30 * DAY)))
}

/// Inputs and level of the choice when the newest data is at `newest_ts`.
fn due(blocks: &[PlanBlock], newest_ts: i64) -> Option<(Vec<u64>, u8)> {
    let choice = plan(blocks, &levels(), newest_ts, Urgency::Due)?;
    Some((choice.inputs, choice.level))
}

#[test]
fn a_window_is_merged_when_data_is_past_its_end_and_the_grace() {
    let blocks = [block(1, 0, 0..HOUR), block(2, 0, HOUR..2 * HOUR), block(3, 0, 2 * HOUR..3 * HOUR)];
    let closes = 2 * HOUR + 10 * 60 * 1000;
    assert_eq!(due(&blocks, closes - 1), None);
    assert_eq!(due(&blocks, closes), Some((vec![1, 2], 1)));
}

#[test]
fn a_merge_without_room_is_done_in_part_or_left_out() {
    // Five blocks in the first window, two in the second, of 100 bytes each.
    let mut blocks: Vec<_> = (1..6).map(|id| block(id, 0, 0..HOUR)).collect();
    blocks.extend([block(6, 0, 2 * HOUR..3 * HOUR), block(7, 0, 2 * HOUR..3 * HOUR)]);
    let within = |blocks: &[PlanBlock], room| {
        let time = 10 * HOUR;
        plan_within(blocks, &levels(), time, Urgency::Due, room).map(|choice| choice.inputs)
    };
    assert_eq!(within(&blocks, 500), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(within(&blocks, 499), Some(vec![1, 2, 3, 4]), "the oldest");
    assert_eq!(within(&blocks, 200), Some(vec![1, 2]));
    assert_eq!(within(&blocks, 199), None, "one block alone gains nothing");
    // The first window cannot be merged without its own block, which is large; the second can.
    blocks.push(PlanBlock { bytes: 10_000, sequence: 1, ..block(8, 1, 0..2 * HOUR) });
    assert_eq!(within(&blocks, 9_999), Some(vec![6, 7]));
    assert_eq!(within(&blocks, 10_199), Some(vec![1, 8]));
    // Nor without one that is younger than blocks that would stay behind.
    blocks.last_mut().unwrap().sequence = 5;
    assert_eq!(within(&blocks, 10_499), Some(vec![6, 7]));
    assert_eq!(within(&blocks, 10_500), Some(vec![1, 2, 3, 4, 5, 8]));
    let wide = [block(1, 0, 0..3 * HOUR)];
    assert_eq!(within(&wide, 99), None, "nor is one split");
    assert_eq!(within(&wide, 100), Some(vec![1]));
}

#[test]
fn a_window_closes_when_its_late_samples_are_in() {
    let blocks = [block(1, 0, 0..HOUR)];
    let grace_ms = levels().iter().find(|level| level.level == 1).unwrap().grace_ms;
    assert_eq!(due(&blocks, 2 * HOUR + grace_ms - 1), None);
    assert!(due(&blocks, 2 * HOUR + grace_ms).is_some());
}

#[test]
fn a_merged_window_is_left_alone() {
    assert_eq!(due(&[block(1, 1, 0..2 * HOUR)], 10 * HOUR), None);
}

#[test]
fn late_blocks_wait_until_they_are_many_or_large() {
    let mut blocks = vec![PlanBlock { bytes: 10_000, ..block(1, 1, 0..2 * HOUR) }];
    for id in 2..5 {
        blocks.push(block(id, 0, 0..HOUR));
        assert_eq!(due(&blocks, 10 * HOUR), None);
    }
    blocks.push(block(5, 0, HOUR..2 * HOUR));
    assert_eq!(due(&blocks, 10 * HOUR), Some((vec![1, 2, 3, 4, 5], 1)));
    let large = [blocks[0].clone(), PlanBlock { bytes: 1250, ..block(2, 0, 0..HOUR) }];
    assert_eq!(due(&large, 10 * HOUR), Some((vec![1, 2], 1)));
}

#[test]
fn a_day_takes_the_late_blocks_that_wait() {
    let mut blocks: Vec<_> = (0..12_i64)
        .map(|i| PlanBlock {
            bytes: 10_000,
            ..block(1 + i.unsigned_abs(), 1, i * 2 * HOUR..(i + 1) * 2 * HOUR)
        })
        .collect();
    blocks.push(block(20, 0, 5 * HOUR..6 * HOUR));
    assert_eq!(due(&blocks, DAY + HOUR - 1), None);
    assert_eq!(due(&blocks, DAY + HOUR), Some(((1..13).chain([20]).collect(), 2)));
}

#[test]
fn a_block_over_an_edge_is_split_alone_before_its_window_is_merged() {
    let blocks = [block(1, 0, 0..HOUR), block(2, 0, HOUR..3 * HOUR)];
    assert_eq!(due(&blocks, 2 * HOUR), None);
    let choice = plan(&blocks, &levels(), 3 * HOUR, Urgency::Due).unwrap();
    assert_eq!((choice.inputs, choice.level, choice.window_ms), (vec![2], 0, 2 * HOUR));
}

#[test]
fn a_merge_is_bounded_but_leaves_no_block_of_its_level_behind() {
    let mut blocks: Vec<_> = (1..200).map(|id| block(id, 0, 0..HOUR)).collect();
    blocks.push(block(300, 1, 0..2 * HOUR));
    let (inputs, _) = due(&blocks, 10 * HOUR).unwrap();
    assert_eq!(inputs, (1..64).chain([300]).collect::<Vec<_>>());
}

#[test]
fn a_block_of_a_longer_window_than_its_level_has_now_is_split() {
    let choice = due(&[block(1, 2, 0..3 * DAY)], 10 * DAY);
    assert_eq!(choice, Some((vec![1], 2)));
}

#[test]
fn inputs_come_in_the_order_of_their_age_not_of_their_ids() {
    let blocks = [block(5, 0, 0..HOUR), PlanBlock { sequence: 3, ..block(9, 0, 0..HOUR) }];
    let choice = plan(&blocks, &levels(), DAY, Urgency::Due).unwrap();
    assert_eq!((choice.inputs, choice.sequence), (vec![9, 5], 3));
}

#[test]
fn everything_goes_straight_to_the_top_and_carries_out_deletions() {
    let everything = |blocks: &[PlanBlock]| plan(blocks, &levels(), 0, Urgency::Everything);
    let choice = everything(&[block(1, 0, 0..HOUR), block(2, 1, 0..HOUR)]).unwrap();
    assert_eq!((choice.inputs, choice.level), (vec![1, 2], 3));
    assert_eq!(everything(&[block(3, 3, 0..HOUR)]), None);
    let deleted = PlanBlock { deletions: true, ..block(3, 3, 0..HOUR) };
    assert_eq!(everything(std::slice::from_ref(&deleted)).unwrap().inputs, [3]);
    assert_eq!(due(&[deleted], 0), None);
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    for range in [i64::MIN..i64::MIN + 1, i64::MAX - 1..i64::MAX, i64::MIN..i64::MAX, 5..5] {
        for urgency in [Urgency::Due, Urgency::Everything] {
            let time = i64::MAX;
            let _choice = plan(&[block(1, 0, range.clone())], &levels(), time, urgency);
        }
    }
}

/// What carrying out a choice does to the list of blocks.
fn carry_out(blocks: &mut Vec<PlanBlock>, choice: &Choice, next_id: &mut u64) {
    let (inputs, rest): (Vec<_>, Vec<_>) =
        std::mem::take(blocks).into_iter().partition(|block| choice.inputs.contains(&block.id));
    assert_eq!(inputs.len(), choice.inputs.len());
    *blocks = rest;
    let mut windows: BTreeMap<i64, PlanBlock> = BTreeMap::new();
    for input in inputs {
        let mut start = input.range.start;
        while start < input.range.end {
            let window = start.div_euclid(choice.window_ms);
            let end = ((window + 1) * choice.window_ms).min(input.range.end);
            let output = windows.entry(window).or_insert_with(|| {
                *next_id += 1;
                PlanBlock { sequence: choice.sequence, bytes: 0, ..block(*next_id, choice.level, start..end) }
            });
            output.range = output.range.start.min(start)..output.range.end.max(end);
            output.bytes += input.bytes;
            start = end;
        }
    }
    blocks.extend(windows.into_values());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn plans_come_to_an_end_and_reads_stay_cheap(
        seeds in prop::collection::vec((0_u8..3, 0..40 * HOUR, 1..5 * HOUR, 1_u64..10_000, any::<bool>()), 1..40),
        newest_ts in 0..60 * HOUR,
        urgent: bool,
    ) {
        let levels = levels();
        let mut blocks: Vec<_> = (1..).zip(seeds).map(|(id, (level, start, len, bytes, deletions))| {
            let window = levels.iter().find(|window| window.level == level).map(|window| window.window(start));
            let end = window.map_or(start + len, |window| window.end.min(start + len));
            PlanBlock { bytes, deletions, ..block(id, level, start..end) }
        }).collect();
        let urgency = if urgent { Urgency::Everything } else { Urgency::Due };
        let mut next_id = 1000;
        let mut rounds = 0;
        while let Some(choice) = plan(&blocks, &levels, newest_ts, urgency) {
            // Inputs are taken oldest data first, and no block of the same window and age is passed over.
            let ages: Vec<_> = choice.inputs.iter().map(|id| {
                let input = blocks.iter().find(|block| block.id == *id).unwrap();
                (input.sequence, input.id)
            }).collect();
            prop_assert!(ages.is_sorted());
            carry_out(&mut blocks, &choice, &mut next_id);
            rounds += 1;
            prop_assert!(rounds < 1000);
        }
        if urgent {
            prop_assert!(blocks.iter().all(|block| block.level == 3 && !block.deletions));
            prop_assert_eq!(blocks.len(), 1);
        }
        for hour in 0..45 {
            let ts = hour * HOUR;
            let at = blocks.iter().filter(|block| block.range.contains(&ts)).count();
            if levels.bottom().window(ts).end + HOUR <= newest_ts {
                prop_assert!(at <= 3 * LATE_BLOCKS_MAX, "{} blocks at hour {}", at, hour);
            }
        }
    }
}
