// SPDX-License-Identifier: GPL-2.0-only

//! All targets, for a bounded time: `PODOS_FUZZ_SECONDS` for all of them together, 12 if unset.

use std::time::Duration;

use podos_proto_fuzz::engine::{self, Blind};
use podos_proto_fuzz::{corpus, TARGETS};

fn time() -> Duration {
    let seconds = std::env::var("PODOS_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|text| text.parse::<f64>().expect("PODOS_FUZZ_SECONDS is a number"));
    Duration::from_secs_f64(seconds.unwrap_or(12.0))
}

#[test]
fn arbitrary_bytes_break_nothing() {
    let each = time() / TARGETS.len() as u32;
    for target in TARGETS {
        let inputs = corpus::load(&corpus::home(), target).expect("the corpus can be read");
        let inputs = inputs.into_iter().map(|(_, bytes)| bytes).collect();
        match engine::run(target, inputs, 1, each, &mut Blind) {
            Ok(summary) => println!("{}: {} inputs", target.name, summary.tried),
            Err(broken) => {
                let path = corpus::keep(&corpus::home(), target, &broken.input);
                let path = path.expect("the corpus can be written");
                panic!(
                    "{}: {}\nagain: cargo run -p podos-proto-fuzz -- {} --replay {}",
                    target.name,
                    broken.why,
                    target.name,
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_corpus_is_what_the_encoders_make() {
    for target in TARGETS {
        let kept = corpus::load(&corpus::home(), target).expect("the corpus can be read");
        for (name, bytes) in (target.seeds)() {
            let same = kept
                .iter()
                .any(|(path, kept)| path.ends_with(name) && *kept == bytes);
            assert!(
                same,
                "{}/{name} is not up to date: cargo run -p podos-proto-fuzz -- --write-corpus",
                target.name
            );
        }
    }
}

#[test]
fn seeds_are_taken_as_what_they_are() {
    // A seed that its decoder refuses would teach nothing.
    for name in [
        "header",
        "hello",
        "handshake",
        "beacon",
        "pdfs-request",
        "gipc-command",
    ] {
        let target = podos_proto_fuzz::targets::find(name).expect("the target is there");
        let refused = (target.run)(&[]).value();
        for (seed, bytes) in (target.seeds)() {
            let outcome = (target.run)(&bytes).value();
            assert_ne!(outcome, refused, "{name}/{seed}");
        }
    }
}

#[test]
fn what_was_found_is_kept_and_what_encoders_make_is_replaced() {
    let home = tempfile::tempdir().expect("a folder for the test");
    let target = &TARGETS[0];
    let found = corpus::keep(home.path(), target, b"bad").expect("it can be kept");
    std::fs::write(home.path().join(target.name).join("old"), b"old").expect("it can be written");
    corpus::write_seeds(home.path(), target).expect("seeds can be written");
    let names = corpus::load(home.path(), target).expect("it can be read");
    assert_eq!(names.len(), (target.seeds)().len() + 1);
    assert!(names
        .iter()
        .any(|(path, bytes)| *path == found && bytes == b"bad"));
}
