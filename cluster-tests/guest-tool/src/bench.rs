// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench`: the guest's part of `cargo xtask bench`.
//!
//! Every transport is measured by the same loops, from user process to user process: a
//! [`transport::Channel`] each, a server that echoes or counts, and a client that measures. What
//! the answers mean is told at each verb; times are in nanoseconds.

mod cm;
mod load;
mod netlink;
mod pace;
mod rtt;
mod samples;
mod serve;
mod setup;
mod stream;
mod tcp;
mod tipc;
mod transport;
mod udp;
mod until;

use anyhow::Result;

/// Measure transports between two nodes
#[derive(Debug, clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Rtt(rtt::Rtt),
    Setup(setup::Setup),
    Stream(stream::Stream),
    Load(load::Load),
    KernelRtt(cm::KernelRtt),
    TipcUp(tipc::Up),
    Until(until::Until),
}

impl Bench {
    pub fn run(&self) -> Result<()> {
        match &self.verb {
            Verb::Serve(verb) => verb.run(),
            Verb::Rtt(verb) => verb.run(),
            Verb::Setup(verb) => verb.run(),
            Verb::Stream(verb) => verb.run(),
            Verb::Load(verb) => verb.run(),
            Verb::KernelRtt(verb) => verb.run(),
            Verb::TipcUp(verb) => verb.run(),
            Verb::Until(verb) => verb.run(),
        }
    }
}
