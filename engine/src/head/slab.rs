//! Memory of open chunks: slots of a few sizes in large pages, without an allocation per series.
//!
//! A chunk that grows moves from slot to slot, so a fleet whose series were all begun at once leaves one size after
//! the other behind. A pass over the series ([`Slab::begin_tightening`], [`Slab::tighten`],
//! [`Slab::end_tightening`]) moves slots to the front of their size, and gives the pages behind them back.

/// Slot sizes in bytes. Constant series stay in the smallest, full-mantissa doubles reach the largest, which
/// holds 120 samples of the worst kind. Steps are small, since half a step is wasted in each slot.
const SLOT_BYTES: [usize; 24] = [
    32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1_024, 1_280,
    1_536, 2_048, 2_560,
];
/// Small enough that a page begun in each size of each shard is little.
const PAGE_BYTES: usize = 64 * 1_024;
const CLASS_BITS: u32 = 5;
const _: () = assert!(SLOT_BYTES.len() < 1 << CLASS_BITS, "no slot looks like `Slot::NONE`");
/// Pages that a pass would give back must be this part of all, or moving slots costs more than it gains.
const GAIN_PART: usize = 8;

/// A slot of a [`Slab`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slot {
    /// No slot.
    pub(super) const NONE: Self = Self(u32::MAX);

    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 32 classes")]
    const fn new(class: usize, index: u32) -> Self {
        Self(index << CLASS_BITS | class as u32)
    }

    const fn class(self) -> usize {
        (self.0 & ((1 << CLASS_BITS) - 1)) as usize
    }

    const fn index(self) -> u32 {
        self.0 >> CLASS_BITS
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
    /// Slots that were freed. After a pass those in front are at its end, which is where the next one is taken.
    free: Vec<u32>,
    /// Slots that a pass moved away from: it is to end with none of them in use.
    vacated: Vec<u32>,
    /// Where a pass moves slots away from: as many as were used when it began have room in front of it.
    bound: u32,
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

    /// Moves the first `len` bytes of `slot` to one of at least `bytes`, which is more than it holds. `None`: there
    /// is none so large, and `slot` stays.
    pub(super) fn grow(&mut self, slot: Slot, len: usize, bytes: usize) -> Option<Slot> {
        let grown = self.allocate(bytes)?;
        let classes = self.classes.get_disjoint_mut([slot.class(), grown.class()]);
        let [from, to] = classes.expect("a slot grows into one of another size");
        let bytes = &from.slot(SLOT_BYTES[slot.class()], slot.index())[..len];
        to.slot_mut(SLOT_BYTES[grown.class()], grown.index())[..len].copy_from_slice(bytes);
        self.free(slot);
        Some(grown)
    }

    pub(super) fn free(&mut self, slot: Slot) {
        if slot != Slot::NONE {
            self.classes[slot.class()].free.push(slot.index());
        }
    }

    pub(super) fn get(&self, slot: Slot) -> &[u8] {
        if slot == Slot::NONE {
            return &[];
        }
        self.classes[slot.class()].slot(SLOT_BYTES[slot.class()], slot.index())
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
        self.classes[slot.class()].slot_mut(SLOT_BYTES[slot.class()], slot.index())
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        let of = |class: &Class| {
            class.pages.len() * PAGE_BYTES
                + (class.free.capacity() + class.vacated.capacity()) * size_of::<u32>()
        };
        self.classes.iter().map(of).sum()
    }

    /// Whether a pass over the series would give back so many pages that it is worth it.
    pub(super) fn is_loose(&self) -> bool {
        let pages: usize = self.classes.iter().map(|class| class.pages.len()).sum();
        let needed: usize =
            std::iter::zip(&self.classes, SLOT_BYTES).map(|(class, size)| class.pages_needed(size)).sum();
        pages > needed && pages - needed >= pages / GAIN_PART
    }

    /// Begins a pass: from now on the free slots in front are handed out first.
    pub(super) fn begin_tightening(&mut self) {
        for class in &mut self.classes {
            class.free.sort_unstable_by(|a, b| b.cmp(a));
            class.bound = class.live();
        }
    }

    /// Where the content of `slot` is from now on: further in front, if it lay where no slot need be.
    pub(super) fn tighten(&mut self, slot: Slot) -> Slot {
        if slot == Slot::NONE {
            return slot;
        }
        let size = SLOT_BYTES[slot.class()];
        let class = &mut self.classes[slot.class()];
        // Others may have been freed or taken since the pass began; the next pass sees to what that leaves behind.
        let Some(front) = class.free.pop_if(|front| *front < class.bound && class.bound <= slot.index())
        else {
            return slot;
        };
        class.move_slot(size, slot.index(), front);
        class.vacated.push(slot.index());
        Slot::new(slot.class(), front)
    }

    /// Ends a pass: gives back the pages at the end that no slot is used of.
    pub(super) fn end_tightening(&mut self) {
        for (class, size) in std::iter::zip(&mut self.classes, SLOT_BYTES) {
            class.truncate(size);
        }
    }
}

impl Class {
    fn slot(&self, size: usize, index: u32) -> &[u8] {
        let per_page = PAGE_BYTES / size;
        let start = index as usize % per_page * size;
        &self.pages[index as usize / per_page][start..start + size]
    }

    fn slot_mut(&mut self, size: usize, index: u32) -> &mut [u8] {
        let per_page = PAGE_BYTES / size;
        let start = index as usize % per_page * size;
        &mut self.pages[index as usize / per_page][start..start + size]
    }

    /// Slots in use.
    fn live(&self) -> u32 {
        let free = self.free.len() + self.vacated.len();
        self.used - u32::try_from(free).expect("no more slots are free than were handed out")
    }

    fn pages_needed(&self, size: usize) -> usize {
        (self.live() as usize).div_ceil(PAGE_BYTES / size)
    }

    fn move_slot(&mut self, size: usize, from: u32, to: u32) {
        let mut copy = [0; Slab::CAPACITY_MAX];
        let copy = &mut copy[..size];
        copy.copy_from_slice(self.slot(size, from));
        self.slot_mut(size, to).copy_from_slice(copy);
    }

    /// Forgets the free slots at the end, and the pages that held nothing else.
    fn truncate(&mut self, size: usize) {
        self.free.append(&mut self.vacated);
        self.free.sort_unstable();
        while self.free.pop_if(|last| *last + 1 == self.used).is_some() {
            self.used -= 1;
        }
        self.free.reverse();
        self.free.shrink_to_fit();
        self.vacated = Vec::new();
        self.pages.truncate((self.used as usize).div_ceil(PAGE_BYTES / size));
        self.pages.shrink_to_fit();
    }

    fn take(&mut self, size: usize) -> u32 {
        if let Some(index) = self.free.pop().or_else(|| self.vacated.pop()) {
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

    fn pages(slab: &Slab) -> usize {
        slab.classes.iter().map(|class| class.pages.len()).sum()
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
        let before = pages(&slab);
        slots.iter().for_each(|slot| slab.free(*slot));
        (0..20_000_usize).for_each(|i| assert!(slab.allocate(1 + i % 100).is_some()));
        assert_eq!(pages(&slab), before);
    }

    #[test]
    fn a_pass_gives_back_all_pages_but_those_that_are_needed() {
        let mut slab = Slab::default();
        let mut slots: Vec<Slot> = (0..50_000).map(|_| slab.allocate(32).unwrap()).collect();
        let other_size = slab.allocate(100).unwrap();
        slab.get_mut(other_size).fill(7);
        // Every fifth stays, here and there in all pages.
        let mut kept = Vec::new();
        for (i, slot) in slots.drain(..).enumerate() {
            if i % 5 == 0 {
                slab.get_mut(slot).fill(pattern(i));
                kept.push((i, slot));
            } else {
                slab.free(slot);
            }
        }
        assert!(slab.is_loose());
        slab.begin_tightening();
        for (at, (_, slot)) in kept.iter_mut().enumerate() {
            *slot = slab.tighten(*slot);
            if at == 5_000 {
                // Meanwhile others come and go.
                let slots: Vec<Slot> = (0..100).map(|_| slab.allocate(32).unwrap()).collect();
                slots.iter().for_each(|slot| slab.get_mut(*slot).fill(0));
                slots.into_iter().for_each(|slot| slab.free(slot));
            }
        }
        slab.end_tightening();
        for (i, slot) in &kept {
            assert!(slab.get(*slot).iter().all(|byte| *byte == pattern(*i)), "slot {i}");
        }
        assert_eq!(slab.get(other_size), [7; 112]);
        assert!(pages(&slab) <= (10_000 * 32_usize).div_ceil(PAGE_BYTES) + 2, "{}", pages(&slab));
        assert!(!slab.is_loose());
        kept.iter().for_each(|(_, slot)| slab.free(*slot));
        slab.begin_tightening();
        slab.end_tightening();
        assert_eq!(pages(&slab), 1);
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
