// SPDX-License-Identifier: MIT OR Apache-2.0

//! `soak`: file operations and remote programs, one for each line of standard input.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::pattern::Pattern;
use crate::report;

/// Do what standard input says, and answer each line
///
/// Words of a line are apart by spaces. An answer is `ok`, with what was found in hexadecimal
/// digits, or `errno` with a number and words.
#[derive(Debug, clap::Args)]
#[command(after_help = "Lines:\n  \
    create PATH SEED LEN          a new file with the pattern of SEED\n  \
    write PATH OFFSET SEED LEN    the pattern into a file that is there\n  \
    text PATH OFFSET WORD         the word into a file, which is made if need be\n  \
    append PATH WORD              a line with the word to its end\n  \
    truncate PATH LEN\n  \
    rename PATH PATH\n  \
    unlink PATH\n  \
    read PATH\n  \
    lock PATH WORD                a new file with the word; an error if it is there\n  \
    run NODE STATUS WORD PATH     a program there that appends the word to the file, says it, and \
    ends so")]
pub struct Soak {}

impl Soak {
    pub fn run(&self) -> Result<()> {
        let mut out = io::stdout().lock();
        for line in io::stdin().lock().lines() {
            let line = line.context("cannot read standard input")?;
            let words = line.split(' ').collect::<Vec<_>>();
            match perform(&words) {
                Ok(found) => writeln!(out, "ok {}", hexadecimal(&found)),
                Err(error) => writeln!(out, "errno {} {error}", report::number(&error)),
            }
            .and_then(|()| out.flush())
            .context("cannot answer")?;
        }
        Ok(())
    }
}

/// Does what one line says; what was found.
fn perform(words: &[&str]) -> io::Result<Vec<u8>> {
    let nothing = |done: io::Result<()>| done.map(|()| Vec::new());
    match words {
        ["create", path, seed, len] => nothing(create(path, &pattern(seed, len)?)),
        ["lock", path, word] => nothing(create(path, word.as_bytes())),
        ["write", path, offset, seed, len] => {
            let file = OpenOptions::new().write(true).open(path)?;
            nothing(file.write_all_at(&pattern(seed, len)?, number(offset)?))
        }
        ["text", path, offset, word] => {
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            nothing(file.write_all_at(word.as_bytes(), number(offset)?))
        }
        ["append", path, word] => {
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            // One write, or two appenders could come between each other.
            nothing(file.write_all(format!("{word}\n").as_bytes()))
        }
        ["truncate", path, len] => {
            let file = OpenOptions::new().write(true).open(path)?;
            nothing(file.set_len(number(len)?))
        }
        ["rename", from, to] => nothing(fs::rename(from, to)),
        ["unlink", path] => nothing(fs::remove_file(path)),
        ["read", path] => fs::read(path),
        ["run", node, status, word, path] => run(node, status, word, path),
        _ => Err(odd(&format!("no such line: {}", words.join(" ")))),
    }
}

fn create(path: &str, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(content)
}

/// Runs a program by `podos run`; its status, a colon, and what it said.
fn run(node: &str, status: &str, word: &str, path: &str) -> io::Result<Vec<u8>> {
    let script = format!("echo {word} >> {path} || exit 99; echo {word}; exit {status}");
    let mut command = Command::new("podos");
    let output = command
        .args(["run", "--on", node, "--", "sh", "-c", &script])
        .output()?;
    let status = output.status.code().unwrap_or(-1);
    let mut found = format!("{status}:").into_bytes();
    found.extend(&output.stdout);
    // Only of failures there is a word on standard error.
    found.extend(&output.stderr);
    Ok(found)
}

fn pattern(seed: &str, len: &str) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; number(len)? as usize];
    Pattern::new(number(seed)?).fill(0, &mut bytes);
    Ok(bytes)
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(|_| odd(&format!("no number: {word}")))
}

fn odd(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(line: &str) -> io::Result<Vec<u8>> {
        perform(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn lines_are_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (a, b) = (path("a"), path("b"));
        say(&format!("create {a} 7 100")).unwrap();
        let errno = |line: &str| say(line).unwrap_err().raw_os_error();
        assert_eq!(errno(&format!("create {a} 7 100")), Some(libc::EEXIST));
        let mut bytes = pattern("7", "100").unwrap();
        assert_eq!(say(&format!("read {a}")).unwrap(), bytes);
        say(&format!("write {a} 90 8 20")).unwrap();
        bytes.truncate(90);
        bytes.extend(pattern("8", "20").unwrap());
        say(&format!("rename {a} {b}")).unwrap();
        assert_eq!(say(&format!("read {b}")).unwrap(), bytes);
        say(&format!("truncate {b} 3")).unwrap();
        assert_eq!(say(&format!("read {b}")).unwrap(), bytes[..3]);
        say(&format!("unlink {b}")).unwrap();
        assert_eq!(errno(&format!("read {b}")), Some(libc::ENOENT));
        assert_eq!(errno(&format!("write {b} 0 1 1")), Some(libc::ENOENT));
        for word in ["x", "y"] {
            say(&format!("append {a} {word}")).unwrap();
        }
        say(&format!("text {a} 1 zz")).unwrap();
        assert_eq!(say(&format!("read {a}")).unwrap(), b"xzz\n");
        say(&format!("lock {b} me")).unwrap();
        assert_eq!(errno(&format!("lock {b} you")), Some(libc::EEXIST));
    }

    #[test]
    fn what_is_no_line_is_an_error() {
        for odd in ["", "read", "truncate /x many", "read /a /b"] {
            assert!(say(odd).is_err(), "{odd}");
        }
        assert_eq!(hexadecimal(&[0, 0xaf, 255]), "00afff");
    }
}
