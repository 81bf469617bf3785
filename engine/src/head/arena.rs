//! Byte strings that live as long as their arena, in pages.

const PAGE_BYTES: usize = 64 * 1_024;

/// Where a string lies in a [`ByteArena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSpan {
    page: u32,
    offset: u32,
    len: u32,
}

/// An append-only store of byte strings.
#[derive(Debug, Default)]
pub(super) struct ByteArena {
    pages: Vec<Vec<u8>>,
}

impl ByteArena {
    /// Copies `bytes` into the arena. A string never straddles two pages; one longer than a page has its own.
    pub(super) fn push(&mut self, bytes: &[u8]) -> ByteSpan {
        let fits = self.pages.last().is_some_and(|page| page.capacity() - page.len() >= bytes.len());
        if !fits {
            self.pages.push(Vec::with_capacity(PAGE_BYTES.max(bytes.len())));
        }
        let page_index = self.pages.len() - 1;
        let page = &mut self.pages[page_index];
        let offset = page.len();
        page.extend_from_slice(bytes);
        let narrow =
            |n: usize| u32::try_from(n).expect("limits keep an arena's pages and strings below 4 GiB");
        ByteSpan { page: narrow(page_index), offset: narrow(offset), len: narrow(bytes.len()) }
    }

    pub(super) fn get(&self, span: ByteSpan) -> &[u8] {
        let start = span.offset as usize;
        &self.pages[span.page as usize][start..start + span.len as usize]
    }

    /// Bytes of the strings.
    pub(super) fn used_bytes(&self) -> usize {
        self.pages.iter().map(Vec::len).sum()
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.pages.iter().map(Vec::capacity).sum()
    }
}
