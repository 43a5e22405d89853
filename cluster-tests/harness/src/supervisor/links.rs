// SPDX-License-Identifier: MIT OR Apache-2.0

//! The state of every link, as it was last set.

use podos_switch::{Rate, Selector};

use crate::control::{DirectionStatus, LinkStatus, SwitchRequest};
use crate::topology::Topology;

/// Every node on every rail, as it was made to be.
pub(super) struct Links(Vec<LinkStatus>);

impl Links {
    /// Those of a cluster to which nothing was done yet.
    pub(super) fn new(topology: &Topology) -> Self {
        let mut links = Vec::new();
        for node in &topology.nodes {
            for (rail, made) in (0_u8..).zip(&topology.rails) {
                links.push(LinkStatus {
                    node: *node,
                    rail,
                    carrier: true,
                    sent: DirectionStatus::default(),
                    received: DirectionStatus {
                        rate: made.rate,
                        ..DirectionStatus::default()
                    },
                    group: 0,
                });
            }
        }
        Self(links)
    }

    /// All of them, node by node.
    pub(super) fn all(&self) -> &[LinkStatus] {
        &self.0
    }

    /// The rails on which a node has no carrier.
    pub(super) fn unplugged(&self, node: u32) -> Vec<u8> {
        let links = self.0.iter();
        let links = links.filter(|link| link.node == node && !link.carrier);
        links.map(|link| link.rail).collect()
    }

    pub(super) fn plug(&mut self, at: Selector, carrier: bool) {
        self.links(at).for_each(|link| link.carrier = carrier);
    }

    pub(super) fn cut(&mut self, at: Selector, cut: bool) {
        self.directions(at, |direction| direction.cut = cut);
    }

    pub(super) fn rate(&mut self, at: Selector, rate: Option<Rate>) {
        self.directions(at.shaped(), |direction| direction.rate = rate);
    }

    /// What a switch was told.
    pub(super) fn order(&mut self, order: &SwitchRequest) {
        match order {
            SwitchRequest::Set { at, faults } => {
                self.directions(*at, |direction| direction.faults = *faults);
            }
            SwitchRequest::Partition { rail, groups } => {
                let at = Selector {
                    rail: *rail,
                    ..Selector::ALL
                };
                for link in self.links(at) {
                    let group = groups.iter().position(|group| group.contains(&link.node));
                    link.group = group.map_or(0, |index| index + 1);
                }
            }
            _ => {}
        }
    }

    fn links(&mut self, at: Selector) -> impl Iterator<Item = &mut LinkStatus> {
        let links = self.0.iter_mut();
        links.filter(move |link| at.takes(link.rail, link.node))
    }

    fn directions(&mut self, at: Selector, mut set: impl FnMut(&mut DirectionStatus)) {
        for link in self.links(at) {
            if at.direction.sent() {
                set(&mut link.sent);
            }
            if at.direction.received() {
                set(&mut link.received);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_switch::{Chance, Direction, Faults};

    fn link(links: &Links, node: u32, rail: u8) -> LinkStatus {
        let mut all = links.all().iter();
        *all.find(|link| link.node == node && link.rail == rail)
            .unwrap()
    }

    #[test]
    fn what_was_done_is_told_where_it_was_done() {
        let mut links = Links::new(&Topology::nodes(3).rate(Rate::mbit(10)));
        let before = link(&links, 1, 0);
        assert_eq!(before.received.rate, Some(Rate::mbit(10)));
        assert_eq!(before.sent.rate, None);
        links.plug(Selector::node(1).on_rail(1), false);
        assert_eq!(links.unplugged(1), [1]);
        links.cut(Selector::rail(2).going(Direction::Sent), true);
        assert!(link(&links, 3, 2).sent.cut && !link(&links, 3, 2).received.cut);
        links.rate(Selector::node(2), None);
        assert_eq!(
            link(&links, 2, 0),
            link(&Links::new(&Topology::nodes(2)), 2, 0)
        );
        assert_eq!(link(&links, 1, 0), before);
    }

    #[test]
    fn orders_to_switches_are_kept() {
        let mut links = Links::new(&Topology::nodes(3));
        let faults = Faults {
            loss: Chance::percent(5.0),
            ..Faults::default()
        };
        let at = Selector::node(2).going(Direction::Received);
        links.order(&SwitchRequest::Set { at, faults });
        assert_eq!(link(&links, 2, 1).received.faults, faults);
        assert!(link(&links, 2, 1).sent.faults.is_none());
        let groups = vec![vec![1], vec![2]];
        links.order(&SwitchRequest::Partition {
            rail: Some(0),
            groups,
        });
        let groups = [1, 2, 3].map(|node| link(&links, node, 0).group);
        assert_eq!((groups, link(&links, 1, 1).group), ([1, 2, 0], 0));
        let groups = Vec::new();
        links.order(&SwitchRequest::Partition { rail: None, groups });
        assert_eq!(link(&links, 2, 0).group, 0);
    }
}
