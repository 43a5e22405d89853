// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables for people: a line of column names, then aligned rows.

use std::fmt::Write;

/// To which side a column's cells go.
#[derive(Clone, Copy)]
pub enum Side {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// A table of `N` columns.
pub struct Table<const N: usize> {
    columns: [(&'static str, Side); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these columns and rows.
    pub fn new(
        columns: [(&'static str, Side); N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let rows = rows.into_iter().collect();
        Self { columns, rows }
    }

    /// Its text.
    pub fn text(&self) -> String {
        let head = self.columns.map(|(name, _)| name.to_owned());
        let lines = || [&head].into_iter().chain(&self.rows);
        let width = |column: usize| lines().map(|cells| cells[column].len()).max();
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
        let mut text = String::new();
        for cells in lines() {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let width = widths[column];
                let _ = match self.columns[column].1 {
                    Side::Left => write!(line, "{cell:<width$}  "),
                    Side::Right => write!(line, "{cell:>width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// What stands where there is no value.
pub const NONE: &str = "-";

/// A value, or that there is none.
pub fn maybe<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

/// A number of bytes in at most four digits and a unit, rounded down.
pub fn bytes(bytes: u64) -> String {
    let units = ["", "K", "M", "G", "T", "P"];
    let fits = |unit: &usize| bytes >> (10 * unit) < 10_000;
    let unit = (0..units.len()).find(fits).unwrap_or(units.len() - 1);
    format!("{}{}", bytes >> (10 * unit), units[unit])
}

/// Microseconds as milliseconds.
pub fn milliseconds(us: u64) -> String {
    format!("{}.{:02}ms", us / 1000, us % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up() {
        let table = Table::new(
            [("NAME", Side::Left), ("COUNT", Side::Right)],
            [("a", "1"), ("longer", "1234567")].map(|(a, b)| [a.to_owned(), b.to_owned()]),
        );
        assert_eq!(
            table.text(),
            "NAME      COUNT\na             1\nlonger  1234567\n"
        );
        let empty = Table::new([("A", Side::Left)], []);
        assert_eq!(empty.text(), "A\n");
    }

    #[test]
    fn amounts() {
        let texts = [0, 9999, 10_000, 20 << 20, u64::MAX].map(bytes);
        assert_eq!(texts, ["0", "9999", "9K", "20M", "16383P"]);
        assert_eq!(milliseconds(310), "0.31ms");
        assert_eq!(milliseconds(1_000_050), "1000.05ms");
    }
}
