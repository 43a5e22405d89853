// SPDX-License-Identifier: MIT OR Apache-2.0

//! The definitions that the pipeline is driven by: image profiles and the build root.
//!
//! Every table refuses keys it does not know, and every error names file, line and key.

mod build_root;
mod profile;

use std::path::Path;

use anyhow::{anyhow, Result};
use serde::de::DeserializeOwned;

use crate::fs;

pub use build_root::{BuildRootDefinition, KernelPackage};
pub use profile::{Profile, NODE};

/// Reads the definition `name` (a path in the checkout `root`).
pub fn read<T: DeserializeOwned>(root: &Path, name: &str) -> Result<T> {
    let path = root.join(name);
    let text = fs::read_to_string(&path)?;
    parse(name, &text)
}

/// Parses the definition `text` of the file `name`.
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(
            || name.to_owned(),
            |span| format!("{name}:{}", text[..span.start].matches('\n').count() + 1),
        );
        let line = error
            .span()
            .and_then(|span| text[span.start..].lines().next());
        let message = error.message().trim().replace('\n', ", ");
        match line.filter(|line| !line.is_empty()) {
            Some(line) => anyhow!("{place}: {message} (at `{}`)", line.trim()),
            None => anyhow!("{place}: {message}"),
        }
    })
}

/// The line (from 1) of the first one in `text` that contains `needle`, for errors about values
/// that are well-formed and wrong.
pub(crate) fn line_of(text: &str, needle: &str) -> usize {
    text.lines()
        .position(|line| line.contains(needle))
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "suite = \"trixie\"\npackages = [\"make\"]\n\n[kernel-source]\npackage = \"linux-source-7.3\"\nsuite = \"trixie-backports\"\n";

    fn message(text: &str) -> String {
        let error = parse::<BuildRootDefinition>("rootfs/build-root.toml", text);
        error
            .map(|_| ())
            .expect_err("the definition is wrong")
            .to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_file_and_line() {
        let text = GOOD.replace("packages =", "mirror = \"x\"\npackages =");
        let message = message(&text);
        assert!(
            message.starts_with("rootfs/build-root.toml:2: unknown field `mirror`"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_key_is_named_with_file() {
        let message = message(&GOOD.replace("suite = \"trixie\"\n", ""));
        assert!(message.starts_with("rootfs/build-root.toml"), "{message}");
        assert!(message.contains("missing field `suite`"), "{message}");
    }

    #[test]
    fn a_wrong_type_and_broken_syntax_are_named_with_line() {
        let wrong = message(&GOOD.replace("[\"make\"]", "7"));
        assert!(
            wrong.starts_with("rootfs/build-root.toml:2: invalid type: integer `7`"),
            "{wrong}"
        );
        let broken = message(&GOOD.replace("[kernel-source]", "[kernel-source"));
        assert!(broken.starts_with("rootfs/build-root.toml:4"), "{broken}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read::<BuildRootDefinition>(Path::new("/nonexistent"), "a.toml");
        let message = error.map(|_| ()).expect_err("not there").to_string();
        assert!(message.contains("/nonexistent/a.toml"), "{message}");
    }
}
