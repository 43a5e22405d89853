// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/podos/sst`: the System State Table to read.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::Arc;
use podos_proto::rm::{Beacon, LOADAVG_SHIFT};
use podos_proto::sst::Entry;
use podos_proto::{Gpid, HostId};
use podos_sys::{Attribute, AttributeFile, Kobject};

use crate::beacon::millis;
use crate::state::{Seen, State};
use crate::sys;

/// The table's directory. The nodes' directories go before it does.
pub(crate) struct Report {
    nodes: KVec<NodeDirectory>,
    generation: AttributeFile<Generation>,
    directory: Arc<Kobject>,
    state: Arc<State>,
    seen: KVec<Seen>,
}

impl Report {
    /// The directory, without any nodes yet.
    ///
    /// # Errors
    ///
    /// `ENXIO` while cm is not up, `ENOMEM`.
    pub(crate) fn new(state: Arc<State>) -> Result<Self> {
        let directory = Arc::new(podos_cm::sysfs_root()?.child(c"sst")?, GFP_KERNEL)?;
        let generation = Generation(AtomicU64::new(0));
        Ok(Self {
            nodes: KVec::new(),
            generation: AttributeFile::new(directory.clone(), c"generation", generation)?,
            directory,
            state,
            seen: KVec::new(),
        })
    }

    /// Makes directories for new nodes, and tells those who watch the generation if a node
    /// appeared, died, returned or rebooted.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; what was not shown will be by the next call.
    pub(crate) fn update(&mut self) -> Result {
        self.state.look(&mut self.seen)?;
        let mut changed = false;
        let mut shown = Ok(());
        for seen in &self.seen {
            let known = self.nodes.iter_mut().find(|node| node.host == seen.host);
            match known {
                Some(known) => changed |= known.update(seen),
                None => match NodeDirectory::new(&self.directory, &self.state, seen) {
                    Ok(node) => {
                        self.nodes.push(node, GFP_KERNEL)?;
                        changed = true;
                    }
                    Err(e) => shown = Err(e),
                },
            }
        }
        if changed {
            self.generation.content().0.fetch_add(1, Ordering::Relaxed);
            self.generation.notify();
        }
        shown
    }
}

/// Counts the changes of the set of nodes that are alive.
struct Generation(AtomicU64);

impl Attribute for Generation {
    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(writeln!(text, "{}", self.0.load(Ordering::Relaxed))?)
    }
}

/// One node's directory, and what was told of the node.
struct NodeDirectory {
    host: HostId,
    node: Gpid,
    alive: bool,
    _files: KVec<AttributeFile<Field>>,
}

impl NodeDirectory {
    fn new(parent: &Kobject, state: &Arc<State>, seen: &Seen) -> Result<Self> {
        let name = CString::try_from_fmt(fmt!("{}", seen.host.raw()))?;
        let directory = Arc::new(parent.child(&name)?, GFP_KERNEL)?;
        let mut files = KVec::with_capacity(FIELDS.len(), GFP_KERNEL)?;
        for &(name, show) in &FIELDS {
            let field = Field {
                state: state.clone(),
                host: seen.host,
                show,
            };
            let file = AttributeFile::new(directory.clone(), name, field)?;
            files.push(file, GFP_KERNEL)?;
        }
        log(seen);
        Ok(Self {
            host: seen.host,
            node: seen.node,
            alive: seen.alive,
            _files: files,
        })
    }

    /// Takes note of how the node is now; whether that is news.
    fn update(&mut self, seen: &Seen) -> bool {
        let news = (self.node, self.alive) != (seen.node, seen.alive);
        if news {
            log(seen);
        }
        self.node = seen.node;
        self.alive = seen.alive;
        news
    }
}

fn log(seen: &Seen) {
    let state = if seen.alive { "alive" } else { "dead" };
    pr_info!(
        "node {} (boot {}) is {state}\n",
        seen.host.raw(),
        seen.node.boot()
    );
}

type Show = fn(&Subject<'_>, &mut dyn Write) -> core::fmt::Result;

/// Whom a field tells about.
struct Subject<'a> {
    entry: &'a Entry,
    alive: bool,
}

impl Subject<'_> {
    fn beacon(&self) -> &Beacon {
        self.entry.beacon()
    }
}

/// One file of a node's directory.
struct Field {
    state: Arc<State>,
    host: HostId,
    show: Show,
}

impl Attribute for Field {
    fn show(&self, text: &mut dyn Write) -> Result {
        let entry = self.state.entry(self.host).ok_or(ENOENT)?;
        let subject = Subject {
            entry: &entry,
            alive: self.state.is_alive(self.host),
        };
        (self.show)(&subject, text)?;
        Ok(text.write_char('\n')?)
    }
}

/// The files, each with what it shows; units are bytes and milliseconds.
const FIELDS: [(&CStr, Show); 11] = [
    (c"hostname", |s, f| {
        let name = core::str::from_utf8(s.beacon().hostname());
        f.write_str(name.unwrap_or("?"))
    }),
    (c"alive", |s, f| write!(f, "{}", u8::from(s.alive))),
    (c"interfaces", |s, f| {
        for (i, mac) in s.beacon().interfaces().iter().enumerate() {
            if i > 0 {
                f.write_char(' ')?;
            }
            let [a, b, c, d, e, g] = mac;
            write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")?;
        }
        Ok(())
    }),
    (c"nr_running", |s, f| write!(f, "{}", s.beacon().nr_running)),
    (c"nr_tasks", |s, f| write!(f, "{}", s.beacon().nr_tasks)),
    (c"loadavg", |s, f| {
        let [one, five, fifteen, _] = s.beacon().loadavg.map(|load| hundredths(load.get()));
        write!(f, "{one} {five} {fifteen}")
    }),
    (c"idle_time", |s, f| {
        write!(f, "{}", s.beacon().idle_time_ms)
    }),
    (c"mem_free", |s, f| write!(f, "{}", s.beacon().mem_free)),
    (c"mem_total", |s, f| write!(f, "{}", s.beacon().mem_total)),
    (c"boot", |s, f| write!(f, "{}", s.entry.node().boot())),
    (c"age_ms", |s, f| {
        let age = sys::now().saturating_duration_since(s.entry.heard_at());
        write!(f, "{}", millis(age))
    }),
];

/// A fixed-point load average, to be shown with two decimals.
fn hundredths(load: u32) -> impl core::fmt::Display {
    struct Hundredths(u64);
    impl core::fmt::Display for Hundredths {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
        }
    }
    // Rounded as /proc/loadavg does it.
    let rounded = u64::from(load) + (1 << LOADAVG_SHIFT) / 200;
    Hundredths((rounded * 100) >> LOADAVG_SHIFT)
}
