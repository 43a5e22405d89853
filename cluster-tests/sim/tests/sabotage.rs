// SPDX-License-Identifier: MIT OR Apache-2.0

//! The simulation notices when the protocol is broken; otherwise its silence would prove nothing.

use clap::ValueEnum;
use podos_sim::clock::SECONDS;
use podos_sim::{run, Config, Protection, Sabotage};

/// What the judge says of each.
fn charge(sabotage: Sabotage) -> &'static [&'static str] {
    match sabotage {
        Sabotage::DeliverTwice | Sabotage::DeliverNot | Sabotage::Swap => &["instead of segment"],
        Sabotage::KeepDead | Sabotage::IgnoreSilence => &["died long ago", "for alive"],
        Sabotage::KeepDone => &["entries left", "died long ago"],
        Sabotage::KeepRail => &["without cause: TimedOut"],
        Sabotage::IgnoreTime => &["entries left", "died long ago", "without cause"],
        Sabotage::ResetAtWhim => &["without cause"],
        Sabotage::TrustEverybody => &["instead of segment", "without cause", "nobody asked for"],
        Sabotage::LeakBuffers => &["buffers"],
    }
}

#[test]
fn each_sabotage_is_noticed() {
    for &sabotage in Sabotage::value_variants() {
        let config = Config {
            sabotage: Some(sabotage),
            // Long enough for circuits to give up while a rail stays cut.
            load: 60 * SECONDS,
            circuits: 3_000,
            mode: match sabotage {
                Sabotage::TrustEverybody => Protection::Mac,
                _ => Protection::Open,
            },
            ..Config::new(12, 4)
        };
        match run(&config) {
            Ok(report) => panic!("{sabotage:?} went unnoticed\n{report}"),
            Err(violation) => {
                let text = violation.to_string();
                let expected = charge(sabotage);
                assert!(
                    expected.iter().any(|charge| text.contains(charge)),
                    "{sabotage:?} was taken for something else: {text}"
                );
            }
        }
    }
}

#[test]
fn the_same_cluster_without_sabotage_does_well() {
    let config = Config {
        load: 60 * SECONDS,
        circuits: 3_000,
        ..Config::new(12, 4)
    };
    if let Err(violation) = run(&config) {
        panic!("{violation}\nagain: {}", config.replay());
    }
}
