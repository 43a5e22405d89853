// SPDX-License-Identifier: GPL-2.0-only

//! The table against a hash map.

use std::collections::HashMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::HostId;

fn table(room: usize) -> Cdt<u32, Vec<Slot<u32>>> {
    Cdt::new((0..room).map(|_| Slot::new()).collect())
}

fn key(number: u8) -> PeerKey {
    PeerKey::new(
        Gpid::new(HostId::new(u32::from(number % 3) + 1), 1, 99),
        CdtIndex::new(number.into(), 1),
    )
}

#[derive(Clone, Debug)]
enum Step {
    Active(u32),
    Passive(u8, u32),
    /// Removes the entry that the n-th index ever given belongs or belonged to.
    Remove(usize),
    Change(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<u32>().prop_map(Step::Active),
        3 => (0u8..40, any::<u32>()).prop_map(|(key, value)| Step::Passive(key, value)),
        4 => any::<usize>().prop_map(Step::Remove),
        1 => (any::<usize>(), any::<u32>()).prop_map(|(which, value)| Step::Change(which, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_hash_map(room in 0usize..24, steps in prop::collection::vec(step(), 0..300)) {
        let mut cdt = table(room);
        let mut model: HashMap<CdtIndex, u32> = HashMap::new();
        let mut keys: HashMap<PeerKey, CdtIndex> = HashMap::new();
        let mut given: Vec<CdtIndex> = Vec::new();
        for step in steps {
            match step {
                Step::Active(value) => {
                    let inserted = cdt.insert_active(|_| value);
                    prop_assert_eq!(inserted.is_err(), model.len() == room);
                    if let Ok(index) = inserted {
                        prop_assert!(!given.contains(&index), "{index} was given before");
                        given.push(index);
                        model.insert(index, value);
                    }
                }
                Step::Passive(number, value) => {
                    if keys.contains_key(&key(number)) {
                        continue;
                    }
                    let inserted = cdt.insert_passive(key(number), |_| value);
                    prop_assert_eq!(inserted.is_err(), model.len() == room);
                    if let Ok(index) = inserted {
                        prop_assert!(!given.contains(&index), "{index} was given before");
                        given.push(index);
                        model.insert(index, value);
                        keys.insert(key(number), index);
                    }
                }
                Step::Remove(which) if !given.is_empty() => {
                    let index = given[which % given.len()];
                    prop_assert_eq!(cdt.remove(index), model.remove(&index));
                    keys.retain(|_, at| *at != index);
                }
                Step::Change(which, value) if !given.is_empty() => {
                    let index = given[which % given.len()];
                    prop_assert_eq!(cdt.get_mut(index).is_some(), model.contains_key(&index));
                    if let (Some(ours), Some(theirs)) = (cdt.get_mut(index), model.get_mut(&index)) {
                        *ours = value;
                        *theirs = value;
                    }
                }
                _ => {}
            }
            prop_assert_eq!(cdt.len(), model.len());
            for &index in &given {
                prop_assert_eq!(cdt.get(index), model.get(&index));
            }
            for number in 0..40 {
                prop_assert_eq!(cdt.find_passive(key(number)), keys.get(&key(number)).copied());
            }
            let listed: HashMap<CdtIndex, u32> = cdt.iter().map(|(at, &value)| (at, value)).collect();
            prop_assert_eq!(&listed, &model);
            prop_assert_eq!(cdt.iter_mut().count(), model.len());
        }
    }
}

#[test]
fn the_entry_knows_its_index() {
    let mut cdt: Cdt<CdtIndex, Vec<Slot<CdtIndex>>> =
        Cdt::new((0..4).map(|_| Slot::new()).collect());
    let index = cdt.insert_passive(key(1), |index| index).unwrap();
    assert_eq!(cdt.get(index), Some(&index));
}

#[test]
fn slots_rest_as_long_as_they_can() {
    let mut cdt = table(3);
    let first = cdt.insert_active(|_| 1).unwrap();
    cdt.remove(first);
    let slots: Vec<u16> = (0..3)
        .map(|_| cdt.insert_active(|_| 2).unwrap().index())
        .collect();
    assert_eq!(slots, [1, 2, 0]);
    assert_eq!(cdt.insert_active(|_| 3), Err(Full));
    assert_eq!(cdt.get(first), None);
}

#[test]
fn a_generation_returns_after_65536_entries() {
    let mut cdt = table(1);
    let first = cdt.insert_active(|_| 0).unwrap();
    cdt.remove(first);
    for _ in 0..u16::MAX {
        let index = cdt.insert_active(|_| 0).unwrap();
        assert_ne!(index, first);
        cdt.remove(index);
    }
    assert_eq!(cdt.insert_active(|_| 0), Ok(first));
}

#[test]
fn the_wire_keeps_indices() {
    let index = CdtIndex::new(0x1234, 0xabcd);
    assert_eq!(index.raw(), 0xabcd_1234);
    assert_eq!(CdtIndex::from_raw(index.raw()), index);
    assert_eq!(CdtIndex::NONE.raw(), u32::MAX);
    assert!(
        CdtIndex::from_raw(0x0000_ffff).is_none(),
        "no table has a slot 65535"
    );
    assert_eq!(table(2).get(CdtIndex::NONE), None);
    assert_eq!(table(2).remove(CdtIndex::from_raw(0)), None);
}

#[test]
fn a_table_of_all_slots_there_can_be() {
    let mut cdt = table(70_000);
    assert_eq!(cdt.capacity(), MAX_SLOTS);
    for _ in 0..MAX_SLOTS {
        assert!(cdt.insert_active(|_| 0).unwrap().is_some());
    }
    assert_eq!(cdt.insert_active(|_| 0), Err(Full));
}

#[test]
fn chains_stay_short() {
    let mut cdt = table(4096);
    for active in 0..4096u16 {
        let key = PeerKey::new(
            Gpid::new(HostId::new(1 + u32::from(active % 4)), 7, 0),
            CdtIndex::new(active, 1),
        );
        cdt.insert_passive(key, |_| 0).unwrap();
    }
    let mut longest = 0;
    for chain in 0..4096 {
        let mut length = 0;
        let mut at = cdt.chain_head(chain);
        while at != NIL {
            length += 1;
            at = cdt.slots[usize::from(at)].next;
        }
        longest = longest.max(length);
    }
    assert!(longest <= 12, "{longest}");
}

#[test]
fn a_slot_remembers_its_last_finished_entry() {
    let mut cdt = table(1);
    let first = cdt.insert_active(|_| 1).unwrap();
    assert!(!cdt.has_finished(first));
    assert_eq!(cdt.remove_finished(first), Some(1));
    assert!(cdt.has_finished(first));
    assert_eq!(cdt.remove_finished(first), None);
    // One that was cut off changes nothing, and neither does one that is there.
    let second = cdt.insert_active(|_| 2).unwrap();
    assert!(cdt.has_finished(first) && !cdt.has_finished(second));
    assert_eq!(cdt.remove(second), Some(2));
    assert!(cdt.has_finished(first) && !cdt.has_finished(second));
    let third = cdt.insert_active(|_| 3).unwrap();
    assert_eq!(cdt.remove_finished(third), Some(3));
    assert!(!cdt.has_finished(first) && cdt.has_finished(third));
    assert!(!cdt.has_finished(CdtIndex::NONE));
}

#[test]
fn a_generation_that_comes_round_has_not_finished() {
    let mut cdt = table(1);
    let first = cdt.insert_active(|_| 1).unwrap();
    cdt.remove_finished(first);
    for _ in 0..u16::MAX {
        let other = cdt.insert_active(|_| 2).unwrap();
        assert_ne!(other, first);
        cdt.remove(other);
    }
    assert_eq!(cdt.insert_active(|_| 3), Ok(first));
    assert!(!cdt.has_finished(first));
}
