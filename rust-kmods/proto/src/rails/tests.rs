// SPDX-License-Identifier: GPL-2.0-only

use super::*;
use crate::tgroup::RailId::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

/// A device of the kernel's, and how many hold it.
struct Kernel {
    name: Cell<&'static str>,
    mac: Option<[u8; 6]>,
    path: &'static str,
}

/// A reference of a device.
#[derive(Clone)]
struct Ref(Rc<Kernel>);

impl core::fmt::Debug for Ref {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0.name.get())
    }
}

impl Device for Ref {
    fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
    fn name(&self) -> &[u8] {
        self.0.name.get().as_bytes()
    }
    fn permanent_mac(&self) -> Option<[u8; 6]> {
        self.0.mac
    }
    fn is_at(&self, path: &[u8]) -> bool {
        self.0.path.as_bytes() == path
    }
}

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x50, 0, 1];
const NO_RULES: Rules = PerRail::new([Rule::None; MAX_RAILS]);

fn device(name: &'static str) -> Ref {
    Ref(Rc::new(Kernel {
        name: Cell::new(name),
        mac: None,
        path: "",
    }))
}

fn usual() -> RailTable<Ref> {
    RailTable::new(Rule::USUAL)
}

fn rules(text: &str) -> Rules {
    changed(&NO_RULES, text.as_bytes()).unwrap()
}

/// How many references there are beside the test's own.
fn held(device: &Ref) -> usize {
    Rc::strong_count(&device.0) - 1
}

fn taken(table: &mut RailTable<Ref>, device: &Ref) -> Option<RailId> {
    match table.offer(device.clone()) {
        Offer::Taken(rail) => Some(rail),
        _ => None,
    }
}

#[test]
fn a_device_that_was_renamed_is_let_go_all_the_same() {
    let (mut table, eth1) = (usual(), device("eth1"));
    assert_eq!(taken(&mut table, &eth1), Some(R1));
    eth1.0.name.set("uplink");
    assert!(matches!(table.offer(eth1.clone()), Offer::Known(R1)));
    assert_eq!(table.number(&eth1), Some(R1));
    assert_eq!(held(&eth1), 1);
    assert_eq!(table.remove(&eth1).map(|(rail, _)| rail), Some(R1));
    assert_eq!(held(&eth1), 0);
    assert!(table.devices().values().iter().all(Option::is_none));
}

#[test]
fn a_namesake_neither_replaces_a_rail_nor_clears_it() {
    let (mut table, eth1, other) = (usual(), device("eth1"), device("eth1"));
    taken(&mut table, &eth1);
    assert!(matches!(table.offer(other.clone()), Offer::Late(R1, _)));
    assert!(table.remove(&other).is_none());
    assert_eq!(table.number(&eth1), Some(R1));
    assert_eq!((held(&eth1), held(&other)), (1, 0));
}

#[test]
fn a_name_that_comes_by_renaming_counts() {
    let (mut table, device) = (usual(), device("enp1s0"));
    assert!(matches!(table.offer(device.clone()), Offer::Unwanted(_)));
    device.0.name.set("eth7");
    assert_eq!(taken(&mut table, &device), Some(R7));
    device.0.name.set("eth8");
    assert!(matches!(table.offer(device.clone()), Offer::Known(R7)));
}

#[test]
fn a_rail_that_went_comes_back() {
    let (mut table, first, second) = (usual(), device("eth0"), device("eth0"));
    taken(&mut table, &first);
    first.0.name.set("gone");
    table.remove(&first);
    assert_eq!(taken(&mut table, &second), Some(R0));
}

#[test]
fn devices_by_address_and_place() {
    let text = "0 mac=52:54:00:50:00:01\n2 path=0000:00:03.0\n3 name=eth0.5\n";
    let mut table = RailTable::new(rules(text));
    let card = Ref(Rc::new(Kernel {
        name: Cell::new("enp1s0"),
        mac: Some(MAC),
        path: "0000:00:09.0",
    }));
    let other = Ref(Rc::new(Kernel {
        name: Cell::new("enp3s0"),
        mac: None,
        path: "0000:00:03.0",
    }));
    assert_eq!(taken(&mut table, &card), Some(R0));
    assert_eq!(taken(&mut table, &other), Some(R2));
    assert_eq!(taken(&mut table, &device("eth0.5")), Some(R3));
    assert_eq!(taken(&mut table, &device("eth0")), None);
}

#[test]
fn new_rules_move_devices_and_leave_the_others_alone() {
    let mut table = usual();
    let devices = [device("eth0"), device("eth1"), device("eth2")];
    for device in &devices {
        taken(&mut table, device);
    }
    devices[2].0.name.set("renamed");
    // Two rails change places, a third keeps a device whose name it has no more.
    let new = changed(table.rules(), b"0 name=eth1\n1 name=eth0\n").unwrap();
    let lost = table.set_rules(new);
    assert_eq!(lost.values().iter().flatten().count(), 2);
    drop(lost);
    let numbers = devices
        .each_ref()
        .map(|device| match table.offer(device.clone()) {
            Offer::Taken(rail) | Offer::Known(rail) => Some(rail),
            _ => None,
        });
    assert_eq!(numbers, [Some(R1), Some(R0), Some(R2)]);
    let none = changed(table.rules(), b"2 none").unwrap();
    drop(table.set_rules(none));
    assert_eq!(devices.each_ref().map(held), [1, 1, 0]);
}

#[test]
fn a_device_is_one_rail_at_most() {
    let mut table = RailTable::new(rules("0 name=eth0\n1 mac=52:54:00:50:00:01"));
    let eth0 = Ref(Rc::new(Kernel {
        name: Cell::new("eth0"),
        mac: Some(MAC),
        path: "",
    }));
    assert_eq!(taken(&mut table, &eth0), Some(R0));
    assert!(matches!(table.offer(eth0.clone()), Offer::Known(R0)));
    assert_eq!(held(&eth0), 1);
}

#[test]
fn rules_as_text() {
    let shown = |rules: &Rules| -> String {
        rules
            .iter()
            .map(|(rail, rule)| std::format!("{rail} {rule}\n"))
            .collect()
    };
    assert!(shown(&Rule::USUAL).starts_with("0 name=eth0\n1 name=eth1\n"));
    let text = "0 name=enp1s0\n\n 3\tmac=52:54:00:AB:cd:01 \n5 path=0000:00:03.0\n";
    let all = rules(text);
    assert_eq!(all[R3].to_string(), "mac=52:54:00:ab:cd:01");
    assert_eq!(all[R4], Rule::None);
    // What is shown can be written.
    assert_eq!(rules(&shown(&all)), all);
    assert_eq!(rules(&shown(&Rule::USUAL)), Rule::USUAL);
}

#[test]
fn what_is_no_rule_is_named_by_its_line() {
    for (text, line, error) in [
        ("8 name=a", 1, RuleError::Rail),
        ("x name=a", 1, RuleError::Rail),
        ("10 name=a", 1, RuleError::Rail),
        ("0", 1, RuleError::Words),
        ("0 name=a b", 1, RuleError::Words),
        ("0 name=a\n1 nam=b", 2, RuleError::Kind),
        ("0 eth0", 1, RuleError::Kind),
        ("0 name=", 1, RuleError::Name),
        ("0 name=sixteen-letters-", 1, RuleError::Name),
        ("0 name=\u{e4}", 1, RuleError::Name),
        ("0 mac=52:54:00:12:34", 1, RuleError::Mac),
        ("0 mac=52:54:00:12:34:56:78", 1, RuleError::Mac),
        ("0 mac=+2:54:00:12:34:56", 1, RuleError::Mac),
        ("0 mac=01:54:00:12:34:56", 1, RuleError::Mac),
        ("0 mac=00:00:00:00:00:00", 1, RuleError::Mac),
        ("0 path=", 1, RuleError::Path),
        ("\n0 name=eth0\n1 name=eth0\n", 3, RuleError::Twice(R0)),
        ("1 name=eth0\n2 none\n0 name=eth0", 3, RuleError::Twice(R0)),
    ] {
        assert_eq!(
            changed(&NO_RULES, text.as_bytes()),
            Err((line, error)),
            "{text}"
        );
        assert!(!error.to_string().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = changed(&Rule::USUAL, &bytes);
    }

    /// Whatever happens to devices, nobody holds one that is gone, and no device is two rails.
    #[test]
    fn nothing_leaks(steps in prop::collection::vec((0..4u8, 0..6usize, 0..10usize), 0..60)) {
        const NAMES: [&str; 10] = [
            "eth0", "eth1", "eth2", "eth3", "eth7", "a", "b", "c", "d", "e",
        ];
        let mut table = usual();
        let mut devices: [Option<Ref>; 6] = Default::default();
        for (step, which, name) in steps {
            let place = &mut devices[which];
            match (step, place.as_ref()) {
                (0, None) => {
                    let new = device(NAMES[name]);
                    table.offer(new.clone());
                    *place = Some(new);
                }
                (1, Some(device)) => {
                    device.0.name.set(NAMES[name]);
                    table.offer(device.clone());
                }
                (2, Some(device)) => {
                    table.remove(device);
                    prop_assert_eq!(held(device), 0);
                    *place = None;
                }
                (3, _) => {
                    let text = std::format!("{} name={}", which, NAMES[name]);
                    if let Ok(rules) = changed(table.rules(), text.as_bytes()) {
                        drop(table.set_rules(rules));
                    }
                    for device in devices.iter().flatten() {
                        table.offer(device.clone());
                    }
                }
                _ => {}
            }
            let held: Vec<_> = devices.iter().flatten().map(held).collect();
            prop_assert!(held.iter().all(|&count| count <= 1));
            let rails = table.devices().values().iter().flatten().count();
            prop_assert_eq!(held.iter().sum::<usize>(), rails);
        }
    }
}
