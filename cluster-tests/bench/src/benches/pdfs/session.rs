// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run of bench `pdfs`.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{contestants, Call, Case, Who, AGAIN, MODES, STORED};
use super::curves::{sizes, Curve, LOAD};
use super::{CLIENT, SERVER};
use crate::answers::Answers;
use crate::bench::{Effort, Repeat, Session};
use crate::benches::load::{paper_rate, Load};
use crate::benches::stack::{self, mode_name, Key, SERVICES};
use crate::benches::{offloads, wireguard};
use crate::lab::Lab;
use crate::measure::Measurements;
use crate::profile::IN_ALL;

/// The directory that is served, at the server.
pub const SERVED: &str = "/srv/bench";
/// Where the client has it by NFS.
pub const NFS: &str = "/mnt/nfs";

const HOSTS: [u32; 2] = [CLIENT, SERVER];
/// KB in bytes.
const KB: usize = 1024;
/// A file of the paper's table 4, in KB, and what is read of it at once, in bytes.
const CALLED: usize = 10;
const BLOCK: usize = 1024;

pub struct PdfsSession<'a> {
    lab: &'a Lab,
    effort: Effort,
    key: Key,
    /// CM's own choice of a transmission group.
    default_group: String,
    /// Directories that were made: none is used twice, so that nobody has seen its names.
    made: usize,
}

/// Files that the server has made.
#[derive(Clone)]
struct Made {
    /// Below [`SERVED`].
    dir: String,
    /// Number of the first one.
    first: usize,
    count: usize,
    /// In bytes.
    size: usize,
}

impl<'a> PdfsSession<'a> {
    /// Has NFS serve.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        let client = CLIENT.to_string();
        let served = format!("mkdir -p {SERVED} && mount -t tmpfs -o size=256m bench {SERVED}");
        lab.node(SERVER)?.shell(&served)?;
        wireguard::connect(lab, HOSTS)?;
        lab.tool(SERVER, &["nfs-export", SERVED, "--to", &client])?;
        Ok(Self {
            lab,
            effort,
            key: Key::new()?,
            default_group: stack::group(lab, CLIENT)?,
            made: 0,
        })
    }

    /// PDFS in a mode of CM.
    pub fn load(&self, mode: CmMode) -> Result<()> {
        stack::load(self.lab, &HOSTS, mode, &self.key, &SERVICES)?;
        stack::wait_for_path(self.lab, CLIENT, &Who::Pdfs(mode).path())
    }

    /// Mounts NFS as one of its contestants has it. A client that has mounted a server by
    /// one address uses that for all others: there is one mount at a time.
    fn mount(&self, who: Who) -> Result<()> {
        let (client, server) = (CLIENT.to_string(), SERVER.to_string());
        let mut args = vec!["nfs-mount", &server, NFS, "--from", &client];
        if who == Who::SealedNfs {
            args.push("--wireguard");
        }
        self.lab.tool(CLIENT, &args).map(drop)
    }

    /// Asks for the attributes of a file that stays open, each time anew.
    pub fn attributes(&mut self, who: Who) -> Result<Repeat<'_>> {
        if who.is_nfs() {
            self.mount(who)?;
        }
        let made = self.make(1, KB)?;
        let path = format!("{}/{}/{}", who.path(), made.dir, made.first);
        let lab = self.lab;
        Ok(Repeat {
            unit: "request",
            count: 500,
            run: Box::new(move |count| {
                let count = count.to_string();
                let answers = lab.tool(CLIENT, &["attributes", &path, "--count", &count])?;
                answers.number("count")
            }),
        })
    }

    /// Ends what [`PdfsSession::attributes`] began.
    pub fn leave(&self, who: Who) -> Result<()> {
        match who.is_nfs() {
            true => self.unmount(),
            false => Ok(()),
        }
    }

    fn unmount(&self) -> Result<()> {
        self.lab.node(CLIENT)?.shell(&format!("umount {NFS}"))?;
        Ok(())
    }

    fn mode(&mut self, mode: CmMode, round: usize, all: &mut Measurements) -> Result<()> {
        self.load(mode)?;
        let mut contestants = contestants(mode);
        let nfs = contestants.iter().find(|who| who.is_nfs()).copied();
        if let Some(nfs) = nfs {
            self.mount(nfs)?;
        }
        // Who is first may have an advantage; it is not always the same one.
        let first = round % contestants.len();
        contestants.rotate_left(first);
        for &size in sizes(self.effort) {
            let count = self.count_of(size);
            // Two of them have one client, and each wants files that it has not seen.
            let both = self.make(2 * count, size * KB)?;
            for who in &contestants {
                let first = match who {
                    Who::PlainNfs => count,
                    _ => 0,
                };
                let made = Made {
                    first,
                    count,
                    ..both.clone()
                };
                all.record(round, Case::Fetch(size).key(*who), self.fetch(*who, &made));
                if size == AGAIN && Case::Again(size).has(*who) {
                    all.record(round, Case::Again(size).key(*who), self.fetch(*who, &made));
                }
            }
            self.remove(&both)?;
        }
        contestants.retain(|who| Case::Stat.has(*who));
        for size in STORED {
            for who in &contestants {
                let made = self.make(0, size * KB)?;
                let stored = self.store(*who, self.count_of(size), &made);
                all.record(round, Case::Store(size).key(*who), stored);
                self.remove(&made)?;
            }
        }
        for who in &contestants {
            let made = self.make(self.effort.pick(100, 10), KB)?;
            self.names(*who, &made, round, all);
            self.remove(&made)?;
        }
        if mode == CmMode::Open {
            self.lab.shape(Some(paper_rate()))?;
            self.calls(&contestants, round, all)?;
            self.curves(&Curve::IDLE, round, all)?;
            let load = Load::start(self.lab, HOSTS, LOAD, false, round)?;
            self.curves(&Curve::LOADED, round, all)?;
            drop(load);
            self.lab.shape(None)?;
        }
        match nfs {
            Some(_) => self.unmount(),
            None => Ok(()),
        }
    }

    /// Files of a size that tell what one takes.
    fn count_of(&self, kilobytes: usize) -> usize {
        match kilobytes {
            ..=10 => self.effort.pick(40, 5),
            11..=100 => self.effort.pick(20, 2),
            101..=500 => self.effort.pick(7, 1),
            _ => self.effort.pick(5, 1),
        }
    }

    /// A new directory with so many files of so many bytes.
    fn make(&mut self, count: usize, size: usize) -> Result<Made> {
        self.made += 1;
        let made = Made {
            dir: self.made.to_string(),
            first: 0,
            count,
            size,
        };
        let path = format!("{SERVED}/{}", made.dir);
        let (count, size) = (count.to_string(), size.to_string());
        let args = ["make", &path, "--count", &count, "--size", &size];
        self.lab.tool(SERVER, &args)?;
        Ok(made)
    }

    fn remove(&self, made: &Made) -> Result<()> {
        let path = format!("{SERVED}/{}", made.dir);
        self.lab.node(SERVER)?.shell(&format!("rm -r {path}"))?;
        Ok(())
    }

    /// What a verb of the guest's tool says of these files, as a contestant sees them.
    fn files(&self, who: Who, verb: &str, made: &Made, more: &[&str]) -> Result<Answers> {
        let path = format!("{}/{}", who.path(), made.dir);
        let (first, count) = (made.first.to_string(), made.count.to_string());
        let args = [verb, &path, "--first", &first, "--count", &count];
        let args = [&args[..], more].concat();
        self.lab.tool(CLIENT, &args)
    }

    /// In ms.
    fn fetch(&self, who: Who, made: &Made) -> Result<f64> {
        let size = made.size.to_string();
        let fetch = || self.files(who, "fetch", made, &["--size", &size]);
        let answers = match who {
            Who::PlainNfs => offloads::without(self.lab, HOSTS, fetch)?,
            _ => fetch()?,
        };
        milliseconds(&answers, "fetch")
    }

    /// In ms; what was stored is looked at where it is now.
    fn store(&self, who: Who, count: usize, empty: &Made) -> Result<f64> {
        let (count, size) = (count.to_string(), empty.size.to_string());
        let path = |above: &str| format!("{above}/{}", empty.dir);
        let what = ["--count", &count, "--size", &size];
        let (there, here) = (path(&who.path()), path(SERVED));
        let answers = self
            .lab
            .tool(CLIENT, &[&["store", &there], &what[..]].concat())?;
        self.lab
            .tool(SERVER, &[&["fetch", &here], &what[..]].concat())
            .with_context(|| format!("cannot read what {} stored", who.name()))?;
        milliseconds(&answers, "store")
    }

    fn names(&self, who: Who, made: &Made, round: usize, all: &mut Measurements) {
        let answers = self.files(who, "names", made, &[]);
        for (case, name) in [
            (Case::Stat, "stat"),
            (Case::List, "list"),
            (Case::Make, "make"),
            (Case::Remove, "remove"),
        ] {
            let time = match &answers {
                Ok(answers) => milliseconds(answers, name),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            let files = match case {
                Case::List => made.count as f64,
                _ => 1.0,
            };
            all.record(round, case.key(who), time.map(|time| time / files));
        }
    }

    /// The calls of table 4, in PDFS on one rail as NFS is.
    fn calls(&mut self, whos: &[Who], round: usize, all: &mut Measurements) -> Result<()> {
        self.group(Curve::Pdfs.group())?;
        let made = self.make(self.count_of(CALLED), CALLED * KB)?;
        let (size, block) = (made.size.to_string(), BLOCK.to_string());
        for who in whos {
            let more = ["--size", &size, "--chunk", &block];
            let answers = self.files(*who, "fetch", &made, &more);
            for call in Call::ALL {
                let time = match &answers {
                    Ok(answers) => milliseconds(answers, call.word()),
                    Err(error) => Err(anyhow::anyhow!("{error:#}")),
                };
                all.record(round, call.key(*who), time);
            }
        }
        self.group(None)?;
        self.remove(&made)
    }

    /// Fetches of all sizes for some curves.
    fn curves(&mut self, curves: &[Curve], round: usize, all: &mut Measurements) -> Result<()> {
        let mut curves = curves.to_vec();
        let first = round % curves.len();
        curves.rotate_left(first);
        for &size in sizes(self.effort) {
            let count = self.effort.pick(self.count_of(size).div_ceil(2), 1);
            let made = self.make(count * curves.len(), size * KB)?;
            for (index, curve) in curves.iter().enumerate() {
                let who = match curve.is_ours() {
                    true => {
                        self.group(curve.group())?;
                        Who::Pdfs(CmMode::Open)
                    }
                    false => Who::Nfs,
                };
                // Files of its own: two curves have the same client.
                let files = Made {
                    first: index * count,
                    count,
                    ..made.clone()
                };
                all.record(round, curve.key(size), self.fetch(who, &files));
            }
            self.remove(&made)?;
        }
        self.group(None)
    }

    /// Has CM use this transmission group, or its default one.
    fn group(&self, group: Option<&str>) -> Result<()> {
        let group = group.unwrap_or(&self.default_group);
        stack::set_group(self.lab, &HOSTS, group)
    }
}

/// Sizes of fetches that can be profiled, in KB, and how many files the short repetition fetches.
const PROFILED: [(usize, u32); 2] = [(10, 200), (1000, 10)];

fn profiled_cases() -> impl Iterator<Item = (String, usize, u32, Who)> {
    let whos = MODES.into_iter().flat_map(contestants);
    whos.flat_map(|who| {
        PROFILED.map(|(size, count)| (format!("fetch-{size}/{}", who.word()), size, count, who))
    })
}

/// `fetch-10/open` and so on.
pub fn profiled() -> Vec<String> {
    profiled_cases().map(|(name, ..)| name).collect()
}

/// See [`Bench::repeat`](crate::bench::Bench::repeat). Every file is new to the client, and there
/// before anything is counted.
pub fn repeat<'a>(lab: &'a Lab, case: &str) -> Result<Repeat<'a>> {
    let found = profiled_cases().find(|(name, ..)| name == case);
    let (_, size, count, who) = found.with_context(|| {
        let cases = profiled().join(", ");
        format!("there is no case `{case}` to profile; there are: {cases}")
    })?;
    let mut session = PdfsSession::start(lab, Effort::Full)?;
    match who {
        Who::Pdfs(mode) => session.load(mode)?,
        _ => session.mount(who)?,
    }
    let mut made = session.make((count * IN_ALL) as usize, size * KB)?;
    Ok(Repeat {
        unit: "file",
        count,
        run: Box::new(move |count| {
            made.count = count as usize;
            session.fetch(who, &made)?;
            made.first += made.count;
            Ok(f64::from(count))
        }),
    })
}

/// The middle of what the guest's tool says under a name.
fn milliseconds(answers: &Answers, name: &str) -> Result<f64> {
    Ok(answers.number::<f64>(&format!("{name}_median_ns"))? / 1e6)
}

impl Session for PdfsSession<'_> {
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
