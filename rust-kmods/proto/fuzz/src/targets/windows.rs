// SPDX-License-Identifier: GPL-2.0-only

//! Replay windows, against sets that forget nothing.

use std::collections::HashSet;

use podos_proto::keys::CounterWindow;
use podos_proto::peer::{OpenCheck, ReplayWindow};
use podos_proto::Seq;

use super::Target;
use crate::bytes::{Bytes, Outcome};

/// How far behind the highest number a window remembers.
/// Counters that are remembered.
const WIDTH: u64 = 1024;
/// Open sequences that are remembered.
const OPENS: u64 = 4096;

/// Steps from one open sequence to the next.
pub(super) const REPLAY: Target = Target {
    name: "replay",
    run: replay,
    seeds: || {
        vec![
            (
                "ascending",
                [1_u16; 40]
                    .iter()
                    .flat_map(|step| step.to_be_bytes())
                    .collect(),
            ),
            (
                "jumps",
                [0xff, 0xff, 0xff, 0xfe, 0x04, 0, 0xfc, 0, 0, 1, 0xff, 0xff].to_vec(),
            ),
        ]
    },
};

fn replay(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let mut window = ReplayWindow::new();
    let mut seen = HashSet::new();
    let mut seq = bytes.u32();
    let mut highest = seq;
    let mut outcome = Outcome::PLAIN;
    let mut met = [false; 3];
    while !bytes.is_empty() {
        let ahead = seq.wrapping_sub(highest) as i32;
        let behind = highest.wrapping_sub(seq);
        let expected = if ahead <= 0 && u64::from(behind) >= OPENS {
            OpenCheck::Old
        } else if seen.contains(&seq) {
            OpenCheck::Duplicate
        } else {
            OpenCheck::Fresh
        };
        assert_eq!(
            window.check(Seq::new(seq)),
            expected,
            "{seq} after {highest}"
        );
        if expected == OpenCheck::Fresh {
            seen.insert(seq);
        }
        if ahead > 0 {
            highest = seq;
            // What the window forgets may come again when the numbers have gone round.
            seen.retain(|&old| u64::from(highest.wrapping_sub(old)) < OPENS);
        }
        met[match expected {
            OpenCheck::Fresh => 0,
            OpenCheck::Duplicate | OpenCheck::Refused(_) => 1,
            OpenCheck::Old => 2,
        }] = true;
        seq = seq.wrapping_add_signed(i32::from(bytes.u16() as i16));
    }
    outcome = outcome.and(met);
    outcome
}

/// Counters as they come under one key.
pub(super) const COUNTERS: Target = Target {
    name: "counters",
    run: counters,
    seeds: || {
        let counters = |list: &[u64]| -> Vec<u8> {
            let floor = 0_u64.to_be_bytes();
            let rest = list.iter().flat_map(|counter| counter.to_be_bytes());
            floor.into_iter().chain(rest).collect()
        };
        vec![
            ("ascending", counters(&[1, 2, 3, 4, 5])),
            (
                "far",
                counters(&[1, 2000, 977, 976, u64::MAX, u64::MAX - 1]),
            ),
        ]
    },
};

fn counters(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let floor = bytes.u64();
    let mut window = CounterWindow::above(floor);
    let mut seen = HashSet::new();
    let mut highest = floor;
    let mut accepted = 0_u32;
    while !bytes.is_empty() {
        let counter = bytes.u64();
        let near = counter > highest || highest - counter < WIDTH;
        let expected = counter > floor && near && !seen.contains(&counter);
        assert_eq!(window.admits(counter), expected, "{counter} above {floor}");
        assert_eq!(window.accept(counter), expected);
        if expected {
            seen.insert(counter);
            highest = highest.max(counter);
            accepted += 1;
        }
    }
    Outcome::PLAIN.and(accepted.min(8)).and(highest == u64::MAX)
}
