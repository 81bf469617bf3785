//! Every byte of a block file against its checksums, whatever was found whole before: storage can go bad later.

use kymo_formats::{
    DecodeError,
    block::{
        PAGE_BYTES, footer,
        header::HEADER_BYTES,
        section::{SectionEntry, SectionKind},
    },
};

use super::{BlockError, BlockReader, pages::VerifiedPages, reader::Source};

impl BlockReader {
    /// Verifies every byte of the file.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<(), BlockError> {
        let mut first = None;
        self.each_damage(&mut |damage| {
            first.get_or_insert(damage);
        });
        first.map_or(Ok(()), Err)
    }

    /// Calls `found` with each damaged section and page.
    pub(crate) fn each_damage(&self, found: &mut dyn FnMut(BlockError)) {
        let sections = self.sections.iter().filter(|section| section.entry.kind != SectionKind::CHUNKS);
        sections.filter_map(|section| self.verify_section(section).err()).for_each(&mut *found);
        self.verify_padding().err().into_iter().for_each(&mut *found);
        let fresh = VerifiedPages::new(self.chunk_data.len());
        for start in (0..self.chunk_data.len()).step_by(PAGE_BYTES) {
            let page = start..self.chunk_data.len().min(start + PAGE_BYTES);
            match self.chunk_bytes(page, &fresh) {
                Ok(_) => {}
                Err(damage @ BlockError::Checksum { what: "chunk page", .. }) => found(damage),
                // The checksums themselves are damaged, which says nothing about the pages.
                Err(_) => break,
            }
        }
    }

    /// Length of each section, in the order of the file, and what it is.
    pub(crate) fn section_bytes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.sections.iter().map(|section| (section.entry.kind.name(), section.entry.len))
    }

    /// Where a section starts in the file.
    #[cfg(test)]
    pub(crate) fn section_offset(&self, name: &str) -> u64 {
        let of_name = |section: &&super::reader::Section| section.entry.kind.name() == name;
        self.sections.iter().find(of_name).expect("the section is there").entry.offset
    }

    /// Where a chunk starts, in bytes from the start of the file.
    pub(crate) const fn offset_in_file(&self, offset: u64) -> u64 {
        (self.chunk_data.start as u64).saturating_add(offset)
    }

    /// Nothing is kept between the sections, so nothing may have changed there.
    fn verify_padding(&self) -> Result<(), BlockError> {
        // Of an object nobody reads it.
        let Source::File(map) = &self.source else { return Ok(()) };
        let mut used: Vec<_> = self.sections.iter().map(|section| section.range.clone()).collect();
        let footer_bytes = self.sections.len() * SectionEntry::BYTES + footer::TAIL_BYTES;
        used.push(map.len() - footer_bytes..map.len());
        used.sort_by_key(|range| range.start);
        let mut position = HEADER_BYTES;
        for range in used {
            if range.start < position || map[position..range.start].iter().any(|byte| *byte != 0) {
                return Err(self.corrupt()(DecodeError::new("padding", position)));
            }
            position = range.end;
        }
        Ok(())
    }
}
