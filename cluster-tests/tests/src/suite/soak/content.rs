// SPDX-License-Identifier: MIT OR Apache-2.0

//! What may be in a file.

use podos_random::SplitMix64;

/// What the guest's tool writes for a seed.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(seed);
    let words = std::iter::repeat_with(|| random.draw());
    words.flat_map(u64::to_le_bytes).take(len).collect()
}

/// The content after a write.
pub fn written(content: &[u8], offset: usize, data: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    if content.len() < offset + data.len() {
        content.resize(offset + data.len(), 0);
    }
    content[offset..offset + data.len()].copy_from_slice(data);
    content
}

/// Says how a content differs from the only one that it may be.
pub fn differs(expected: &[u8], found: &[u8]) -> Option<String> {
    if expected.len() != found.len() {
        let (expected, found) = (expected.len(), found.len());
        return Some(format!("it has {found} bytes, not {expected}"));
    }
    let mut pairs = expected.iter().zip(found);
    let at = pairs.position(|(expected, found)| expected != found)?;
    let (expected, found) = (expected[at], found[at]);
    Some(format!("byte {at} is {found:#04x}, not {expected:#04x}"))
}

/// A file whose change was interrupted: it is there as before, or as after, or of each byte either.
/// Its length lies between, and a byte that was written neither before nor after is zero.
pub fn between(old: &[u8], new: &[u8], found: &[u8]) -> Option<String> {
    let (least, most) = (old.len().min(new.len()), old.len().max(new.len()));
    if !(least..=most).contains(&found.len()) {
        let found = found.len();
        return Some(format!("it has {found} bytes, not {least} to {most}"));
    }
    let allowed = |at: usize, byte: u8| {
        let (old, new) = (old.get(at), new.get(at));
        old == Some(&byte) || new == Some(&byte) || (byte == 0 && old.is_none())
    };
    let at = found
        .iter()
        .enumerate()
        .position(|(at, byte)| !allowed(at, *byte))?;
    Some(format!(
        "byte {at} is {:#04x}, neither old nor new",
        found[at]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // SplitMix64 with seed 0, first output.
        let word = 0xe220_a839_7b1d_cdaf_u64.to_le_bytes();
        assert_eq!(pattern(0, 8), word);
        assert_eq!(pattern(0, 3), word[..3]);
        assert_ne!(pattern(0, 16)[8..], word);
    }

    #[test]
    fn writes_overwrite_and_extend() {
        assert_eq!(written(b"abcd", 1, b"XY"), b"aXYd");
        assert_eq!(written(b"ab", 1, b"XY"), b"aXY");
        assert_eq!(written(b"", 2, b"X"), b"\0\0X");
    }

    #[test]
    fn any_other_byte_is_told() {
        assert_eq!(differs(b"abc", b"abc"), None);
        assert_eq!(differs(b"abc", b"abd").unwrap(), "byte 2 is 0x64, not 0x63");
        assert_eq!(differs(b"abc", b"ab").unwrap(), "it has 2 bytes, not 3");
    }

    #[test]
    fn an_interrupted_write_may_be_torn_and_no_more() {
        for good in ["aaaa", "abba", "abbb", "aaba"] {
            assert_eq!(between(b"aaaa", b"abbb", good.as_bytes()), None, "{good}");
        }
        // Longer afterwards: parts of it, with holes.
        for good in ["aa", "aab", "aa\0b"] {
            assert_eq!(between(b"aa", b"aabb", good.as_bytes()), None, "{good}");
        }
        for bad in ["baaa", "aaac", "a\0aa", "aaa", "aaaaa"] {
            assert!(between(b"aaaa", b"abbb", bad.as_bytes()).is_some(), "{bad}");
        }
        // Cut: what is behind the cut is as it was.
        assert_eq!(between(b"abcd", b"ab", b"abc"), None);
        assert!(between(b"abcd", b"ab", b"abd").is_some());
    }
}
