//! Columns of lists.

use parquet::{column::writer::ColumnWriterImpl, data_type::DataType, errors::ParquetError};

use super::columns::BATCH_ROWS;

/// How deep an element is defined; one less is a list without elements, two less no list.
pub(super) const ELEMENT: i16 = 2;

/// A column of lists on its way to a file.
#[derive(Debug)]
pub(super) struct ListColumn<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl<T: Copy> ListColumn<T> {
    pub(super) const fn new() -> Self {
        Self { values: Vec::new(), definitions: Vec::new(), repetitions: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, list: Option<&[T]>) {
        let elements = list.unwrap_or_default();
        if elements.is_empty() {
            self.definitions.push(i16::from(list.is_some()));
            self.repetitions.push(0);
            return;
        }
        self.values.extend_from_slice(elements);
        self.definitions.resize(self.definitions.len() + elements.len(), ELEMENT);
        self.repetitions.push(0);
        self.repetitions.resize(self.definitions.len(), 1);
    }

    /// Writes it and begins anew, if it is a batch or has to.
    pub(super) fn write<D: DataType<T = T>>(
        &mut self,
        writer: &mut ColumnWriterImpl<'_, D>,
        always: bool,
    ) -> Result<(), ParquetError> {
        if !always && self.definitions.len() < BATCH_ROWS {
            return Ok(());
        }
        writer.write_batch(&self.values, Some(&self.definitions), Some(&self.repetitions))?;
        self.values.clear();
        self.definitions.clear();
        self.repetitions.clear();
        Ok(())
    }
}

/// The lists of rows that were read: for each row its elements, or none.
pub(super) fn rows_of<T>(
    values: Vec<T>,
    definitions: &[i16],
    repetitions: &[i16],
) -> Option<Vec<Option<Vec<T>>>> {
    let mut values = values.into_iter();
    let mut rows: Vec<Option<Vec<T>>> = Vec::new();
    for (definition, repetition) in definitions.iter().zip(repetitions) {
        if *repetition == 0 {
            rows.push((*definition > 0).then(Vec::new));
        }
        if *definition == ELEMENT {
            rows.last_mut()?.as_mut()?.push(values.next()?);
        }
    }
    Some(rows)
}
