// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run of bench `gipc`.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{Case, Who, CASES, PAIRS, REXEC};
use super::{ssh, CLIENT, SERVER};
use crate::answers::Answers;
use crate::bench::{Effort, Repeat, Session};
use crate::benches::stack::{self, mode_name, Key, SERVICES};
use crate::lab::{Background, Lab, TOOL};
use crate::measure::Measurements;

/// What is launched, and what it says.
const PROGRAM: [&str; 2] = ["/bin/echo", "ok"];
const SAYS: &str = "ok";

pub struct GipcSession<'a> {
    lab: &'a Lab,
    effort: Effort,
    key: Key,
    /// The peers' servers.
    _servers: Vec<Background>,
}

impl<'a> GipcSession<'a> {
    /// Has the peers serve.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        let link = format!("ln -s {TOOL} {REXEC}");
        lab.node(CLIENT)?.shell(&link)?;
        let servers = vec![ssh::serve(lab)?, lab.start(SERVER, &["rexec-serve"])?];
        Ok(Self {
            lab,
            effort,
            key: Key::new()?,
            _servers: servers,
        })
    }

    /// GIPC in a mode of CM.
    pub fn load(&self, mode: CmMode) -> Result<()> {
        let hosts = [CLIENT, SERVER];
        stack::load(self.lab, &hosts, mode, &self.key, &SERVICES)?;
        stack::wait_for_path(self.lab, CLIENT, &format!("/linus{SERVER}/bin"))
    }

    fn pair(&self, mode: CmMode, peer: Who, round: usize, all: &mut Measurements) -> Result<()> {
        self.load(mode)?;
        // Who is first may have an advantage; it is not always the same one.
        let mut contestants = [Who::Gipc(mode), peer];
        contestants.rotate_left(round % 2);
        for case in CASES {
            for who in contestants.into_iter().filter(|who| case.has(*who)) {
                all.record(round, case.key(who), self.measure(case, who));
            }
        }
        Ok(())
    }

    fn measure(&self, case: Case, who: Who) -> Result<f64> {
        match case {
            Case::Launch => self.launch(&who.line(&PROGRAM)),
            Case::LaunchFromHere => {
                let mut line = who.line(&PROGRAM);
                let options = line.iter().position(|word| word == "--").unwrap_or(0);
                line.insert(options, "--from-here".into());
                self.launch(&line)
            }
            Case::Exec => {
                let count = self.effort.pick("60", "5");
                median(&self.exec(who, count)?, 1e6)
            }
            Case::Echo => {
                let count = self.effort.pick("500", "20");
                median(&self.echo(who, count)?, 1e3)
            }
            Case::Output => self.output(who),
        }
    }

    /// In ms.
    fn launch(&self, line: &[String]) -> Result<f64> {
        let what = ["launch", "--says", SAYS, "--count"];
        let what = [&what[..], &[self.effort.pick("20", "2"), "--"]].concat();
        median(&self.tool(&what, line)?, 1e6)
    }

    fn exec(&self, who: Who, count: &str) -> Result<Answers> {
        let way = match who {
            Who::Gipc(_) => "gipc",
            _ => "rexec",
        };
        let host = SERVER.to_string();
        let what = ["exec", way, &host, "--says", SAYS, "--count", count, "--"];
        self.tool(&what, &PROGRAM.map(str::to_owned))
    }

    fn echo(&self, who: Who, count: &str) -> Result<Answers> {
        self.tool(&["echo", "--count", count, "--"], &who.line(&["/bin/cat"]))
    }

    /// In Mbit/s.
    fn output(&self, who: Who) -> Result<f64> {
        let bytes = self.effort.pick("16777216", "1048576");
        let line = who.line(&["/bin/head", "-c", bytes, "/dev/zero"]);
        let answers = self.tool(&["output", "--bytes", bytes, "--"], &line)?;
        let seconds = answers.number::<f64>("elapsed_ns")? / 1e9;
        Ok(answers.number::<f64>("bytes")? * 8.0 / 1e6 / seconds)
    }

    /// A case whose cost is asked for, not its time.
    pub fn repeated(&self, case: Case, who: Who) -> Repeat<'_> {
        let (unit, count) = unit(case);
        Repeat {
            unit,
            count,
            run: Box::new(move |count| self.repeat(case, who, count)),
        }
    }

    /// Repeats a case; how many units that were.
    fn repeat(&self, case: Case, who: Who, count: u32) -> Result<f64> {
        let count = count.to_string();
        let answers = match case {
            Case::Echo => self.echo(who, &count)?,
            _ => self.exec(who, &count)?,
        };
        answers.number("count")
    }

    /// Runs the guest's tool at the client.
    fn tool(&self, what: &[&str], line: &[String]) -> Result<Answers> {
        let line = line.iter().map(String::as_str);
        let args: Vec<_> = what.iter().copied().chain(line).collect();
        self.lab.tool(CLIENT, &args)
    }
}

fn profiled_cases() -> impl Iterator<Item = (String, Case, Who)> {
    let cases = [(Case::Exec, "exec"), (Case::Echo, "echo")];
    let pairs = PAIRS.iter();
    let whos = pairs.flat_map(|(mode, peer)| [Who::Gipc(*mode), *peer]);
    whos.flat_map(move |who| {
        let has = cases.into_iter().filter(move |(case, _)| case.has(who));
        has.map(move |(case, name)| (format!("{name}/{}", who.word()), case, who))
    })
}

/// `exec/open` and so on.
pub fn profiled() -> Vec<String> {
    profiled_cases().map(|(name, ..)| name).collect()
}

/// See [`Bench::repeat`](crate::bench::Bench::repeat).
pub fn repeat<'a>(lab: &'a Lab, case: &str) -> Result<Repeat<'a>> {
    let found = profiled_cases().find(|(name, ..)| name == case);
    let (_, case, who) = found.with_context(|| {
        let cases = profiled().join(", ");
        format!("there is no case `{case}` to profile; there are: {cases}")
    })?;
    let session = GipcSession::start(lab, Effort::Full)?;
    if let Who::Gipc(mode) = who {
        session.load(mode)?;
    }
    let (unit, count) = unit(case);
    Ok(Repeat {
        unit,
        count,
        run: Box::new(move |count| session.repeat(case, who, count)),
    })
}

/// What a case that is counted consists of, and how often the short repetition repeats it.
fn unit(case: Case) -> (&'static str, u32) {
    match case {
        Case::Echo => ("round trip", 500),
        _ => ("program", 20),
    }
}

/// The middle, in so many ns.
fn median(answers: &Answers, unit: f64) -> Result<f64> {
    Ok(answers.number::<f64>("median_ns")? / unit)
}

impl Session for GipcSession<'_> {
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()> {
        let mut pairs = PAIRS;
        pairs.rotate_left(round % PAIRS.len());
        for (mode, peer) in pairs {
            self.pair(mode, peer, round, all)
                .with_context(|| format!("mode {}", mode_name(mode)))?;
        }
        Ok(())
    }
}
