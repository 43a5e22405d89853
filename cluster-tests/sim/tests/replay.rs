// SPDX-License-Identifier: MIT OR Apache-2.0

//! The seed decides everything.

use podos_sim::{run, Config, Violation};

fn digest(config: &Config) -> Result<u64, Violation> {
    run(config).map(|report| report.digest)
}

#[test]
fn the_same_seed_gives_the_same_history() -> Result<(), Violation> {
    let config = Config::new(40, 11);
    let first = run(&config)?;
    let again = run(&config)?;
    assert_eq!(first.digest, again.digest);
    assert_eq!(first.to_string(), again.to_string());
    Ok(())
}

#[test]
fn another_seed_gives_another_history() -> Result<(), Violation> {
    let config = Config::new(20, 1);
    let other = Config::new(20, 2);
    assert_ne!(digest(&config)?, digest(&other)?);
    Ok(())
}

#[test]
fn following_a_conversation_changes_nothing() -> Result<(), Violation> {
    let config = Config::new(10, 3);
    let followed = Config {
        follow: Some(u32::MAX),
        ..config.clone()
    };
    assert_eq!(digest(&config)?, digest(&followed)?);
    Ok(())
}
