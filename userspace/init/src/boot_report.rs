// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report of a boot: a file that is there once it is over, with a line for each thing that went
//! wrong.

use std::fs;
use std::io;
use std::path::Path;

/// The file. It is put into its folder whole, by a rename.
pub const FILE: &str = "/run/podos/boot";

/// Writes the report of this boot.
pub fn write(problems: &[String]) -> io::Result<()> {
    write_to(Path::new(FILE), problems)
}

/// Writes a report to another file.
pub fn write_to(file: &Path, problems: &[String]) -> io::Result<()> {
    let lines = problems
        .iter()
        .map(|problem| problem.replace('\n', " ") + "\n");
    let new = file.with_extension("new");
    fs::write(&new, lines.collect::<String>())?;
    fs::rename(new, file)
}
