// SPDX-License-Identifier: GPL-2.0-only

//! The ledger against a hash map, and what it promises root and the others.

use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn ledger(size: usize, user: u32, all: u32) -> Ledger<Vec<Account>> {
    Ledger::new(vec![Account::default(); size], Limits { user, all })
}

/// Charges `uid` until it is refused; how often it was not, and why it was at last.
fn exhaust(ledger: &mut Ledger<Vec<Account>>, uid: u32) -> (u32, Exhausted) {
    let mut charged = 0;
    loop {
        match ledger.charge(uid) {
            Ok(()) => charged += 1,
            Err(why) => return (charged, why),
        }
    }
}

#[test]
fn one_user_leaves_the_others_their_share() {
    let limits = Limits::of(4096);
    let mut ledger = ledger(4096, limits.user, limits.all);
    assert_eq!(exhaust(&mut ledger, 1000), (1024, Exhausted::User));
    assert_eq!(exhaust(&mut ledger, 1001), (768, Exhausted::All));
    for _ in 0..10_000 {
        assert_eq!(ledger.charge(ROOT), Ok(()));
    }
    ledger.release(1000);
    assert_eq!(ledger.charge(1002), Ok(()));
    assert_eq!(ledger.charge(1002), Err(Exhausted::All));
}

#[test]
fn the_users_of_two_ledgers_leave_root_an_eighth() {
    for size in 16..5000 {
        let limits = Limits::of(size);
        assert!(size - 2 * limits.all >= size / 8, "{size}: {limits:?}");
        assert!(limits.user <= limits.all);
    }
    // Where there is next to nothing everybody may still have one.
    assert_eq!(Limits::of(1), Limits { user: 1, all: 1 });
}

#[test]
fn lower_limits_take_nothing_away() {
    let mut ledger = ledger(8, 8, 8);
    for _ in 0..5 {
        ledger.charge(7).unwrap();
    }
    ledger.set_limits(Limits { user: 3, all: 100 });
    assert_eq!(ledger.limits(), Limits { user: 3, all: 8 });
    assert_eq!(ledger.held(7), 5);
    for _ in 0..2 {
        assert_eq!(ledger.charge(7), Err(Exhausted::User));
        ledger.release(7);
    }
    assert_eq!(ledger.charge(7), Err(Exhausted::User));
    ledger.release(7);
    assert_eq!(ledger.charge(7), Ok(()));
}

#[test]
fn what_was_not_charged_is_not_released() {
    let mut ledger = ledger(4, 4, 4);
    ledger.charge(5).unwrap();
    ledger.release(6);
    ledger.release(ROOT);
    assert_eq!((ledger.total(), ledger.held(5)), (1, 1));
    let mut none = self::ledger(0, 1, 1);
    assert_eq!(none.charge(5), Err(Exhausted::All));
    none.release(5);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_hash_map(
        size in 0usize..12,
        user in 0u32..6,
        all in 0u32..14,
        // Few users in few slots: nearly all of them are in each other's way.
        steps in prop::collection::vec((any::<bool>(), 0u32..16), 0..300),
    ) {
        let mut ledger = ledger(size, user, all);
        let mut model: HashMap<u32, u32> = HashMap::new();
        let all = all.min(size as u32);
        for (charge, number) in steps {
            let uid = number.wrapping_mul(0x1000_0001);
            let total: u32 = model.values().sum();
            let held = model.get(&uid).copied().unwrap_or(0);
            if charge {
                let allowed = if uid == ROOT {
                    Ok(())
                } else if held >= user {
                    Err(Exhausted::User)
                } else if total >= all {
                    Err(Exhausted::All)
                } else {
                    model.insert(uid, held + 1);
                    Ok(())
                };
                prop_assert_eq!(ledger.charge(uid), allowed);
            } else {
                ledger.release(uid);
                match held {
                    0 => {}
                    1 => { model.remove(&uid); }
                    more => { model.insert(uid, more - 1); }
                }
            }
            let shown: HashMap<u32, u32> = ledger.iter().collect();
            prop_assert_eq!(&shown, &model);
            prop_assert_eq!(ledger.total(), model.values().sum::<u32>());
            for (uid, held) in &model {
                prop_assert_eq!(ledger.held(*uid), *held);
            }
        }
    }
}
