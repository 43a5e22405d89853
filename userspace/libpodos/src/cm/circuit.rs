// SPDX-License-Identifier: MIT OR Apache-2.0

//! Circuits, as CM shows its communication descriptor table (paper, Tables 2 and 3).

use super::table::Row;
use super::Result;
use crate::Gpid;

/// One entry of this node's communication descriptor table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitState {
    /// The entry's own index: generation and slot.
    pub index: String,
    /// Index at the end that opened the circuit.
    pub active: String,
    /// Index at the other end; `-` until it is known.
    pub passive: String,
    /// The layer that it belongs to.
    pub class: String,
    /// Which end this node is: active or passive.
    pub role: String,
    /// The process at the other end; pid 0 while only its node is known.
    pub peer: Gpid,
    /// The process at this end.
    pub local: Gpid,
    /// How far the circuit is.
    pub state: String,
    /// The transmission group that deals its frames to rails.
    pub group: String,
    /// The rail of a circuit that keeps to one.
    pub rail: Option<u8>,
    /// Segments sent, each once.
    pub sent: u64,
    /// Segments received in order.
    pub received: u64,
    /// Segments sent again.
    pub retransmitted: u64,
    /// Times that an answer did not come in time.
    pub timeouts: u64,
    /// Bytes of data sent.
    pub bytes_sent: u64,
    /// Bytes of data received.
    pub bytes_received: u64,
    /// Smoothed round trip in microseconds, once it was measured.
    pub srtt_us: Option<u64>,
    /// Segments that wait to be sent or acknowledged.
    pub queued: u64,
}

impl CircuitState {
    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        let text = |column| row.text(column).map(str::to_owned);
        Ok(Self {
            index: text("index")?,
            active: text("active")?,
            passive: text("passive")?,
            class: text("class")?,
            role: text("role")?,
            peer: row.parse("peer_gpid", "a GPID")?,
            local: row.parse("local_gpid", "a GPID")?,
            state: text("state")?,
            group: text("group")?,
            rail: row.maybe_number("rail")?,
            sent: row.number("sent")?,
            received: row.number("received")?,
            retransmitted: row.number("retransmitted")?,
            timeouts: row.number("timeouts")?,
            bytes_sent: row.number("bytes_sent")?,
            bytes_received: row.number("bytes_received")?,
            srtt_us: row.maybe_number("srtt_us")?,
            queued: row.number("queued")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Cm;

    #[test]
    fn circuits_as_the_kernel_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let text = "index active passive class role peer_gpid local_gpid state group rail sent \
                    received retransmitted timeouts bytes_sent bytes_received srtt_us queued\n\
                    00010003 00010003 - pdfs active 0000000200070000 0000000100050123 open stripe \
                    - 12 7 1 0 16000 4096 - 3\n\
                    00020004 00050001 00020004 gipc passive 0000000300010042 0000000100050042 \
                    finishing round-robin 2 1 1 0 0 0 25 310 0\n";
        std::fs::write(dir.path().join("circuits"), text).unwrap();
        let circuits = Cm::at(dir.path(), dir.path()).circuits().unwrap();
        let [first, second] = &circuits[..] else {
            panic!("{circuits:?}");
        };
        assert_eq!((first.class.as_str(), first.peer.host()), ("pdfs", 2));
        assert_eq!((first.passive.as_str(), first.rail), ("-", None));
        assert_eq!((first.bytes_sent, first.queued), (16000, 3));
        assert_eq!((second.rail, second.srtt_us), (Some(2), Some(310)));
        assert_eq!((second.local.pid(), second.bytes_received), (0x42, 25));
    }
}
