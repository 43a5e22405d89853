// SPDX-License-Identifier: GPL-2.0-only

//! Who holds how much of a limited resource of a node, and how much they may hold.
//!
//! Root is not in the ledger: the limit of all others together leaves it the rest.

use core::fmt;
use core::ops::DerefMut;

/// The user who is not limited.
pub const ROOT: u32 = 0;

/// How much may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By one user.
    pub user: u32,
    /// By all users together.
    pub all: u32,
}

impl Limits {
    /// What suits a node that has `size` of it, of which two ledgers give: a user may hold a
    /// quarter, and in each ledger all users seven sixteenths, so that root has an eighth.
    pub fn of(size: u32) -> Self {
        let part = |sixteenths| ((u64::from(size) * sixteenths / 16) as u32).max(1);
        Self {
            user: part(4),
            all: part(7),
        }
    }
}

/// Which limit is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// This user holds as much as one may: to give something back helps.
    User,
    /// The users together hold as much as they may.
    All,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "one user's limit is reached",
            Self::All => "the limit of all users together is reached",
        })
    }
}

impl core::error::Error for Exhausted {}

/// What one user holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    uid: u32,
    /// 0: the slot is free.
    held: u32,
}

/// The accounts of all users but root, by open addressing over slots that the owner provides. A
/// user who holds nothing has no account.
///
/// # Invariants
///
/// `total` is the sum of what is held. From the place where a user's search begins up to the user's
/// account no slot is free.
#[derive(Debug)]
pub struct Ledger<S: DerefMut<Target = [Account]>> {
    slots: S,
    limits: Limits,
    total: u32,
}

impl<S: DerefMut<Target = [Account]>> Ledger<S> {
    /// A ledger in which nobody holds anything. All users together can't hold more than there are
    /// slots, whatever the limits say.
    pub fn new(mut slots: S, limits: Limits) -> Self {
        slots.fill(Account::default());
        let mut ledger = Self {
            slots,
            limits,
            total: 0,
        };
        ledger.set_limits(limits);
        ledger
    }

    /// How much may be held.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets how much may be held from now on; nobody loses anything.
    pub fn set_limits(&mut self, limits: Limits) {
        let most = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.limits = Limits {
            user: limits.user,
            all: limits.all.min(most),
        };
    }

    /// How much all users hold.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Who holds how much.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + use<'_, S> {
        let used = self.slots.iter().filter(|account| account.held > 0);
        used.map(|account| (account.uid, account.held))
    }

    /// How much `uid` holds.
    pub fn held(&self, uid: u32) -> u32 {
        let account = self.find(uid).and_then(|at| self.slots.get(at));
        account.map_or(0, |account| account.held)
    }

    /// Lets `uid` hold one more.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], and nothing has changed.
    pub fn charge(&mut self, uid: u32) -> Result<(), Exhausted> {
        if uid == ROOT {
            return Ok(());
        }
        if self.held(uid) >= self.limits.user {
            return Err(Exhausted::User);
        }
        if self.total >= self.limits.all {
            return Err(Exhausted::All);
        }
        // There is a slot: fewer are held than there are.
        let place = self.find(uid).and_then(|at| self.slots.get_mut(at));
        let account = place.ok_or(Exhausted::All)?;
        account.uid = uid;
        account.held += 1;
        self.total += 1;
        Ok(())
    }

    /// Takes one back that `uid` was charged for.
    pub fn release(&mut self, uid: u32) {
        if uid == ROOT {
            return;
        }
        let Some(at) = self.find(uid) else {
            return;
        };
        let Some(account) = self.slots.get_mut(at).filter(|account| account.held > 0) else {
            return;
        };
        account.held -= 1;
        let gone = account.held == 0;
        self.total -= 1;
        if gone {
            self.close_gap(at);
        }
    }

    /// Moves the accounts up that were put behind slot `gap` for want of a place before it.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = gap;
        for _ in 1..self.slots.len() {
            at = self.behind(at);
            let Some(&account) = self.slots.get(at).filter(|account| account.held > 0) else {
                return;
            };
            // How far it lies behind its place, and how far behind the gap.
            let displaced = self.distance(self.home(account.uid), at);
            if displaced < self.distance(gap, at) {
                continue;
            }
            if let Some(free) = self.slots.get_mut(gap) {
                *free = account;
            }
            if let Some(moved) = self.slots.get_mut(at) {
                *moved = Account::default();
            }
            gap = at;
        }
    }

    /// The slot of a user's account, or the free one that it would have; none if all are others'.
    fn find(&self, uid: u32) -> Option<usize> {
        let home = self.home(uid);
        let mut places = (home..self.slots.len()).chain(0..home);
        places.find(|&at| {
            let account = self.slots.get(at);
            account.is_some_and(|account| account.held == 0 || account.uid == uid)
        })
    }

    /// Where the search for a user begins.
    fn home(&self, uid: u32) -> usize {
        let hash = uid.wrapping_mul(0x9e37_79b9);
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    fn behind(&self, at: usize) -> usize {
        match at + 1 {
            end if end == self.slots.len() => 0,
            next => next,
        }
    }

    /// Slots from `from` forward to `to`.
    fn distance(&self, from: usize, to: usize) -> usize {
        match to.checked_sub(from) {
            Some(forward) => forward,
            None => to + self.slots.len() - from,
        }
    }
}

#[cfg(test)]
mod tests;
