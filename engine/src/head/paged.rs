//! A growing list in pages: no copy of everything when it grows, no half-empty allocation.

use std::ops::{Index, IndexMut};

const PAGE_LEN: usize = 1_024;

/// A list whose elements never move to a bigger allocation.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T> Paged<T> {
    /// Appends `value` and returns its index.
    pub(super) fn push(&mut self, value: T) -> u32 {
        if self.len.is_multiple_of(PAGE_LEN) {
            self.pages.push(Vec::with_capacity(PAGE_LEN));
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(value);
        }
        let index = u32::try_from(self.len).expect("a shard's limits keep its tables below 2^32 entries");
        self.len += 1;
        index
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.pages.get(index as usize / PAGE_LEN)?.get(index as usize % PAGE_LEN)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory held.
    pub(super) const fn bytes(&self) -> usize {
        self.pages.len() * PAGE_LEN * size_of::<T>()
    }
}

impl<T> Index<u32> for Paged<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.pages[index as usize / PAGE_LEN][index as usize % PAGE_LEN]
    }
}

impl<T> IndexMut<u32> for Paged<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / PAGE_LEN][index as usize % PAGE_LEN]
    }
}
