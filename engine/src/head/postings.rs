//! Series ids of one label: most labels have one or a few series, some have nearly all.

use roaring::RoaringBitmap;

/// Above this many ids a bitmap is smaller and faster.
const FEW_MAX: usize = 16;

/// A set of series ids that grows in ascending order.
#[derive(Debug, Default)]
pub(super) enum Postings {
    #[default]
    None,
    One(u32),
    #[expect(clippy::box_collection, reason = "keeps the enum at 16 bytes: there are millions of them")]
    Few(Box<Vec<u32>>),
    Many(Box<RoaringBitmap>),
}

impl Postings {
    /// Adds `id`, which is not smaller than any id in the set.
    pub(super) fn insert(&mut self, id: u32) {
        match self {
            Self::None => *self = Self::One(id),
            Self::One(first) if *first == id => {}
            Self::One(first) => *self = Self::Few(Box::new(vec![*first, id])),
            Self::Few(ids) if ids.last() == Some(&id) => {}
            Self::Few(ids) if ids.len() < FEW_MAX => ids.push(id),
            Self::Few(ids) => {
                let mut bitmap: RoaringBitmap = ids.iter().copied().collect();
                bitmap.insert(id);
                *self = Self::Many(Box::new(bitmap));
            }
            Self::Many(bitmap) => {
                bitmap.insert(id);
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Few(ids) => ids.len() as u64,
            Self::Many(bitmap) => bitmap.len(),
        }
    }

    /// Adds the set to `all`.
    pub(super) fn union_into(&self, all: &mut RoaringBitmap) {
        match self {
            Self::None => {}
            Self::One(id) => {
                all.insert(*id);
            }
            Self::Few(ids) => all.extend(ids.iter().copied()),
            Self::Many(bitmap) => *all |= bitmap.as_ref(),
        }
    }

    /// Whether the set shares an id with `ids`.
    pub(super) fn intersects(&self, ids: &RoaringBitmap) -> bool {
        match self {
            Self::None => false,
            Self::One(id) => ids.contains(*id),
            Self::Few(few) => few.iter().any(|id| ids.contains(*id)),
            Self::Many(bitmap) => !bitmap.is_disjoint(ids),
        }
    }
}
