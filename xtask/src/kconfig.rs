// SPDX-License-Identifier: MIT OR Apache-2.0

//! Kernel configuration: fragments that ask for options, and whether the kernel took them.

use std::collections::BTreeMap;

use anyhow::{bail, Result};

/// One option as a fragment asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Name with `CONFIG_`.
    pub option: String,
    /// The value; `None` asks for the option to be off.
    pub value: Option<String>,
    /// `FILE:LINE` of the request.
    pub place: String,
}

/// Reads the requests of a fragment.
pub fn parse_fragment(file: &str, text: &str) -> Result<Vec<Request>> {
    let mut requests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", index + 1);
        let line = line.trim_end();
        match parse_line(line) {
            Some((option, value)) => requests.push(Request {
                option,
                value,
                place,
            }),
            None if line.is_empty() || line.starts_with('#') => {}
            None => bail!("{place}: `{line}` is neither CONFIG_NAME=value nor a comment"),
        }
    }
    Ok(requests)
}

/// `CONFIG_X=value` or `# CONFIG_X is not set`; `=n` is the latter.
fn parse_line(line: &str) -> Option<(String, Option<String>)> {
    let off = line
        .strip_prefix("# ")
        .and_then(|rest| rest.strip_suffix(" is not set"));
    let (option, value) = match off {
        Some(option) => (option, None),
        None => line
            .split_once('=')
            .map(|(option, value)| (option, Some(value)))?,
    };
    let name = option.strip_prefix("CONFIG_")?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let value = value.filter(|value| *value != "n").map(str::to_owned);
    Some((option.to_owned(), value))
}

/// Joins fragments, a later request for an option replacing an earlier one.
pub fn merge(fragments: Vec<Vec<Request>>) -> Vec<Request> {
    let mut merged: Vec<Request> = Vec::new();
    for request in fragments.into_iter().flatten() {
        match merged
            .iter_mut()
            .find(|other| other.option == request.option)
        {
            Some(other) => *other = request,
            None => merged.push(request),
        }
    }
    merged
}

/// The requests as a file for `KCONFIG_ALLCONFIG`.
pub fn render(requests: &[Request]) -> String {
    requests
        .iter()
        .map(|request| match &request.value {
            Some(value) => format!("{}={value}\n", request.option),
            None => format!("# {} is not set\n", request.option),
        })
        .collect()
}

/// The requests that the final configuration `config` does not have, one sentence each.
pub fn dropped(requests: &[Request], config: &str) -> Vec<String> {
    let have: BTreeMap<_, _> = config
        .lines()
        .filter_map(parse_line)
        .filter_map(|(o, v)| Some((o, v?)))
        .collect();
    let words =
        |value: Option<&String>| value.map_or("off".to_owned(), |value| format!("={value}"));
    requests
        .iter()
        .filter(|request| have.get(&request.option) != request.value.as_ref())
        .map(|request| {
            format!(
                "{}: {} was asked to be {} and is {}",
                request.place,
                request.option,
                words(request.value.as_ref()),
                words(have.get(&request.option))
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &str = "# A comment\nCONFIG_RUST=y\n\nCONFIG_NR_CPUS=64\n# CONFIG_SWAP is not set\nCONFIG_NAME=\"a=b\"\n";

    #[test]
    fn a_fragment_is_read_with_places() -> Result<()> {
        let requests = parse_fragment("base.config", FRAGMENT)?;
        let options: Vec<_> = requests
            .iter()
            .map(|r| (r.option.as_str(), r.value.as_deref()))
            .collect();
        assert_eq!(
            options,
            [
                ("CONFIG_RUST", Some("y")),
                ("CONFIG_NR_CPUS", Some("64")),
                ("CONFIG_SWAP", None),
                ("CONFIG_NAME", Some("\"a=b\"")),
            ]
        );
        assert_eq!(requests[2].place, "base.config:5");
        Ok(())
    }

    #[test]
    fn a_line_that_asks_nothing_is_refused() {
        for bad in ["RUST=y", "CONFIG_RUST", "CONFIG_=y", "CONFIG_A B=y"] {
            let text = format!("CONFIG_OK=y\n{bad}\n");
            let error = parse_fragment("base.config", &text)
                .expect_err(bad)
                .to_string();
            assert!(error.starts_with("base.config:2: "), "{error}");
        }
    }

    #[test]
    fn a_dropped_option_is_named_with_its_fragment_and_line() -> Result<()> {
        let requests = parse_fragment("base.config", FRAGMENT)?;
        let taken =
            "CONFIG_RUST=y\nCONFIG_NR_CPUS=64\n# CONFIG_SWAP is not set\nCONFIG_NAME=\"a=b\"\n";
        assert_eq!(dropped(&requests, taken), Vec::<String>::new());
        // An option that is off may also not be mentioned at all.
        assert_eq!(
            dropped(&requests, &taken.replace("# CONFIG_SWAP is not set\n", "")),
            Vec::<String>::new()
        );
        let other = taken
            .replace("RUST=y", "RUST=m")
            .replace("CONFIG_NR_CPUS=64\n", "");
        let other = other.replace("# CONFIG_SWAP is not set", "CONFIG_SWAP=y");
        assert_eq!(
            dropped(&requests, &other),
            [
                "base.config:2: CONFIG_RUST was asked to be =y and is =m",
                "base.config:4: CONFIG_NR_CPUS was asked to be =64 and is off",
                "base.config:5: CONFIG_SWAP was asked to be off and is =y",
            ]
        );
        Ok(())
    }

    #[test]
    fn a_later_fragment_wins() -> Result<()> {
        let base = parse_fragment("base.config", "CONFIG_A=y\nCONFIG_B=y\n")?;
        let debug = parse_fragment("debug.config", "CONFIG_A=n\n")?;
        let merged = merge(vec![base, debug]);
        assert_eq!(render(&merged), "# CONFIG_A is not set\nCONFIG_B=y\n");
        assert_eq!(merged[0].place, "debug.config:1");
        Ok(())
    }
}
