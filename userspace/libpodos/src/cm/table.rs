// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables of the kernel: a line of column names, then a line for each row.
//!
//! A column is found by its name, so that a later kernel may append some.

use std::path::PathBuf;
use std::str::FromStr;

use super::{CmError, Result};

/// What stands where there is no value.
const NONE: &str = "-";

/// A table as it was read.
pub struct Table {
    path: PathBuf,
    text: String,
}

impl Table {
    /// The table in the file `path`.
    pub fn read(path: PathBuf) -> Result<Self> {
        let text = super::read(&path)?;
        Ok(Self { path, text })
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut lines = self.text.lines();
        let header: Vec<_> = words(lines.next().unwrap_or_default());
        (2..).zip(lines).map(move |(line, text)| Row {
            table: self,
            header: header.clone(),
            line,
            text,
            cells: words(text),
        })
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_ascii_whitespace().collect()
}

/// A row of a table.
pub struct Row<'t> {
    table: &'t Table,
    header: Vec<&'t str>,
    line: usize,
    text: &'t str,
    cells: Vec<&'t str>,
}

impl<'t> Row<'t> {
    /// The text in this column.
    pub fn text(&self, column: &'static str) -> Result<&'t str> {
        let position = self.header.iter().position(|name| *name == column);
        let position = position.ok_or_else(|| CmError::Column {
            path: self.table.path.clone(),
            column,
        })?;
        let cell = self.cells.get(position).copied();
        cell.ok_or_else(|| self.wrong(self.text, &format!("a row with the column `{column}`")))
    }

    /// The same, as a value; `expected` says in words what it should be.
    pub fn parse<T: FromStr>(&self, column: &'static str, expected: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(text, expected))
    }

    /// A number.
    pub fn number<T: FromStr>(&self, column: &'static str) -> Result<T> {
        self.parse(column, "a number")
    }

    /// A number, or nothing.
    pub fn maybe_number<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        match self.text(column)? {
            NONE => Ok(None),
            _ => self.number(column).map(Some),
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, column: &'static str, words: &[(&str, T)]) -> Result<T> {
        let text = self.text(column)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(text, &names.join(" or "))
        })
    }

    fn wrong(&self, text: &str, expected: &str) -> CmError {
        CmError::Content {
            path: self.table.path.clone(),
            line: self.line,
            text: text.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table {
            path: "/sys/table".into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn columns_by_name_in_any_order() {
        let table = table("b new a\n2 x 1\n4 y -\n");
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows[0].number::<u32>("a").unwrap(), 1);
        assert_eq!(rows[1].number::<u32>("b").unwrap(), 4);
        assert_eq!(rows[0].maybe_number::<u8>("a").unwrap(), Some(1));
        assert_eq!(rows[1].maybe_number::<u8>("a").unwrap(), None);
        assert_eq!(rows[1].word("new", &[("x", 1), ("y", 2)]).unwrap(), 2);
    }

    #[test]
    fn no_rows() {
        assert_eq!(table("a b\n").rows().count(), 0);
        assert_eq!(table("").rows().count(), 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let table = table("a b c\n1 2 3\n300 -1\n");
        let row = table.rows().nth(1).unwrap();
        let messages = [
            row.number::<u8>("a").unwrap_err().to_string(),
            row.number::<u32>("b").unwrap_err().to_string(),
            row.text("c").unwrap_err().to_string(),
            row.text("d").unwrap_err().to_string(),
            row.word("b", &[("x", 1), ("y", 2)])
                .unwrap_err()
                .to_string(),
        ];
        let expected = [
            "/sys/table:3: `300` is not a number",
            "/sys/table:3: `-1` is not a number",
            "/sys/table:3: `300 -1` is not a row with the column `c`",
            "/sys/table has no column `d`: the podos_cm module is not of this program's version",
            "/sys/table:3: `-1` is not x or y",
        ];
        assert_eq!(messages, expected);
    }
}
