//! References into the table of symbols.

use crate::wire::{protobuf::Reader, remote_write::messages::checked};

use super::LABEL_REFS;

/// References of a series or exemplar that do not make labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// The references do not come in pairs.
    #[error("odd number of label references: {count}")]
    Odd {
        /// How many there are.
        count: usize,
    },
    /// A reference leads nowhere.
    #[error("symbol reference {reference} outside of the table of {symbols} symbols")]
    OutOfRange {
        /// The reference.
        reference: u64,
        /// How many symbols there are.
        symbols: usize,
    },
}

/// The symbol that `reference` names. An empty table still has the empty string at 0: optional texts refer
/// to it whether or not the sender wrote a table.
pub(super) fn symbol<'a>(symbols: &[&'a [u8]], reference: u64) -> Result<&'a [u8], RefError> {
    match usize::try_from(reference).ok().and_then(|i| symbols.get(i)) {
        Some(symbol) => Ok(symbol),
        None if reference == 0 => Ok(&[]),
        None => Err(RefError::OutOfRange { reference, symbols: symbols.len() }),
    }
}

/// Iterator over the references of labels. Numbers beyond 32 bits are kept, and so are out of range.
#[derive(Debug, Clone)]
pub struct LabelRefs<'a> {
    /// What is left of a packed field.
    packed: Reader<'a>,
    fields: Reader<'a>,
}

impl<'a> LabelRefs<'a> {
    pub(super) const fn new(fields: Reader<'a>) -> Self {
        Self { packed: Reader::new(&[]), fields }
    }
}

impl Iterator for LabelRefs<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        loop {
            if !self.packed.is_empty() {
                return checked(self.packed.varint("label reference"));
            }
            let field = checked(self.fields.field())??;
            if field.number == LABEL_REFS {
                match field.message("label reference") {
                    Ok(packed) => self.packed = packed,
                    Err(_) => return checked(field.varint("label reference")),
                }
            }
        }
    }
}

/// Iterator over names and values of labels.
#[derive(Debug, Clone)]
pub struct LabelPairs<'a> {
    refs: LabelRefs<'a>,
    symbols: &'a [&'a [u8]],
}

impl<'a> LabelPairs<'a> {
    pub(super) fn new(refs: LabelRefs<'a>, symbols: &'a [&'a [u8]]) -> Result<Self, RefError> {
        let mut count = 0;
        for reference in refs.clone() {
            symbol(symbols, reference)?;
            count += 1;
        }
        if count % 2 == 0 { Ok(Self { refs, symbols }) } else { Err(RefError::Odd { count }) }
    }
}

impl<'a> Iterator for LabelPairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let name = symbol(self.symbols, self.refs.next()?).ok()?;
        let value = symbol(self.symbols, self.refs.next()?).ok()?;
        Some((name, value))
    }
}
