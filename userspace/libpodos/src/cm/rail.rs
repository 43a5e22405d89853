// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rails: the networks that join all nodes, each by one interface of every node.

use std::time::Duration;

use super::table::Row;
use super::Result;
use crate::Node;

/// One of this node's interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRail {
    /// Number of the rail, from 0.
    pub rail: u8,
    /// Name of the network device.
    pub device: String,
    /// Its hardware address.
    pub mac: String,
    /// The longest frame that it takes behind the Ethernet header, in bytes.
    pub mtu: u32,
    /// Whether it works.
    pub state: String,
    /// Frames sent.
    pub sent_frames: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Frames received.
    pub received_frames: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Bytes that wait in the device's queue.
    pub queued_bytes: u64,
}

impl OwnRail {
    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            rail: row.number("rail")?,
            device: row.text("device")?.to_owned(),
            mac: row.text("mac")?.to_owned(),
            mtu: row.number("mtu")?,
            state: row.text("state")?.to_owned(),
            sent_frames: row.number("sent_frames")?,
            sent_bytes: row.number("sent_bytes")?,
            received_frames: row.number("received_frames")?,
            received_bytes: row.number("received_bytes")?,
            queued_bytes: row.number("queued_bytes")?,
        })
    }
}

/// One interface of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRail {
    /// The node.
    pub node: Node,
    /// Its boot sequence number.
    pub boot: u16,
    /// Number of the rail.
    pub rail: u8,
    /// The interface's hardware address.
    pub mac: String,
    /// The longest frame that it takes behind the Ethernet header, in bytes; `None` if the node
    /// has not said so yet.
    pub mtu: Option<u32>,
    /// Whether frames are sent to it.
    pub state: String,
    /// How long ago the node was heard on it.
    pub heard: Option<Duration>,
    /// Smoothed round trip over it in microseconds, once it was measured.
    pub srtt_us: Option<u64>,
}

impl PeerRail {
    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        let host: std::num::NonZeroU32 = row.parse("host", "a host id")?;
        Ok(Self {
            node: Node::from(host),
            boot: row.number("boot")?,
            rail: row.number("rail")?,
            mac: row.text("mac")?.to_owned(),
            mtu: row.maybe_number("mtu")?,
            state: row.text("state")?.to_owned(),
            heard: row.maybe_number("heard_ms")?.map(Duration::from_millis),
            srtt_us: row.maybe_number("srtt_us")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cm;

    fn cm(name: &str, text: &str) -> (tempfile::TempDir, Cm) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let cm = Cm::at(dir.path(), dir.path());
        (dir, cm)
    }

    #[test]
    fn own_rails() {
        let (_dir, cm) = cm(
            "rails",
            "rail device mac mtu state sent_frames sent_bytes received_frames received_bytes \
             queued_bytes\n\
             0 eth0 52:54:00:50:00:01 1500 up 10 1000 20 2000 0\n\
             2 eth2 52:54:00:50:02:01 9000 down 0 0 0 0 77\n",
        );
        let rails = cm.rails().unwrap();
        assert_eq!(rails.len(), 2);
        assert_eq!((rails[0].rail, rails[0].received_bytes), (0, 2000));
        assert_eq!((rails[1].device.as_str(), rails[1].mtu), ("eth2", 9000));
        assert_eq!(
            (rails[1].state.as_str(), rails[1].queued_bytes),
            ("down", 77)
        );
    }

    #[test]
    fn peers() {
        let header = "host boot rail mac mtu state heard_ms srtt_us\n";
        let (dir, cm) = cm(
            "peers",
            &format!(
                "{header}2 7 0 52:54:00:50:00:02 1500 up 120 210\n\
                 2 7 1 52:54:00:50:01:02 - down - -\n"
            ),
        );
        let peers = cm.peers().unwrap();
        assert_eq!(peers[0].node.to_string(), "linus2");
        assert_eq!(peers[0].heard, Some(Duration::from_millis(120)));
        assert_eq!(
            (peers[1].mtu, peers[1].heard, peers[1].srtt_us),
            (None, None, None)
        );
        let row = "0 7 0 52:54:00:50:00:02 1500 up 120 210\n";
        std::fs::write(dir.path().join("peers"), header.to_owned() + row).unwrap();
        let error = cm.peers().unwrap_err().to_string();
        assert!(error.contains("peers:2: `0` is not a host id"), "{error}");
    }
}
