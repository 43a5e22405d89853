// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random bytes from one node to another, and whether they came.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::{Background, Machine};

/// How long one may take: on bad rails, and with all nodes on few processors.
const LIMIT: Duration = Duration::from_secs(300);

/// A transfer under way. A node receives one at a time.
pub struct Transfer<'a> {
    receiver: Background<'a>,
    sender: Background<'a>,
    bytes: u64,
}

impl<'a> Transfer<'a> {
    /// Starts to send so many bytes, over rails as this transmission group chooses them.
    pub fn start(from: Machine<'a>, to: Machine<'a>, bytes: u64, group: &str) -> Result<Self> {
        let receiver = to.start_long_tool(&["cm", "recv"], LIMIT)?;
        receiver.ready()?;
        let (host, size) = (to.host().to_string(), bytes.to_string());
        let send = ["cm", "send", &host, "--group", group, "--bytes", &size];
        let sender = from.start_long_tool(&send, LIMIT)?;
        Ok(Self {
            receiver,
            sender,
            bytes,
        })
    }

    /// Waits for its end; an error unless all bytes came, and the same. What the sender tells.
    pub fn finish(self) -> Result<Answers> {
        let (sent, received) = (self.sender.finish()?, self.receiver.finish()?);
        sent.expect_errno(0)?;
        received.expect_errno(0)?;
        received.expect("bytes", self.bytes)?;
        ensure_eq!(
            received.text("sha256")?,
            sent.text("sha256")?,
            "what was received"
        );
        Ok(sent)
    }

    /// Waits for its end, which has to be this error at both ends; what the sender tells.
    pub fn breaks(self, errno: i32) -> Result<Answers> {
        let sent = self.sender.finish()?;
        sent.expect_errno(errno)?;
        ensure!(
            sent.number::<u64>("bytes")? < self.bytes,
            "all was sent: {sent:?}"
        );
        // The receiver may be gone with its node.
        Ok(sent)
    }
}
