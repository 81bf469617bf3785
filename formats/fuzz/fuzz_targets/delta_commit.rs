//! Commits of a table's log survive being written again, and one wrong byte does not change what they do.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::delta::{Action, LastCheckpoint, decode_commit, encode_commit, parse_name};

pub fn target(bytes: &[u8]) {
    drop(serde_json::from_slice::<LastCheckpoint>(bytes));
    let name = std::str::from_utf8(bytes).ok().and_then(parse_name);
    assert!(name.is_none() || bytes.len() > 20);
    let Ok(actions) = decode_commit(bytes) else { return };
    let info = actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => Some(info.clone()),
        _ => None,
    });
    let done = without_info(actions);
    let again = encode_commit(info.unwrap_or_default(), done.clone());
    assert_eq!(without_info(decode_commit(&again).expect("it was just written")), done);
    damaged(bytes, again, &done);
}

/// One wrong byte, at a place that the input chooses.
fn damaged(bytes: &[u8], mut commit: Vec<u8>, done: &[Action]) {
    let sum = bytes.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let at = sum % commit.len();
    commit[at] ^= 1 << (sum / commit.len() % 8);
    if let Ok(actions) = decode_commit(&commit) {
        assert_eq!(without_info(actions), done, "byte {at}");
    }
}

fn without_info(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::CommitInfo(_))).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
