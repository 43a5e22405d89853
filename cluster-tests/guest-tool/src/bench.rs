// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench`: the guest's part of `cargo xtask bench`.
//!
//! Every transport is measured by the same loops, from user process to user process: a
//! [`transport::Channel`] each, a server that echoes or counts, and a client that measures. File
//! systems are measured by the same calls in another directory, remote execution by other command
//! lines. What the answers mean is told at each verb; times are in nanoseconds.

mod attributes;
mod cm;
mod exec;
mod fetch;
mod files;
mod load;
mod names;
mod netlink;
mod nfs;
mod offloads;
mod pace;
mod remote;
mod rexec;
mod rtt;
mod samples;
mod serve;
mod setup;
mod store;
mod stream;
mod tcp;
mod tipc;
mod transport;
mod udp;
mod until;
mod wireguard;

use anyhow::Result;
pub use rexec::by_name;

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
    WireguardKey(wireguard::NewKey),
    WireguardPeer(wireguard::Peer),
    Offloads(offloads::Offloads),
    Until(until::Until),
    NfsExport(nfs::Export),
    NfsMount(nfs::Mount),
    Make(files::Make),
    Fetch(fetch::Fetch),
    Store(store::Store),
    Names(names::Names),
    Attributes(attributes::Attributes),
    Launch(remote::Launch),
    Echo(remote::Echo),
    Output(remote::Output),
    RexecServe(rexec::Serve),
    Exec(exec::Exec),
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
            Verb::WireguardKey(verb) => verb.run(),
            Verb::WireguardPeer(verb) => verb.run(),
            Verb::Offloads(verb) => verb.run(),
            Verb::Until(verb) => verb.run(),
            Verb::NfsExport(verb) => verb.run(),
            Verb::NfsMount(verb) => verb.run(),
            Verb::Make(verb) => verb.run(),
            Verb::Fetch(verb) => verb.run(),
            Verb::Store(verb) => verb.run(),
            Verb::Names(verb) => verb.run(),
            Verb::Attributes(verb) => verb.run(),
            Verb::Launch(verb) => verb.run(),
            Verb::Echo(verb) => verb.run(),
            Verb::Output(verb) => verb.run(),
            Verb::RexecServe(verb) => verb.run(),
            Verb::Exec(verb) => verb.run(),
        }
    }
}
