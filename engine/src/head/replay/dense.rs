//! A table by dense ids.

const PAGE_LEN: usize = 1_024;

/// Values by id. Ids are dense in practice, so a look-up costs no hash, and neighbours lie side by side; a wild id
/// costs one page, and eight bytes for each page before it.
#[derive(Debug)]
pub(super) struct Dense<T> {
    pages: Vec<Option<Box<[Option<T>]>>>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Copy> Dense<T> {
    /// Sets the value of `id`.
    pub(super) fn set(&mut self, id: u32, value: T) {
        let (page, index) = place(id);
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        self.pages[page].get_or_insert_with(|| vec![None; PAGE_LEN].into())[index] = Some(value);
    }

    /// The value of `id`.
    pub(super) fn get(&self, id: u32) -> Option<T> {
        let (page, index) = place(id);
        self.pages.get(page)?.as_ref()?[index]
    }

    /// The value of `id`, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let (page, index) = place(id);
        self.pages.get_mut(page)?.as_mut()?[index].as_mut()
    }
}

const fn place(id: u32) -> (usize, usize) {
    (id as usize / PAGE_LEN, id as usize % PAGE_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_by_id_whatever_the_order() {
        let mut table = Dense::default();
        let ids = [5, 0, 1_023, 1_024, 4_000_000, u32::MAX];
        ids.into_iter().for_each(|id| table.set(id, id ^ 7));
        if let Some(value) = table.get_mut(5) {
            *value = 9;
        }
        assert_eq!(table.get(5), Some(9));
        assert!(ids.into_iter().skip(1).all(|id| table.get(id) == Some(id ^ 7)));
        assert!([1, 1_025, 2_048, u32::MAX - 1].into_iter().all(|id| table.get(id).is_none()));
        assert_eq!(table.get_mut(1), None);
    }
}
