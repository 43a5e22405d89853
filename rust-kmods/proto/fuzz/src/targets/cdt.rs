// SPDX-License-Identifier: GPL-2.0-only

//! The communication descriptor table, against maps.

use std::collections::HashMap;

use podos_proto::cdt::{Cdt, CdtIndex, Full, PeerKey, Slot};
use podos_proto::{Gpid, HostId};

use super::Target;
use crate::bytes::{Bytes, Outcome};

/// Room for so few entries that it is often full.
const ROOM: usize = 6;

/// Entries that come and go, and indices that name none.
pub(super) const CDT: Target = Target {
    name: "cdt",
    run: cdt,
    seeds: || {
        vec![
            ("active", vec![0, 0, 0, 2, 0, 0, 2, 1, 3, 0]),
            ("passive", vec![1, 1, 1, 2, 1, 1, 2, 0, 1, 3, 2, 1]),
            ("full", vec![0; 12]),
        ]
    },
};

fn cdt(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let mut table = Cdt::new((0..ROOM).map(|_| Slot::new()).collect::<Vec<_>>());
    let mut model: HashMap<CdtIndex, (u32, Option<PeerKey>)> = HashMap::new();
    let mut given = Vec::new();
    let mut finished: HashMap<u16, CdtIndex> = HashMap::new();
    let mut number = 0;
    let mut outcome = Outcome::PLAIN;
    while !bytes.is_empty() {
        number += 1;
        let step = bytes.below(4);
        match step {
            0 | 1 => {
                let key = (step == 1).then(|| {
                    let node = Gpid::new(HostId::new(1 + u32::from(bytes.u8() % 3)), 1, 0);
                    PeerKey::new(node, CdtIndex::new(u16::from(bytes.u8() % 3), 1))
                });
                // Whoever enters a passive end has looked for it.
                if key.is_some_and(|key| table.find_passive(key).is_some()) {
                    continue;
                }
                let result = match key {
                    None => table.insert_active(|_| number),
                    Some(key) => table.insert_passive(key, |_| number),
                };
                match result {
                    Ok(index) => {
                        assert!(!model.contains_key(&index), "an index that is in use");
                        finished.retain(|_, last| *last != index);
                        model.insert(index, (number, key));
                        given.push(index);
                    }
                    Err(Full) => assert_eq!(model.len(), ROOM),
                }
            }
            2 if !given.is_empty() => {
                let index = given[bytes.below(given.len().min(256))];
                let expected = model.remove(&index).map(|(number, _)| number);
                let removed = match number % 2 {
                    0 => table.remove(index),
                    _ => table.remove_finished(index),
                };
                assert_eq!(removed, expected);
                if number % 2 != 0 && expected.is_some() {
                    finished.insert(index.index(), index);
                }
                let last = finished.get(&index.index());
                assert_eq!(table.has_finished(index), last == Some(&index));
            }
            _ => {
                let index = CdtIndex::from_raw(bytes.u32());
                assert_eq!(
                    table.get(index),
                    model.get(&index).map(|(number, _)| number)
                );
                if !model.contains_key(&index) {
                    assert_eq!(table.remove(index), None);
                }
            }
        }
        assert_eq!(table.len(), model.len());
        for (&index, &(number, key)) in &model {
            assert_eq!(table.get(index), Some(&number));
            if let Some(key) = key {
                assert_eq!(table.find_passive(key), Some(index));
            }
        }
        outcome = outcome.and((step, model.len()));
    }
    assert_eq!(table.iter().count(), model.len());
    Outcome::PLAIN.and((outcome.value() % 64, model.len()))
}
