// SPDX-License-Identifier: MIT OR Apache-2.0

//! Debian's order of package versions (deb-version(7)).

use std::cmp::Ordering;

/// Compares two package versions: epoch, upstream version, revision.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    a.epoch
        .cmp(&b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

struct Parts<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let (epoch, rest) = version
            .split_once(':')
            .and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)))
            .unwrap_or((0, version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        Parts {
            epoch,
            upstream,
            revision,
        }
    }
}

/// Compares by turns the longest prefixes without digits and those of digits.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split_where(a, |c| c.is_ascii_digit());
        let (text_b, rest_b) = split_where(b, |c| c.is_ascii_digit());
        let weights = |text: &str| text.chars().map(weight).chain([0]).collect::<Vec<_>>();
        let (number_a, next_a) = split_where(rest_a, |c| !c.is_ascii_digit());
        let (number_b, next_b) = split_where(rest_b, |c| !c.is_ascii_digit());
        let order = weights(text_a)
            .cmp(&weights(text_b))
            .then_with(|| compare_numbers(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// A tilde sorts before even the end, letters before everything else.
fn weight(c: char) -> i64 {
    match c {
        '~' => -1,
        c if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        c => i64::from(u32::from(c)) + 256,
    }
}

/// Numbers of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let ascending = [
            "7.3.4~rc1-1",
            "7.3.4-1~bpo13+1",
            "7.3.4-1",
            "7.3.4-1+b1",
            "7.3.4-1+deb13u1",
            "7.3.4-2",
            "7.3.4-10",
            "7.3.4a-1",
            "7.3.4+dfsg-1",
            "7.3.10-1",
            "1:0.1-1",
        ];
        for (index, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare_versions(a, b), index.cmp(&other), "{a} and {b}");
            }
        }
        assert_eq!(compare_versions("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare_versions("1.00", "1.0"), Ordering::Equal);
    }
}
