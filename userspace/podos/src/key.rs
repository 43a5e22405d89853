// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos key`: the cluster keys of this node, and their replacement in the whole cluster.

mod replace;
mod ring;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use clap::Subcommand;
use podos::{ClusterKey, Fingerprint, KeyFile, Node};
use serde::Serialize;

use crate::output;
use crate::table::{Side, Table};
use ring::{LocalRing, Ring};

/// In place of a file: standard input.
const STDIN: &str = "-";

/// Make, list and change the cluster keys
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Make, list and change the cluster keys\n\n\
        Nodes that share a cluster key are a cluster. A node knows up to four keys; it sends with \
        the one in use and accepts the others. Keys are named by their fingerprints; a key itself \
        is only ever in files of mode 0600, and in pipes.",
    after_help = "Examples:\n  podos key generate /root/new.key\n  podos key replace /root/new.key"
)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a new key
    #[command(after_help = "Example:\n  podos key generate /root/new.key")]
    Generate {
        /// Where to write it; a file that is there is never written over
        #[arg(value_name = "FILE", default_value = podos::KEY_FILE)]
        file: PathBuf,
    },
    /// List the keys that this node knows, by fingerprint
    #[command(after_help = "Example:\n  podos key list --json")]
    List {
        /// Print a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Make this node accept a key
    #[command(after_help = "Example:\n  podos key add /root/new.key")]
    Add {
        /// The key's file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make this node send with a key that it knows
    #[command(after_help = "Example:\n  podos key use 5c70cf23")]
    Use {
        /// The key
        fingerprint: Fingerprint,
    },
    /// Make this node forget a key that is not in use
    #[command(after_help = "Example:\n  podos key drop 5c70cf23")]
    Drop {
        /// The key
        fingerprint: Fingerprint,
    },
    /// Replace the key of the running cluster
    ///
    /// Every node is made to accept the new key, then to use it, then to forget all others: any two
    /// nodes understand each other at any time. A node that can't be reached stops it where this
    /// still holds; run it again to go on from there.
    #[command(after_help = "Example:\n  podos key replace /root/new.key")]
    Replace {
        /// The new key's file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Leave a node out: it is cut off until it is given the new key
        #[arg(long, value_name = "NODE")]
        without: Vec<Node>,
    },
}

pub fn run(arguments: Arguments) -> Result<()> {
    let ring = LocalRing::default();
    match arguments.verb {
        Verb::Generate { file } => {
            let key = ClusterKey::generate().context("cannot generate a cluster key")?;
            let fingerprint = key.fingerprint();
            KeyFile::of(key).create(&file)?;
            output::print(format_args!("{fingerprint}\n"))
        }
        Verb::List { json } => {
            let keys = ring.list()?;
            output::print(match json {
                true => self::json(&keys)?,
                false => table(&keys),
            })
        }
        Verb::Add { file } => ring.add(&read(&file)?),
        Verb::Use { fingerprint } => ring.promote(fingerprint),
        Verb::Drop { fingerprint } => ring.remove(fingerprint),
        Verb::Replace { file, without } => replace::run(&read(&file)?, &without),
    }
}

/// The one key in a file.
fn read(file: &Path) -> Result<ClusterKey> {
    let keys = if file == Path::new(STDIN) {
        if io::stdin().is_terminal() {
            bail!("a key that is typed is shown on the screen: give its file, or use a pipe");
        }
        KeyFile::read_from(io::stdin().lock(), Path::new("standard input"))?
    } else {
        KeyFile::read(file)?
    };
    match keys.keys() {
        [key] => Ok(key.clone()),
        keys => bail!(
            "{} has {} keys, and one is wanted",
            file.display(),
            keys.len()
        ),
    }
}

/// A key in `--json`.
#[derive(Serialize)]
struct JsonKey {
    fingerprint: String,
    used: bool,
}

fn json(keys: &[podos::KnownKey]) -> Result<String> {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| JsonKey {
            fingerprint: key.fingerprint.to_string(),
            used: key.used,
        })
        .collect();
    let text = serde_json::to_string_pretty(&keys).context("cannot put the list into JSON")?;
    Ok(text + "\n")
}

fn table(keys: &[podos::KnownKey]) -> String {
    let columns = [("FINGERPRINT", Side::Left), ("STATE", Side::Left)];
    let row = |key: &podos::KnownKey| {
        let state = if key.used { "used" } else { "accepted" };
        [key.fingerprint.to_string(), state.to_owned()]
    };
    Table::new(columns, keys.iter().map(row)).text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos::KnownKey;

    #[test]
    fn keys_are_listed_by_fingerprint() {
        let keys = [("00ff00ff", true), ("5c70cf23", false)].map(|(name, used)| KnownKey {
            fingerprint: name.parse().unwrap(),
            used,
        });
        let text = "FINGERPRINT  STATE\n00ff00ff     used\n5c70cf23     accepted\n";
        assert_eq!(table(&keys), text);
        let value: serde_json::Value = serde_json::from_str(&json(&keys).unwrap()).unwrap();
        assert_eq!(value[0]["fingerprint"], "00ff00ff");
        assert_eq!(value[1]["used"], false);
    }

    #[test]
    fn one_key_and_not_several() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let [first, second] = [(); 2].map(|()| ClusterKey::generate().unwrap());
        let mut file = KeyFile::of(first.clone());
        file.create(&path).unwrap();
        assert_eq!(read(&path).unwrap(), first);
        file.add(&second);
        file.replace(&path).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("2 keys") && !error.contains(&second.reveal()),
            "{error}"
        );
    }
}
