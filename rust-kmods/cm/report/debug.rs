// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/debug/podos`: the circuits, one a line, and, when the module was told to reveal
//! them, the session keys. For root alone.

use core::fmt;
use kernel::debugfs::{Dir, File, Writer};

use kernel::prelude::*;
use podos_proto::circuit::{Circuit, ReceiveState};
use podos_proto::time::Duration;

use crate::entry::Entry;
use crate::node::NODE;
use crate::sys::SegmentData;

/// The files, while this value lives.
pub(super) struct Files {
    _circuits: Pin<KBox<File<Circuits>>>,
    _session_keys: Option<Pin<KBox<File<SessionKeys>>>>,
    _directory: Dir,
}

impl Files {
    pub(super) fn new(reveal_keys: bool) -> Result<Self> {
        let directory = Dir::new(c"podos");
        let circuits = KBox::pin_init(directory.read_only_file(c"circuits", Circuits), GFP_KERNEL)?;
        let session_keys = match reveal_keys {
            true => {
                pr_warn!("reveal_keys is set: root can read the session keys\n");
                let file = directory.read_only_file(c"session_keys", SessionKeys);
                Some(KBox::pin_init(file, GFP_KERNEL)?)
            }
            false => None,
        };
        Ok(Self {
            _circuits: circuits,
            _session_keys: session_keys,
            _directory: directory,
        })
    }
}

/// What is not known (yet).
struct Unknown<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Unknown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

struct Circuits;

impl Writer for Circuits {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "index active passive class role peer_gpid local_gpid state group rail sent received \
             retransmitted timeouts bytes_sent bytes_received srtt_us queued"
        )?;
        let Ok(node) = NODE.get() else {
            return Ok(());
        };
        let mut written = Ok(());
        node.table()
            .for_each(|entry| written = written.and_then(|()| describe(entry, f)));
        written
    }
}

fn micros(time: Duration) -> u64 {
    time.as_secs() * 1_000_000 + u64::from(time.subsec_micros())
}

/// Where the circuit is in its life.
fn state(circuit: &Circuit<SegmentData>) -> &'static str {
    match circuit.receive_state() {
        _ if circuit.reset_reason().is_some() => "reset",
        _ if circuit.passive_index().is_none() => "opening",
        ReceiveState::Eof => "finished",
        _ => "open",
    }
}

fn describe(entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let line = entry.peek(|circuit| {
        let index = |index: podos_proto::cdt::CdtIndex| {
            Unknown(index.is_some().then(|| HexIndex(index.raw())))
        };
        let role = if circuit.is_active() {
            "active"
        } else {
            "passive"
        };
        let stats = circuit.stats();
        let srtt = circuit.round_trip().map(micros);
        (
            (
                index(circuit.active_index()),
                index(circuit.passive_index()),
            ),
            (circuit.class(), role, circuit.remote(), circuit.local()),
            (state(circuit), circuit.group(), circuit.rail()),
            (stats, srtt, circuit.queued().0),
        )
    });
    let (
        (active, passive),
        (class, role, remote, local),
        (state, group, rail),
        (stats, srtt, queued),
    ) = line;
    writeln!(
        f,
        "{} {active} {passive} {} {role} {remote} {local} {state} {} {} {} {} {} {} {} {} {} {queued}",
        HexIndex(entry.index().raw()),
        class.name(),
        group.name(),
        Unknown(rail),
        stats.sent,
        stats.received,
        stats.retransmitted,
        stats.timeouts,
        stats.bytes_sent,
        stats.bytes_received,
        Unknown(srtt),
    )
}

/// An index as the traces and captures show it.
struct HexIndex(u32);

impl fmt::Display for HexIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

struct SessionKeys;

impl Writer for SessionKeys {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(node) = NODE.get() else {
            return Ok(());
        };
        let mut written = Ok(());
        node.sessions().for_each_session_key(|session| {
            written = written.and_then(|()| {
                write!(f, "{} {} {:02x} ", session.from, session.to, session.key_id)?;
                for byte in session.key.as_bytes() {
                    write!(f, "{byte:02x}")?;
                }
                writeln!(f)
            });
        });
        written
    }
}
