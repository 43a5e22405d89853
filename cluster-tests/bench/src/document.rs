// SPDX-License-Identifier: MIT OR Apache-2.0

//! Documents that are half written by hand and half by benches.

use anyhow::{bail, Result};

/// `document` with the part that belongs to `bench` replaced. The part lies between two markers;
/// a document without them gets them at its end. All else stays as it is.
pub fn replace(document: &str, bench: &str, part: &str) -> Result<String> {
    let begin = format!("<!-- bench {bench}: written by `cargo xtask bench report {bench}` -->\n");
    let end = format!("<!-- end of bench {bench} -->\n");
    let block = format!("{begin}\n{}\n\n{end}", part.trim());
    match (document.find(&begin), document.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            let rest = &document[to + end.len()..];
            Ok(format!("{}{block}{rest}", &document[..from]))
        }
        (None, None) => Ok(format!("{}\n\n{block}", document.trim_end())),
        _ => bail!("the markers of bench {bench} are not a pair: mend or remove them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let first = replace("# Performance\n\nBy hand.\n", "cm", "one\n").unwrap();
        assert!(first.starts_with("# Performance\n\nBy hand.\n\n<!-- bench cm:"));
        let with_more = format!("{first}\nMore by hand.\n");
        let second = replace(&with_more, "cm", "two").unwrap();
        assert!(second.contains("By hand.\n\n<!--") && second.ends_with("\nMore by hand.\n"));
        assert!(second.contains("\ntwo\n") && !second.contains("one"));
        assert_eq!(replace(&second, "cm", "two").unwrap(), second);
        let both = replace(&second, "pdfs", "three").unwrap();
        assert!(both.contains("\ntwo\n") && both.contains("\nthree\n"));
    }

    #[test]
    fn half_a_pair_of_markers_is_an_error() {
        let whole = replace("", "cm", "one").unwrap();
        let half = whole.replace("<!-- end of bench cm -->\n", "");
        assert!(replace(&half, "cm", "two").is_err());
    }
}
