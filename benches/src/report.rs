//! What a benchmark prints and writes down.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a command-line tool")]

use std::{error::Error as _, fs, path::Path};

use serde_json::Value;

use crate::error::{Error, Result};

/// A table with a header.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self { rows: vec![columns.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table as Markdown, its columns aligned: the first to the left, the others to the right.
    pub(crate) fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, i: usize| row.get(i).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|i| self.rows.iter().map(|row| cell(row, i).chars().count()).max().unwrap_or(0).max(3))
            .collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (i, width) in widths.iter().enumerate() {
                let cell = cell(row, i);
                text += &if i == 0 { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") };
            }
            text += "|\n";
            if number == 0 {
                for (i, width) in widths.iter().enumerate() {
                    let dashes = "-".repeat(width - 1);
                    text += &if i == 0 { format!("| {dashes}- ") } else { format!("| {dashes}: ") };
                }
                text += "|\n";
            }
        }
        text
    }
}

/// Prints a line.
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Prints a note on what is going on.
pub(crate) fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints an error with its causes.
pub(crate) fn failure(error: &Error) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

/// Writes a result as JSON.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &format!("{value:#}\n"))
}

/// Writes a file, and the folders it lies in.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    fs::write(path, text).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["store", "n"]);
        table.row(["a", "1,000"]);
        assert_eq!(table.markdown(), "| store |     n |\n| ----- | ----: |\n| a     | 1,000 |\n");
    }
}
