// SPDX-License-Identifier: MIT OR Apache-2.0

//! Clusters of all sizes live through all sorts of faults, and the protocol keeps its promises.

use podos_sim::clock::SECONDS;
use podos_sim::{run, Config, Faults, Protection, Report};

/// Runs a simulation that must go well.
fn lives(config: &Config) -> Report {
    match run(config) {
        Ok(report) => report,
        Err(violation) => panic!("{violation}\nagain: {}", config.replay()),
    }
}

#[test]
fn a_thousand_nodes() {
    let config = Config {
        load: 3 * SECONDS / 2,
        ..Config::new(1_000, 1)
    };
    let report = lives(&config);
    println!("{report}");
    // The faults were real, and most was well all the same.
    assert!(report.outcome("peer down") > 10, "{report}");
    assert!(report.outcome("complete") > 3_000, "{report}");
}

#[test]
fn small_clusters_with_many_fates() {
    for seed in 1..=60 {
        let nodes = 2 + (seed as u32 * 7) % 23;
        lives(&Config {
            rails: 1 + seed as usize % 4,
            ..Config::new(nodes, seed)
        });
    }
}

#[test]
fn eight_rails() {
    lives(&Config {
        rails: 8,
        ..Config::new(12, 5)
    });
}

#[test]
fn without_faults_everything_arrives() {
    let report = lives(&Config {
        faults: Faults::None,
        ..Config::new(30, 2)
    });
    for outcome in [
        "peer down",
        "timed out",
        "no circuit",
        "no host",
        "protocol",
    ] {
        assert_eq!(report.outcome(outcome), 0, "{report}");
    }
    assert_eq!(report.drops.len(), 0, "{report}");
}

#[test]
fn lost_frames_alone_break_no_circuit() {
    for seed in 1..=20 {
        let report = lives(&Config {
            faults: Faults::Frames,
            ..Config::new(8, seed)
        });
        // An abort whose reset is lost is found out by the next frame, which finds no circuit.
        for outcome in ["peer down", "timed out", "no host"] {
            assert_eq!(report.outcome(outcome), 0, "{report}");
        }
        assert!(report.drops.contains_key("check sequence"), "{report}");
    }
}

#[test]
fn members_of_a_cluster_with_a_key() {
    for seed in 1..=12 {
        let mode = [Protection::Mac, Protection::Aead][seed as usize % 2];
        lives(&Config {
            mode,
            ..Config::new(4 + seed as u32, seed)
        });
    }
}

#[test]
fn forty_members() {
    let report = lives(&Config {
        mode: Protection::Aead,
        ..Config::new(40, 1)
    });
    println!("{report}");
    assert!(report.outcome("complete") > 100, "{report}");
    assert!(report.drops.contains_key("bad_tag"), "{report}");
}

#[test]
fn a_long_life() {
    lives(&Config {
        load: 60 * SECONDS,
        circuits: 2_000,
        ..Config::new(6, 9)
    });
}

#[test]
fn each_node_hears_of_all_others_and_tells_them_little() {
    let frames = |nodes| {
        let report = lives(&Config {
            faults: Faults::None,
            circuits: 0,
            ..Config::new(nodes, 1)
        });
        let seconds = report.lasted as f64 / SECONDS as f64;
        let each = |traffic: podos_sim::traffic::Traffic| {
            traffic.total().frames as f64 / f64::from(nodes) / seconds
        };
        (each(report.sent), each(report.received))
    };
    let (sent_by_few, heard_by_few) = frames(10);
    let (sent_by_many, heard_by_many) = frames(100);
    // What a node says does not depend on how many hear it; what it hears grows with them.
    assert!((sent_by_many / sent_by_few - 1.0).abs() < 0.05);
    assert!((heard_by_many / heard_by_few - 11.0).abs() < 1.0);
}
