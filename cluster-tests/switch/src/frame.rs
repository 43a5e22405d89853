// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames, as a switch sees them: addresses, EtherType, and bits to flip.

use podos_random::SplitMix64;

/// A frame that is kept.
pub(super) type Frame = Box<[u8]>;

/// An Ethernet address.
pub(super) type Mac = [u8; 6];

/// Ethernet's header; what is shorter is no frame.
pub(super) const HEADER: usize = 14;

/// The longest frame: a jumbo frame with a VLAN tag.
pub(super) const LONGEST: usize = crate::MAX_MTU as usize + HEADER + 4;

/// Both addresses.
const ADDRESSES: usize = 12;

/// EtherType of CM's frames, as docs/wire-protocol.md has it.
const PODOS: [u8; 2] = [0x88, 0xb5];

pub(super) fn is_podos(frame: &[u8]) -> bool {
    frame.get(ADDRESSES..HEADER) == Some(&PODOS)
}

/// Whom it is for and whom it is from; `None` for what is no frame.
pub(super) fn addresses(frame: &[u8]) -> Option<(Mac, Mac)> {
    if !(HEADER..=LONGEST).contains(&frame.len()) {
        return None;
    }
    Some((
        frame[..6].try_into().ok()?,
        frame[6..ADDRESSES].try_into().ok()?,
    ))
}

/// Whether an address is a group's, as broadcast's is.
pub(super) fn is_group(mac: Mac) -> bool {
    mac[0] & 1 != 0
}

/// Flips one to three bits behind the addresses; false when there is nothing behind them.
pub(super) fn flip_bits(frame: &mut [u8], random: &mut SplitMix64) -> bool {
    let Some(body) = frame.get_mut(ADDRESSES..).filter(|body| !body.is_empty()) else {
        return false;
    };
    let count = 1 + random.below(3) as usize;
    let mut flipped = [None; 3];
    for index in 0..count {
        let bit = Some(random.below(body.len() as u64 * 8));
        // Twice the same would undo it.
        if let Some(at) = bit.filter(|_| !flipped.contains(&bit)) {
            body[at as usize / 8] ^= 1 << (at % 8);
            flipped[index] = bit;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use podos_random::Streams;

    use super::*;

    #[test]
    fn addresses_stay_whole_and_something_changes() {
        for number in 0..2000 {
            let mut frame = [0_u8; 20];
            assert!(flip_bits(
                &mut frame,
                &mut Streams::of(5, [0; 3]).stream(number)
            ));
            let bits = frame.iter().map(|byte| byte.count_ones()).sum::<u32>();
            assert!((1..=3).contains(&bits), "{bits} bits");
            assert_eq!(frame[..ADDRESSES], [0; ADDRESSES]);
        }
        let mut random = Streams::of(5, [0; 3]).stream(0);
        assert!(!flip_bits(&mut [0; 12], &mut random));
    }

    #[test]
    fn what_is_no_frame_has_no_addresses() {
        assert_eq!(addresses(&[0; 13]), None);
        assert_eq!(addresses(&[0; LONGEST + 1]), None);
        let mut frame = [0; LONGEST];
        (frame[0], frame[11]) = (1, 2);
        let expected = ([1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2]);
        assert_eq!(addresses(&frame), Some(expected));
        assert!(is_group(expected.0) && !is_group(expected.1));
    }
}
