// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which network devices are the node's rails, if that does not follow from their names `ethN`.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{bail, Context, Result};
use podos::Cm;

/// A line for each rail, as `0 name=enp1s0`, `1 mac=52:54:00:12:34:56` or `2 path=0000:00:03.0`. What
/// is not in it is no rail.
const CONFIG: &str = "/etc/podos/rails.conf";

/// Most rails of a node.
const RAILS: usize = 8;

/// Tells CM, if there is such a file. One that is wrong is an error, and must not end in a node that
/// speaks on networks that it was not given.
pub fn load() -> Result<()> {
    load_from(Path::new(CONFIG), &Cm::default())
}

fn load_from(config: &Path, cm: &Cm) -> Result<()> {
    let place = config.display();
    let text = match fs::read_to_string(config) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.with_context(|| format!("cannot read {place}"))?,
    };
    let lines = lines(&text).with_context(|| format!("cannot use {place}"))?;
    cm.set_rail_devices(&lines)
        .with_context(|| format!("cannot use {place}"))
}

/// What CM is told: a line for each rail.
fn lines(text: &str) -> Result<String> {
    let mut rules = [None; RAILS];
    for (number, line) in (1..).zip(text.lines()) {
        let said = line.split('#').next().unwrap_or_default().trim();
        if said.is_empty() {
            continue;
        }
        let words = said.split_once(char::is_whitespace);
        let rail = words.and_then(|(rail, _)| rail.parse::<usize>().ok());
        let place = rail.and_then(|rail| rules.get_mut(rail));
        let (Some(place), Some((_, rule))) = (place, words) else {
            bail!("line {number}, `{said}`: a line is a rail, 0 to {}, and its device, as in `0 name=enp1s0`", RAILS - 1);
        };
        if place.replace(rule.trim()).is_some() {
            bail!("line {number}, `{said}`: the rail has a line already");
        }
    }
    let mut lines = String::new();
    for (rail, rule) in rules.iter().enumerate() {
        writeln!(lines, "{rail} {}", rule.unwrap_or("none"))?;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_that_are_not_named_are_none() {
        let text = "# two cards\n1 mac=52:54:00:12:34:56\n\n0\tname=enp1s0  # the slow one\n";
        let said = lines(text).unwrap();
        let expected = "0 name=enp1s0\n1 mac=52:54:00:12:34:56\n2 none\n";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.lines().count(), RAILS);
        assert!(lines("")
            .unwrap()
            .lines()
            .all(|line| line.ends_with("none")));
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, number) in [
            ("8 name=a", 1),
            ("\nname=a", 2),
            ("0", 1),
            ("-1 name=a", 1),
            ("0 name=a\n0 name=b", 2),
        ] {
            let error = lines(text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {number}")), "{error}");
        }
    }

    #[test]
    fn cm_is_told_at_once_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("rails.conf");
        let file = dir.path().join("rail_devices");
        fs::write(&file, "").unwrap();
        let cm = Cm::at(dir.path(), dir.path());
        load_from(&config, &cm).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
        fs::write(&config, "0 name=bond0\n").unwrap();
        load_from(&config, &cm).unwrap();
        let told = fs::read_to_string(&file).unwrap();
        assert!(told.starts_with("0 name=bond0\n1 none\n"), "{told}");
        fs::write(&config, "x\n").unwrap();
        let error = format!("{:#}", load_from(&config, &cm).unwrap_err());
        assert!(error.contains("rails.conf: line 1"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), told);
    }
}
