// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos key replace`: another key for the running cluster.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use podos::{ClusterKey, Fingerprint, Node};

use super::ring::{LocalRing, RemoteRing, Ring};
use crate::output;

/// How far a node is. A node goes on only when all nodes have come as far as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It accepts the new key.
    Accepts,
    /// It sends with the new key, and accepts the old one.
    Uses,
    /// The new key is the only one that it knows.
    Alone,
}

const STAGES: [Stage; 3] = [Stage::Accepts, Stage::Uses, Stage::Alone];

/// Who belongs to the cluster, and how to get at their keys.
trait Cluster {
    /// Every node that was ever seen, and whether it is alive.
    fn nodes(&self) -> Result<Vec<(Node, bool)>>;
    /// A node's keys.
    fn ring(&self, node: Node) -> Box<dyn Ring + '_>;
}

/// The cluster that this node belongs to.
struct LiveCluster {
    own: Node,
}

impl Cluster for LiveCluster {
    fn nodes(&self) -> Result<Vec<(Node, bool)>> {
        let states = podos::system_state(Path::new(podos::SST_DIRECTORY))?;
        let mut nodes: BTreeMap<_, _> = states.iter().map(|s| (s.node, s.alive)).collect();
        nodes.insert(self.own, true);
        Ok(nodes.into_iter().collect())
    }

    fn ring(&self, node: Node) -> Box<dyn Ring + '_> {
        match node == self.own {
            true => Box::new(LocalRing::default()),
            false => Box::new(RemoteRing(node)),
        }
    }
}

/// Makes `key` the only one of the cluster, but for the nodes in `without`.
pub fn run(key: &ClusterKey, without: &[Node]) -> Result<()> {
    let own = podos::own_node()
        .context("cannot read this node's host id")?
        .context("this node has no host id yet")?;
    Replacement {
        cluster: &LiveCluster { own },
        key,
        name: key.fingerprint(),
        without,
        reached: BTreeMap::new(),
    }
    // Who reads this may have left; a key that is half replaced would be worse.
    .run(|line| drop(output::print(format_args!("{line}\n"))))
}

struct Replacement<'a> {
    cluster: &'a dyn Cluster,
    key: &'a ClusterKey,
    name: Fingerprint,
    without: &'a [Node],
    reached: BTreeMap<Node, Stage>,
}

impl Replacement<'_> {
    fn run(mut self, mut say: impl FnMut(&str)) -> Result<()> {
        for stage in STAGES {
            // A node may have joined since: it must have come as far as the others first.
            for step in STAGES.into_iter().take_while(|step| *step <= stage) {
                if let Err(error) = self.bring_all_to(step) {
                    return Err(error.context(self.state()));
                }
            }
            let nodes: Vec<_> = self.reached.keys().map(Node::to_string).collect();
            let what = match stage {
                Stage::Accepts => "is accepted by",
                Stage::Uses => "is used by",
                Stage::Alone => "is the only key of",
            };
            say(&format!("{} {what} {}", self.name, nodes.join(" ")));
        }
        Ok(())
    }

    fn bring_all_to(&mut self, stage: Stage) -> Result<()> {
        let nodes = self.cluster.nodes()?;
        let wanted = || {
            nodes
                .iter()
                .filter(|(node, _)| !self.without.contains(node))
        };
        if let Some((node, _)) = wanted().find(|(_, alive)| !alive) {
            return Err(anyhow!(
                "{node} is down; `--without {node}` leaves it out, and it then stays out until it \
                 is given the new key"
            ));
        }
        let nodes: Vec<_> = wanted().map(|(node, _)| *node).collect();
        for node in nodes {
            self.bring_to(node, stage)?;
        }
        Ok(())
    }

    fn bring_to(&mut self, node: Node, stage: Stage) -> Result<()> {
        let ring = self.cluster.ring(node);
        let known = ring.list()?;
        let ours = known.iter().find(|key| key.fingerprint == self.name);
        if ours.is_none() {
            ring.add(self.key)?;
        }
        if stage >= Stage::Uses && !ours.is_some_and(|key| key.used) {
            ring.promote(self.name)?;
        }
        if stage == Stage::Alone {
            let others = known.iter().filter(|key| key.fingerprint != self.name);
            others
                .into_iter()
                .try_for_each(|key| ring.remove(key.fingerprint))?;
        }
        let reached = self.reached.entry(node).or_insert(stage);
        *reached = stage.max(*reached);
        Ok(())
    }

    /// Where the replacement stopped, and how to go on.
    fn state(&self) -> String {
        let at_least = |stage| {
            let nodes = self.reached.iter().filter(|(_, at)| **at >= stage);
            let nodes: Vec<_> = nodes.map(|(node, _)| node.to_string()).collect();
            (!nodes.is_empty()).then(|| nodes.join(" "))
        };
        let name = self.name;
        let now = if let Some(nodes) = at_least(Stage::Alone) {
            format!("all nodes use key {name}; old keys are forgotten by {nodes} only")
        } else if let Some(nodes) = at_least(Stage::Uses) {
            format!("key {name} is used by {nodes} only; all nodes accept it and the old one")
        } else {
            let nodes = at_least(Stage::Accepts).unwrap_or_else(|| "no node".to_owned());
            format!("key {name} is accepted by {nodes} and used by none; the old one goes on")
        };
        format!("stopped: {now}; no node is cut off: run this again to go on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use podos::KnownKey;
    use std::cell::RefCell;

    type Keys = Vec<(Fingerprint, bool)>;

    /// Nodes whose rings live here, and which fail when told to.
    #[derive(Default)]
    struct Fake {
        rings: RefCell<BTreeMap<Node, Keys>>,
        down: RefCell<Vec<Node>>,
        /// What was done, in order.
        log: RefCell<Vec<String>>,
        /// The step at which a node can't be reached any more.
        fails_at: RefCell<Option<String>>,
        /// A node that joins after so many steps, with these keys.
        joins: RefCell<Option<(usize, Node, Keys)>>,
    }

    impl Fake {
        fn new(hosts: &[u32], keys: &Keys) -> Self {
            let fake = Self::default();
            for &host in hosts {
                fake.rings.borrow_mut().insert(node(host), keys.clone());
            }
            fake
        }

        fn replace(&self, key: &ClusterKey, without: &[Node]) -> Result<Vec<String>> {
            let mut said = Vec::new();
            Replacement {
                cluster: self,
                key,
                name: key.fingerprint(),
                without,
                reached: BTreeMap::new(),
            }
            .run(|line| said.push(line.to_owned()))?;
            Ok(said)
        }
    }

    fn node(host: u32) -> Node {
        Node::new(host).unwrap()
    }

    struct FakeRing<'a>(&'a Fake, Node);

    impl FakeRing<'_> {
        fn step(&self, step: &str, change: impl FnOnce(&mut Keys)) -> Result<()> {
            let step = format!("{step} {}", self.1);
            if self.0.fails_at.borrow().as_ref() == Some(&step) {
                bail!("cannot reach {}", self.1);
            }
            self.0.log.borrow_mut().push(step);
            change(self.0.rings.borrow_mut().get_mut(&self.1).unwrap());
            Ok(())
        }
    }

    impl Ring for FakeRing<'_> {
        fn list(&self) -> Result<Vec<KnownKey>> {
            let rings = self.0.rings.borrow();
            let keys = rings[&self.1].iter();
            let known = keys.map(|&(fingerprint, used)| KnownKey { fingerprint, used });
            Ok(known.collect())
        }

        fn add(&self, key: &ClusterKey) -> Result<()> {
            self.step("add", |keys| keys.push((key.fingerprint(), false)))
        }

        fn promote(&self, name: Fingerprint) -> Result<()> {
            self.step("use", |keys| {
                keys.iter_mut().for_each(|(key, used)| *used = *key == name);
            })
        }

        fn remove(&self, name: Fingerprint) -> Result<()> {
            self.step("drop", |keys| {
                keys.retain(|(key, used)| *key != name || *used)
            })
        }
    }

    impl Cluster for Fake {
        fn nodes(&self) -> Result<Vec<(Node, bool)>> {
            let steps = self.log.borrow().len();
            if let Some((_, node, keys)) = self.joins.borrow_mut().take_if(|(at, ..)| *at <= steps)
            {
                self.rings.borrow_mut().insert(node, keys);
            }
            let down = self.down.borrow();
            let rings = self.rings.borrow();
            Ok(rings
                .keys()
                .map(|node| (*node, !down.contains(node)))
                .collect())
        }

        fn ring(&self, node: Node) -> Box<dyn Ring + '_> {
            Box::new(FakeRing(self, node))
        }
    }

    fn keys() -> (Keys, ClusterKey) {
        let [old, new] = [(); 2].map(|()| ClusterKey::generate().unwrap());
        (vec![(old.fingerprint(), true)], new)
    }

    fn of(new: &ClusterKey) -> Keys {
        vec![(new.fingerprint(), true)]
    }

    #[test]
    fn all_accept_before_one_uses_and_all_use_before_one_forgets() {
        let (old, new) = keys();
        let fake = Fake::new(&[1, 2], &old);
        let said = fake.replace(&new, &[]).unwrap();
        assert_eq!(
            *fake.log.borrow(),
            [
                "add linus1",
                "add linus2",
                "use linus1",
                "use linus2",
                "drop linus1",
                "drop linus2"
            ]
        );
        assert!(fake.rings.borrow().values().all(|keys| *keys == of(&new)));
        let name = new.fingerprint();
        assert_eq!(said[2], format!("{name} is the only key of linus1 linus2"));
        fake.log.borrow_mut().clear();
        fake.replace(&new, &[]).unwrap();
        assert!(fake.log.borrow().is_empty(), "nothing is left to do");
    }

    #[test]
    fn it_stops_anywhere_says_where_and_goes_on_from_there() {
        for (step, state) in [
            ("add linus2", "is accepted by linus1 and used by none"),
            ("use linus2", "is used by linus1 only; all nodes accept it"),
            ("drop linus2", "forgotten by linus1 only"),
        ] {
            let (old, new) = keys();
            let fake = Fake::new(&[1, 2, 3], &old);
            *fake.fails_at.borrow_mut() = Some(step.to_owned());
            let error = format!("{:#}", fake.replace(&new, &[]).unwrap_err());
            assert!(
                error.contains(state) && error.contains("cannot reach linus2"),
                "{error}"
            );
            assert!(!error.contains(&new.reveal()), "{error}");
            // Whatever a node sends with, every other one accepts.
            let rings = fake.rings.borrow().clone();
            for (used, _) in rings.values().flatten().filter(|(_, used)| *used) {
                let accepts = |keys: &Keys| keys.iter().any(|(key, _)| key == used);
                assert!(rings.values().all(accepts), "{step}: {rings:?}");
            }
            *fake.fails_at.borrow_mut() = None;
            fake.replace(&new, &[]).unwrap();
            assert!(fake.rings.borrow().values().all(|keys| *keys == of(&new)));
        }
    }

    #[test]
    fn a_node_that_is_down_stops_it_before_anything_is_changed() {
        let (old, new) = keys();
        let fake = Fake::new(&[1, 2, 3], &old);
        fake.down.borrow_mut().push(node(3));
        let error = format!("{:#}", fake.replace(&new, &[]).unwrap_err());
        assert!(error.contains("accepted by no node"), "{error}");
        assert!(error.contains("--without linus3"), "{error}");
        assert!(fake.log.borrow().is_empty());
        fake.replace(&new, &[node(3)]).unwrap();
        assert_eq!(fake.rings.borrow()[&node(2)], of(&new));
        assert_eq!(fake.rings.borrow()[&node(3)], old);
    }

    #[test]
    fn a_node_that_joins_meanwhile_is_brought_along() {
        for after in 1..6 {
            let (old, new) = keys();
            let fake = Fake::new(&[1, 2], &old);
            *fake.joins.borrow_mut() = Some((after, node(3), old.clone()));
            fake.replace(&new, &[]).unwrap();
            if fake.joins.borrow().is_none() {
                assert_eq!(fake.rings.borrow()[&node(3)], of(&new), "after {after}");
            }
            let log = fake.log.borrow();
            let at = |step: &str| log.iter().position(|done| done.starts_with(step));
            let last = |step: &str| log.iter().rposition(|done| done.starts_with(step));
            if after <= 2 {
                assert!(last("use") < at("drop"), "after {after}: {log:?}");
            }
        }
    }
}
