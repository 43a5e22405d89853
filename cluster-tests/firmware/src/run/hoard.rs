// SPDX-License-Identifier: MIT OR Apache-2.0

//! A member that has a node keep data which can never be read (section 6: the receiver's room).

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::treason::ECHO;
use super::{Machine, Outcome, Run};
use crate::wire::{flag, kind, Header, MAX_DATA};

/// Segments of a window.
const WINDOW: u32 = 64;

impl<M: Machine> Run<M> {
    pub(super) fn hoard(&mut self, host: u32, circuits: usize, size: usize, ms: u64) -> Outcome {
        let mut sent = 0;
        for _ in 0..circuits {
            let index = self.begin(host)?;
            let circuit = self.node.circuits.get(&index).ok_or("no circuit")?;
            let data = circuit.header(kind::DATA, ECHO, flag::ACK_VALID | flag::MORE);
            // Segment 0 went, and 1 never goes.
            let places = (2..=WINDOW).flat_map(|seq| {
                let offsets = (0..MAX_DATA - size).step_by(size.max(MAX_DATA / 8));
                offsets.map(move |offset| (seq, offset))
            });
            let mut frames = Vec::new();
            for (seq, offset) in places {
                let header = Header {
                    seq,
                    offset: offset as u16,
                    ..data
                };
                let frame = self.node.pair_frame(host, header, &vec![0x5a; size]);
                frames.push(frame.ok_or("no key")?);
            }
            sent += frames.len();
            self.send_to(host, frames);
        }
        self.machine
            .print(format_args!("fw: hoarding size={size} pieces={sent}"));
        self.stay(ms * 1000);
        Ok(format!("pieces={sent}"))
    }
}
