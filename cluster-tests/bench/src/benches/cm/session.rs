// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run of bench `cm`.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{contestants, processor_key, Case, Who, PEERS, SEALED_PEER, UNSHAPED};
use super::{curves, rail_rate, CLIENT, SERVER};
use crate::answers::Answers;
use crate::bench::{Effort, Repeat, Session};
use crate::benches::load::paper_rate;
use crate::benches::stack::{self, mode_name, Key, MODES};
use crate::benches::{offloads, wireguard};
use crate::lab::{Background, Lab};
use crate::measure::Measurements;

/// Data of a datagram that fills a frame of 1,500 bytes, and that frame as shaping counts it.
const DATAGRAM: u64 = 1472;
const FRAME: u64 = 1514;

pub struct CmSession<'a> {
    lab: &'a Lab,
    effort: Effort,
    key: Key,
    /// The peers' servers.
    _servers: Vec<Background>,
}

impl<'a> CmSession<'a> {
    /// Sets up the peers.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        for host in [CLIENT, SERVER] {
            lab.tool(host, &["tipc-up", "--host", &host.to_string()])?;
        }
        wireguard::connect(lab, [CLIENT, SERVER])?;
        let server = SERVER.to_string();
        let mut servers = Vec::new();
        for peer in PEERS.into_iter().chain([SEALED_PEER]) {
            let transport = peer.transport();
            servers.push(lab.start(SERVER, &["serve", transport, "--host", &server])?);
            lab.tool(CLIENT, &["until", transport, &server])?;
        }
        Ok(Self {
            lab,
            effort,
            key: Key::new()?,
            _servers: servers,
        })
    }

    /// CM in a mode, with its server, which ends when the value is dropped.
    pub fn load(&self, mode: CmMode) -> Result<Background> {
        let hosts = [CLIENT, SERVER];
        stack::load(self.lab, &hosts, mode, &self.key, &["podos_cmtest"])?;
        let server = SERVER.to_string();
        let serving = self
            .lab
            .start(SERVER, &["serve", "cm", "--host", &server])?;
        self.lab.tool(CLIENT, &["until", "cm", &server])?;
        Ok(serving)
    }

    fn mode(&self, mode: CmMode, round: usize, all: &mut Measurements) -> Result<()> {
        let _server = self.load(mode)?;
        let cm = Who::Cm(mode);
        let mut contestants = contestants(mode);
        // Who is first may have an advantage; it is not always the same one.
        let first = round % contestants.len();
        contestants.rotate_left(first);
        for case in UNSHAPED {
            for who in contestants.iter().filter(|who| case.has(**who)) {
                self.measure(case, *who, round, all);
            }
        }
        self.measure(Case::KernelRoundTrip, cm, round, all);
        self.lab.shape(Some(rail_rate()))?;
        for who in contestants.iter().filter(|who| Case::OneRail.has(**who)) {
            self.measure(Case::OneRail, *who, round, all);
        }
        self.measure(Case::ThreeRails, cm, round, all);
        if mode == CmMode::Open {
            self.lab.shape(Some(paper_rate()))?;
            curves::measure(self.lab, self.effort, round, all);
        }
        self.lab.shape(None)?;
        Ok(())
    }

    fn measure(&self, case: Case, who: Who, round: usize, all: &mut Measurements) {
        let measured = match case {
            Case::RoundTrip(size) => self.round_trip(who, size),
            Case::SetUp => self.set_up(who),
            Case::KernelRoundTrip => self.kernel_round_trip(),
            Case::Unshaped | Case::ThreeRails | Case::OneRail => {
                self.throughput(case, who).map(|(rate, processor)| {
                    all.record(round, processor_key(case, who), Ok(processor));
                    rate
                })
            }
        };
        all.record(round, case.key(who), measured);
    }

    /// Throughput in Mbit/s, and processor time in ms per MB.
    fn throughput(&self, case: Case, who: Who) -> Result<(f64, f64)> {
        let group = match case {
            Case::ThreeRails => "stripe",
            _ => "single",
        };
        // UDP must be told how much the rail carries.
        let rate = rail_rate().bits_per_second() * DATAGRAM / FRAME;
        let rate = (who == Who::Udp).then_some(rate);
        self.with_offloads(who, || self.stream(who, group, rate))
    }

    /// Has the nodes' devices be as a contestant wants them meanwhile.
    fn with_offloads<T>(&self, who: Who, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match who {
            Who::PlainTcp => offloads::without(self.lab, [CLIENT, SERVER], work),
            _ => work(),
        }
    }

    /// In µs.
    fn round_trip(&self, who: Who, size: u32) -> Result<f64> {
        let (size, count) = (size.to_string(), self.effort.pick("2000", "100"));
        let what = ["--size", &size, "--count", count, "--warm-up"];
        let warm_up = self.effort.pick("300", "50");
        let answers = self.client(who, "rtt", "single", &[&what[..], &[warm_up]].concat())?;
        Ok(answers.number::<f64>("median_ns")? / 1e3)
    }

    /// Repeats a case; how many units that were.
    fn repeat(&self, case: &Profiled, who: Who, count: u32) -> Result<f64> {
        let count = count.to_string();
        let what = [case.args, &[case.often, &count]].concat();
        let answers = self.with_offloads(who, || self.client(who, case.verb, "single", &what))?;
        match case.unit {
            "MB" => Ok(answers.number::<f64>("received_bytes")? / 1e6),
            _ => answers.number("count"),
        }
    }

    /// A case whose cost is asked for, not its time.
    pub fn repeated(&self, case: &'static Profiled, who: Who) -> Repeat<'_> {
        Repeat {
            unit: case.unit,
            count: case.count,
            run: Box::new(move |count| self.repeat(case, who, count)),
        }
    }

    /// In µs.
    fn set_up(&self, who: Who) -> Result<f64> {
        let what = ["--count", self.effort.pick("400", "40"), "--warm-up"];
        let warm_up = self.effort.pick("60", "10");
        let answers = self.client(who, "setup", "single", &[&what[..], &[warm_up]].concat())?;
        Ok(answers.number::<f64>("median_ns")? / 1e3)
    }

    /// In µs.
    fn kernel_round_trip(&self) -> Result<f64> {
        let (server, count) = (SERVER.to_string(), self.effort.pick("2000", "100"));
        let args = ["kernel-rtt", &server, "--size", "64", "--count", count];
        Ok(self.lab.tool(CLIENT, &args)?.number::<f64>("median_ns")? / 1e3)
    }

    /// Throughput in Mbit/s, and processor time in ms per MB.
    fn stream(&self, who: Who, group: &str, rate: Option<u64>) -> Result<(f64, f64)> {
        let rate = rate.map(|rate| rate.to_string());
        let mut what = vec!["--millis", self.effort.pick("3000", "500")];
        if who == Who::Udp {
            // A whole frame each; more at once would only be cut.
            what.extend(["--chunk", "1472"]);
        }
        if let Some(rate) = &rate {
            what.extend(["--rate", rate]);
        }
        let before = self.lab.processor_time()?;
        let answers = self.client(who, "stream", group, &what)?;
        let processor = self.lab.processor_time()? - before;
        let received: f64 = answers.number("received_bytes")?;
        let seconds = answers.number::<f64>("elapsed_ns")? / 1e9;
        let megabytes = received / 1e6;
        Ok((
            megabytes * 8.0 / seconds,
            processor.as_secs_f64() * 1e3 / megabytes,
        ))
    }

    /// Runs the guest's tool at the client. The transmission group matters to CM only; `single` is
    /// the rail that the peers have.
    fn client(&self, who: Who, verb: &str, group: &str, what: &[&str]) -> Result<Answers> {
        let server = SERVER.to_string();
        let mut args = [&[verb, who.transport(), &server], what].concat();
        if let Who::Cm(_) = who {
            args.extend(["--group", group]);
        }
        self.lab.tool(CLIENT, &args)
    }
}

/// A case that can be profiled: its name, the tool's verb with its arguments, the one that says how
/// often, and what it is repeated of.
pub struct Profiled {
    name: &'static str,
    verb: &'static str,
    args: &'static [&'static str],
    often: &'static str,
    unit: &'static str,
    count: u32,
}

/// Round trips of 64 bytes.
pub const SHORT: Profiled = Profiled {
    name: "round-trip-64",
    verb: "rtt",
    args: &["--size", "64"],
    often: "--count",
    unit: "round trip",
    count: 1000,
};

/// As much as goes through one rail.
pub const STREAM: Profiled = Profiled {
    name: "stream",
    verb: "stream",
    args: &[],
    often: "--millis",
    unit: "MB",
    count: 500,
};

const PROFILED: [Profiled; 4] = [
    SHORT,
    Profiled {
        name: "round-trip-1400",
        verb: "rtt",
        args: &["--size", "1400"],
        often: "--count",
        unit: "round trip",
        count: 1000,
    },
    Profiled {
        name: "set-up",
        verb: "setup",
        args: &[],
        often: "--count",
        unit: "set-up",
        count: 200,
    },
    STREAM,
];

/// `round-trip-64/open` and so on.
pub fn profiled() -> Vec<String> {
    let cases = PROFILED.iter();
    cases
        .flat_map(|case| Who::all().map(move |who| format!("{}/{}", case.name, who.word())))
        .collect()
}

/// See [`Bench::repeat`](crate::bench::Bench::repeat).
pub fn repeat<'a>(lab: &'a Lab, case: &str) -> Result<Repeat<'a>> {
    let parts = case.split_once('/').and_then(|(case, who)| {
        let profiled = PROFILED.iter().find(|profiled| profiled.name == case)?;
        Some((profiled, Who::find(who)?))
    });
    let (case, who) = parts.with_context(|| {
        let cases = profiled().join(", ");
        format!("there is no case `{case}` to profile; there are: {cases}")
    })?;
    let session = CmSession::start(lab, Effort::Full)?;
    let server = match who {
        Who::Cm(mode) => Some(session.load(mode)?),
        _ => None,
    };
    Ok(Repeat {
        unit: case.unit,
        count: case.count,
        run: Box::new(move |count| {
            // It serves for as long as the case is repeated.
            let _server = &server;
            session.repeat(case, who, count)
        }),
    })
}

impl Session for CmSession<'_> {
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()> {
        let mut modes = MODES;
        modes.rotate_left(round % MODES.len());
        for mode in modes {
            self.mode(mode, round, all)
                .with_context(|| format!("mode {}", mode_name(mode)))?;
        }
        Ok(())
    }
}
