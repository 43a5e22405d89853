// SPDX-License-Identifier: GPL-2.0-only

//! Segments that were received and not yet read.

use kernel::iov::IovIterDest;
use kernel::prelude::*;
use podos_cm::Incoming;

use crate::abi::{RecordStream, LEAST_RECORD, RECORD_HEADER};

/// Most segments that are kept; a circuit's window holds as many again.
const CAPACITY: usize = 64;

/// Something to read.
enum Item {
    /// A segment of a stream, of which `taken` bytes were read.
    Data {
        stream: RecordStream,
        segment: Incoming,
        taken: usize,
    },
    /// The end of the program.
    Exit(i32),
}

/// Received things in their order.
pub(crate) struct Inbox(KVec<Item>);

impl Inbox {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(KVec::with_capacity(CAPACITY, GFP_KERNEL)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing should be added before something was read.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= CAPACITY
    }

    /// Adds a segment of a stream.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if the inbox is full.
    pub(crate) fn add(&mut self, stream: RecordStream, segment: Incoming) -> Result {
        if segment.is_empty() {
            return Ok(());
        }
        let taken = 0;
        self.push(Item::Data {
            stream,
            segment,
            taken,
        })
    }

    /// Adds the end of the program.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if the inbox is full.
    pub(crate) fn add_exit(&mut self, wait_status: i32) -> Result {
        self.push(Item::Exit(wait_status))
    }

    fn push(&mut self, item: Item) -> Result {
        self.0.push_within_capacity(item).map_err(|_| ENOBUFS)
    }

    fn drop_first(&mut self) {
        // Of an empty inbox there is no first one to drop.
        let _ = self.0.remove(0);
    }

    /// Reads bytes without telling the streams apart; `None` if there are none.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they can't be written.
    pub(crate) fn read_bytes(&mut self, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let mut read = 0;
        while let Some(item) = self.0.first_mut() {
            let Item::Data { segment, taken, .. } = item else {
                self.drop_first();
                continue;
            };
            if to.is_empty() {
                break;
            }
            let all = segment.len() - *taken;
            let len = segment.copy_to_iter(*taken, to);
            *taken += len;
            read += len;
            if len == all {
                self.drop_first();
            } else if !to.is_empty() {
                // The reader's memory ended before the length it told.
                return if read > 0 {
                    Ok(Some(read))
                } else {
                    Err(EFAULT)
                };
            }
        }
        Ok((read > 0).then_some(read))
    }

    /// Reads one record; `None` if there is none.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no room for the shortest record, `EFAULT` if it can't be written.
    pub(crate) fn read_record(&mut self, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        if to.len() < LEAST_RECORD {
            return Err(EINVAL);
        }
        let room = to.len() - RECORD_HEADER;
        let Some(first) = self.0.first_mut() else {
            return Ok(None);
        };
        let (len, put, all) = match first {
            Item::Exit(status) => {
                let status = status.to_le_bytes();
                let header = RecordStream::Exit.header(status.len());
                let put = to.copy_to_iter(&header) + to.copy_to_iter(&status);
                (status.len(), put, true)
            }
            Item::Data {
                stream,
                segment,
                taken,
            } => {
                let rest = segment.len() - *taken;
                let len = rest.min(room);
                let mut put = to.copy_to_iter(&stream.header(len));
                // With the header written there is just the room that is wanted, or the data end.
                put += segment.copy_to_iter(*taken, to);
                if put == RECORD_HEADER + len {
                    *taken += len;
                }
                (len, put, len == rest)
            }
        };
        if put != RECORD_HEADER + len {
            return Err(EFAULT);
        }
        if all {
            self.drop_first();
        }
        Ok(Some(put))
    }
}
