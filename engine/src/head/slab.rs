//! Memory of open chunks: slots of a few sizes in large pages, without an allocation per series.

/// Slot sizes in bytes. Constant series stay in the smallest, full-mantissa doubles reach the largest, which
/// holds 120 samples of the worst kind.
const SLOT_BYTES: [usize; 14] = [32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 2_560];
const PAGE_BYTES: usize = 256 * 1_024;
const CLASS_BITS: u32 = 4;

/// A slot of a [`Slab`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    /// No slot.
    pub(super) const NONE: Self = Self(u32::MAX);

    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 16 classes")]
    const fn new(class: usize, index: u32) -> Self {
        Self(index << CLASS_BITS | class as u32)
    }

    const fn class(self) -> usize {
        (self.0 & ((1 << CLASS_BITS) - 1)) as usize
    }

    const fn index(self) -> usize {
        (self.0 >> CLASS_BITS) as usize
    }

    /// Bytes that the slot holds; 0 for [`Slot::NONE`].
    pub(super) fn capacity(self) -> usize {
        if self == Self::NONE { 0 } else { SLOT_BYTES[self.class()] }
    }
}

/// The slots of one shard.
#[derive(Debug, Default)]
pub(super) struct Slab {
    classes: [Class; SLOT_BYTES.len()],
}

#[derive(Debug, Default)]
struct Class {
    pages: Vec<Box<[u8]>>,
    /// Slots handed out so far, freed ones included.
    used: u32,
    free: Vec<u32>,
}

impl Slab {
    /// The largest slot there is.
    pub(super) const CAPACITY_MAX: usize = SLOT_BYTES[SLOT_BYTES.len() - 1];

    /// A slot of at least `bytes`, or `None` when that is more than [`Slab::CAPACITY_MAX`]. Its content is
    /// whatever was there before.
    pub(super) fn allocate(&mut self, bytes: usize) -> Option<Slot> {
        let class = SLOT_BYTES.iter().position(|size| *size >= bytes)?;
        Some(Slot::new(class, self.classes[class].take(SLOT_BYTES[class])))
    }

    /// Moves the first `len` bytes of `slot` to one of at least `bytes`. `None`: there is none so large, and
    /// `slot` stays.
    pub(super) fn grow(&mut self, slot: Slot, len: usize, bytes: usize) -> Option<Slot> {
        let grown = self.allocate(bytes)?;
        let mut copy = [0; Self::CAPACITY_MAX];
        copy[..len].copy_from_slice(&self.get(slot)[..len]);
        self.get_mut(grown)[..len].copy_from_slice(&copy[..len]);
        self.free(slot);
        Some(grown)
    }

    pub(super) fn free(&mut self, slot: Slot) {
        if slot != Slot::NONE {
            self.classes[slot.class()].free.push(slot.0 >> CLASS_BITS);
        }
    }

    /// Gives the pages of slot sizes back that no slot is used of.
    pub(super) fn release_unused(&mut self) {
        for class in &mut self.classes {
            if class.free.len() == class.used as usize {
                *class = Class::default();
            }
        }
    }

    pub(super) fn get(&self, slot: Slot) -> &[u8] {
        if slot == Slot::NONE {
            return &[];
        }
        let size = SLOT_BYTES[slot.class()];
        let per_page = PAGE_BYTES / size;
        let start = slot.index() % per_page * size;
        &self.classes[slot.class()].pages[slot.index() / per_page][start..start + size]
    }

    /// Looks at the first byte of a slot and at the one at `end`, if there is one. The sum has no meaning.
    #[inline]
    pub(super) fn touch(&self, slot: Slot, end: usize) -> u8 {
        let slot = self.get(slot);
        let at = |index| slot.get(index).copied().unwrap_or(0);
        at(0) ^ at(end)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut [u8] {
        if slot == Slot::NONE {
            return &mut [];
        }
        let size = SLOT_BYTES[slot.class()];
        let per_page = PAGE_BYTES / size;
        let start = slot.index() % per_page * size;
        &mut self.classes[slot.class()].pages[slot.index() / per_page][start..start + size]
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.classes.iter().map(|class| class.pages.len() * PAGE_BYTES).sum()
    }
}

impl Class {
    fn take(&mut self, size: usize) -> u32 {
        if let Some(index) = self.free.pop() {
            return index;
        }
        let index = self.used;
        self.used += 1;
        if index as usize / (PAGE_BYTES / size) == self.pages.len() {
            self.pages.push(vec![0; PAGE_BYTES].into());
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(slot: usize) -> u8 {
        u8::try_from(slot % 251).unwrap()
    }

    #[test]
    fn slots_do_not_overlap_and_are_used_again() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..20_000_usize).map(|i| slab.allocate(1 + i % 100).unwrap()).collect();
        for (i, slot) in slots.iter().enumerate() {
            slab.get_mut(*slot).fill(pattern(i));
        }
        for (i, slot) in slots.iter().enumerate() {
            assert!(slab.get(*slot).iter().all(|byte| *byte == pattern(i)), "slot {i}");
        }
        let bytes = slab.bytes();
        slots.iter().for_each(|slot| slab.free(*slot));
        (0..20_000_usize).for_each(|i| assert!(slab.allocate(1 + i % 100).is_some()));
        assert_eq!(slab.bytes(), bytes);
    }

    #[test]
    fn memory_comes_back_once_no_slot_is_used() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..10_000).map(|_| slab.allocate(32).unwrap()).collect();
        let (last, others) = slots.split_last().unwrap();
        let other_size = slab.allocate(100).unwrap();
        others.iter().for_each(|slot| slab.free(*slot));
        let bytes = slab.bytes();
        slab.release_unused();
        assert_eq!(slab.bytes(), bytes, "one slot of each size is used");
        slab.free(*last);
        slab.release_unused();
        assert_eq!(slab.bytes(), PAGE_BYTES);
        slab.get_mut(other_size).fill(7);
        assert!(slab.allocate(32).is_some());
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let mut slab = Slab::default();
        let mut slot = slab.allocate(10).unwrap();
        slab.get_mut(slot)[..3].copy_from_slice(b"abc");
        while let Some(grown) = slab.grow(slot, 3, slot.capacity() + 1) {
            assert_eq!(&slab.get(grown)[..3], b"abc");
            slot = grown;
        }
        assert_eq!(slot.capacity(), Slab::CAPACITY_MAX);
        assert_eq!(Slot::NONE.capacity(), 0);
    }
}
