// SPDX-License-Identifier: MIT OR Apache-2.0

//! Eight nodes send to one, through a port of the switch that keeps 128 KiB.

use podos_sim::clock::{MILLIS, SECONDS};
use podos_sim::incast::{Incast, Outcome};

fn eight_to_one(rate: u64, mtu: u16, seed: u64) -> Outcome {
    let incast = Incast {
        senders: 8,
        rate,
        buffer: 128 << 10,
        mtu,
        time: 2 * SECONDS,
        seed,
    };
    incast.run()
}

#[test]
fn they_use_the_port_and_share_it() {
    for rate in [100_000_000, 1_000_000_000] {
        for seed in 1..=6 {
            let outcome = eight_to_one(rate, 1500, seed);
            println!("{rate} bit/s, MTU 1500, seed {seed}: {outcome}");
            // Headers and gaps take 0.056 of a rail.
            assert!(outcome.goodput >= 0.93, "{outcome}");
            assert!(outcome.fairness >= 0.95, "{outcome}");
            assert!(outcome.longest_pause < 200 * MILLIS, "{outcome}");
        }
    }
}

/// The buffer has room for fourteen frames, less than two for each sender: some wait for time-outs.
#[test]
fn jumbo_frames_crowd_it() {
    for rate in [100_000_000, 1_000_000_000] {
        for seed in 1..=6 {
            let outcome = eight_to_one(rate, 9000, seed);
            println!("{rate} bit/s, MTU 9000, seed {seed}: {outcome}");
            assert!(outcome.goodput >= 0.97, "{outcome}");
            assert!(outcome.fairness >= 0.9, "{outcome}");
            assert!(outcome.longest_pause < 700 * MILLIS, "{outcome}");
        }
    }
}

#[test]
fn one_alone_loses_little() {
    for mtu in [1500, 9000] {
        let incast = Incast {
            senders: 1,
            rate: 1_000_000_000,
            buffer: 128 << 10,
            mtu,
            time: SECONDS,
            seed: 1,
        };
        let outcome = incast.run();
        println!("MTU {mtu}: {outcome}");
        assert!(
            outcome.goodput >= 0.93 && outcome.dropped == 0.0,
            "{outcome}"
        );
    }
}
