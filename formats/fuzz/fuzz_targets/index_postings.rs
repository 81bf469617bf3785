//! Postings: every list ends; lists that decode survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    DecodeError,
    index::postings::{Postings, PostingsBuilder, PostingsList, Union},
};

/// Enough for several restarts; a count that lies must not cost a run of its own.
const VALUES_MAX: u32 = 100;

pub fn target(bytes: &[u8]) {
    let Ok(postings) = Postings::parse(bytes) else { return };
    let mut cursor = postings.cursor();
    let one_by_one: Vec<_> =
        (0..postings.len().min(VALUES_MAX)).map_while(|id| ids(cursor.get(id)).ok()).collect();
    let with_label = ids(postings.with_label()).unwrap_or_default();

    let mut builder = PostingsBuilder::new(&with_label);
    one_by_one.iter().for_each(|ids| builder.push(ids).expect("it is small"));
    let mut again = Vec::new();
    builder.finish(&mut again);
    let again = Postings::parse(&again).expect("our own postings");
    assert_eq!(again.len() as usize, one_by_one.len());
    assert_eq!(ids(again.with_label()), Ok(with_label));
    for (id, expected) in (0..).zip(one_by_one) {
        assert_eq!(ids(again.get(id)), Ok(expected));
    }
}

fn ids(list: Result<PostingsList<'_>, DecodeError>) -> Result<Vec<u32>, DecodeError> {
    let list = list?;
    let bitmap = list.to_bitmap()?;
    assert_eq!(list.intersects(&bitmap), Ok(!bitmap.is_empty()));
    let mut union = Union::default();
    union.add(&list)?;
    assert_eq!(union.finish(), bitmap);
    assert_eq!(bitmap.len(), list.len());
    Ok(bitmap.iter().collect())
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
