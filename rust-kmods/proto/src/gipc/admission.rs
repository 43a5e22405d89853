// SPDX-License-Identifier: GPL-2.0-only

//! How many programs a node runs for others.

use crate::HostId;

/// The user who is not counted among users.
const ROOT: u32 = 0;

/// How many programs may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramLimits {
    /// Of one user, wherever its callers are.
    pub user: u32,
    /// Of all users but root together.
    pub users: u32,
    /// For callers of one node, root among them.
    pub node: u32,
    /// For all others.
    pub all: u32,
}

impl ProgramLimits {
    /// What holds if nobody says otherwise. Users leave room for root, and a node that has gone
    /// mad leaves room for the others.
    pub const DEFAULT: Self = Self {
        user: 256,
        users: 768,
        node: 1024,
        all: 2048,
    };

    /// The names of the limits, as [`ProgramLimits::get_mut`] takes them.
    pub const NAMES: [&'static str; 4] = ["user", "users", "node", "all"];

    /// The limit with this name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut u32> {
        Some(match name {
            "user" => &mut self.user,
            "users" => &mut self.users,
            "node" => &mut self.node,
            "all" => &mut self.all,
            _ => return None,
        })
    }

    /// Whether one more program may run for `new`, beside those that run for `running`.
    ///
    /// # Errors
    ///
    /// The limit that is in the way.
    pub fn admit(
        &self,
        running: impl IntoIterator<Item = OnBehalf>,
        new: OnBehalf,
    ) -> Result<(), Reached> {
        let (mut user, mut users, mut node, mut all) = (0, 0, 0, 0);
        for other in running {
            user += u32::from(other.uid == new.uid);
            users += u32::from(other.uid != ROOT);
            node += u32::from(other.host == new.host);
            all += 1;
        }
        let checks = [
            (new.uid != ROOT && user >= self.user, "user", self.user),
            (new.uid != ROOT && users >= self.users, "users", self.users),
            (node >= self.node, "node", self.node),
            (all >= self.all, "all", self.all),
        ];
        match checks.into_iter().find(|(reached, ..)| *reached) {
            None => Ok(()),
            Some((_, name, limit)) => Err(Reached { name, limit }),
        }
    }
}

/// For whom a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnBehalf {
    /// The caller's real user id.
    pub uid: u32,
    /// The host id of the caller's node.
    pub host: HostId,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which, see [`ProgramLimits::NAMES`].
    pub name: &'static str,
    /// What it is.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const LIMITS: ProgramLimits = ProgramLimits {
        user: 2,
        users: 4,
        node: 5,
        all: 7,
    };

    fn on_behalf(uid: u32, host: u32) -> OnBehalf {
        OnBehalf {
            uid,
            host: HostId::new(host),
        }
    }

    /// As many programs as may run when these ask in turn, and the name of what is in the way then.
    fn fill(running: &mut Vec<OnBehalf>, asks: &[OnBehalf]) -> (usize, &'static str) {
        for new in asks.iter().cycle() {
            match LIMITS.admit(running.iter().copied(), *new) {
                Ok(()) => running.push(*new),
                Err(reached) => return (running.len(), reached.name),
            }
        }
        unreachable!("nobody asks");
    }

    #[test]
    fn one_user_takes_no_more_than_its_own_from_all_nodes_together() {
        let mut running = Vec::new();
        let asks = [on_behalf(1000, 1), on_behalf(1000, 3)];
        assert_eq!(fill(&mut running, &asks), (2, "user"));
        // Another one does not feel it.
        let other = on_behalf(1001, 1);
        assert_eq!(LIMITS.admit(running.iter().copied(), other), Ok(()));
    }

    #[test]
    fn users_leave_room_for_root() {
        let mut running = Vec::new();
        let asks: Vec<_> = (1000..1009).map(|uid| on_behalf(uid, 1)).collect();
        assert_eq!(fill(&mut running, &asks), (4, "users"));
        assert_eq!(fill(&mut running, &[on_behalf(0, 1)]), (5, "node"));
        assert_eq!(fill(&mut running, &[on_behalf(0, 2)]), (7, "all"));
    }

    #[test]
    fn one_node_leaves_room_for_the_others() {
        let mut running = Vec::new();
        assert_eq!(fill(&mut running, &[on_behalf(0, 1)]), (5, "node"));
        let other = on_behalf(1000, 2);
        assert_eq!(LIMITS.admit(running.iter().copied(), other), Ok(()));
    }

    #[test]
    fn room_is_there_again() {
        let mut running = Vec::new();
        let ask = on_behalf(1000, 1);
        fill(&mut running, &[ask]);
        running.pop();
        assert_eq!(LIMITS.admit(running.iter().copied(), ask), Ok(()));
    }

    #[test]
    fn names() {
        let mut limits = LIMITS;
        for (name, value) in ProgramLimits::NAMES.into_iter().zip([2, 4, 5, 7]) {
            assert_eq!(limits.get_mut(name).copied(), Some(value));
        }
        assert_eq!(limits.get_mut("root"), None);
    }
}
