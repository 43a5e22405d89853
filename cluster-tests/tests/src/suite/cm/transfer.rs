// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random bytes from one node to another, and whether they came.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::answers::Answers;
use crate::check::{ensure_eq, taken_for_dead};
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
        came_whole(self.bytes, &sent, &received)?;
        Ok(sent)
    }

    /// As [`Transfer::finish`], but one node may have lost the other from sight, which is told by a
    /// name; whether all bytes came.
    pub fn finish_unless_apart(self) -> Result<bool> {
        let (sent, received) = (self.sender.finish()?, self.receiver.finish()?);
        for end in [&sent, &received] {
            if taken_for_dead(Some(end.number("errno")?)) {
                return Ok(false);
            }
        }
        came_whole(self.bytes, &sent, &received)?;
        Ok(true)
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

/// An error unless what both ends tell is that all bytes came, and the same.
fn came_whole(bytes: u64, sent: &Answers, received: &Answers) -> Result<()> {
    sent.expect_errno(0)?;
    received.expect_errno(0)?;
    received.expect("bytes", bytes)?;
    ensure_eq!(
        received.text("sha256")?,
        sent.text("sha256")?,
        "what was received"
    );
    Ok(())
}
