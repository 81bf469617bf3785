//! Tables of text, for commands.

use std::io::{self, Write};

/// A table: columns as wide as their widest cell, numbers to the right.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    title: &'static str,
    rows: Vec<[Cell; N]>,
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
    /// With two digits behind the point; nothing for what is no number.
    Ratio(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Cell {
    /// `bytes` for each of `count`.
    pub(crate) fn per(bytes: u64, count: u64) -> Self {
        Self::Ratio(bytes as f64 / count as f64)
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Ratio(ratio) if ratio.is_finite() => format!("{ratio:.2}"),
            Self::Ratio(_) => String::new(),
        }
    }
}

impl<const N: usize> Table<N> {
    /// A table with a line above it and the names of its columns.
    pub(crate) fn new(title: &'static str, columns: [&str; N]) -> Self {
        Self { title, rows: vec![columns.map(Cell::from)] }
    }

    pub(crate) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Prints the table; nothing when it has no rows.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if self.rows.len() < 2 {
            return Ok(());
        }
        let texts: Vec<[String; N]> =
            self.rows.iter().map(|row| std::array::from_fn(|i| row[i].text())).collect();
        let widths: [usize; N] =
            std::array::from_fn(|i| texts.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
        let right: [bool; N] =
            std::array::from_fn(|i| self.rows.iter().skip(1).all(|row| !matches!(row[i], Cell::Text(_))));
        writeln!(out, "{}", self.title)?;
        for row in &texts {
            let mut line = String::new();
            for ((text, width), right) in row.iter().zip(widths).zip(right) {
                let cell = if right { format!("{text:>width$}") } else { format!("{text:<width$}") };
                line.push_str("  ");
                line.push_str(&cell);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new("blocks", ["name", "bytes", "each"]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(out, b"");
        table.row(["a".into(), 5.into(), Cell::per(1, 0)]);
        table.row(["long".into(), 12345.into(), Cell::per(1, 3)]);
        table.print(&mut out).unwrap();
        let expected = "blocks\n  name  bytes  each\n  a         5\n  long  12345  0.33\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
