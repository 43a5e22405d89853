// SPDX-License-Identifier: MIT OR Apache-2.0

//! The alarms of kernels: who expected them, and who wants to hear of them.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;

use rustix::net::{recv, RecvFlags};

use crate::alarm::is_header;

/// The alarms of all nodes.
#[derive(Default)]
pub(super) struct Alarms {
    /// Node and line of those that nobody expected and nobody took yet.
    untaken: Vec<(u32, String)>,
    expected: BTreeMap<u64, Expected>,
    last: u64,
    /// Those who are to be told of the next one.
    listeners: Vec<UnixStream>,
}

/// Alarms that are there on purpose.
struct Expected {
    node: u32,
    pattern: String,
    seen: Vec<String>,
}

impl Alarms {
    /// A node raises an alarm; whether that was expected.
    pub(super) fn hear(&mut self, node: u32, line: &str) -> bool {
        let mut expected = self.expected.values_mut().filter(|one| one.node == node);
        let found = match is_header(line) {
            // It says nothing yet of what comes.
            true => expected.next().is_some(),
            false => match expected.find(|one| line.contains(&one.pattern)) {
                Some(one) => {
                    one.seen.push(line.to_owned());
                    true
                }
                None => false,
            },
        };
        if !found {
            self.untaken.push((node, line.to_owned()));
        }
        found
    }

    /// Alarms of a node with `pattern` in them are expected until this is withdrawn.
    pub(super) fn expect(&mut self, node: u32, pattern: String) -> u64 {
        self.last += 1;
        let seen = Vec::new();
        let expected = Expected {
            node,
            pattern,
            seen,
        };
        self.expected.insert(self.last, expected);
        self.last
    }

    pub(super) fn withdraw(&mut self, id: u64) {
        self.expected.remove(&id);
    }

    /// The alarms that met an expectation, in order.
    pub(super) fn seen(&self, id: u64) -> Vec<String> {
        let expected = self.expected.get(&id);
        expected.map(|one| one.seen.clone()).unwrap_or_default()
    }

    /// Whether a node had a alarm that was expected, and so may end by it.
    pub(super) fn may_end(&self, node: u32) -> bool {
        let mut expected = self.expected.values();
        expected.any(|one| one.node == node && !one.seen.is_empty())
    }

    /// Whoever has the other end of this connection is to be told of the next alarm.
    pub(super) fn listen(&mut self, listener: UnixStream) {
        self.listeners.retain(is_there);
        self.listeners.push(listener);
    }

    /// Those to be told now; they are told once.
    pub(super) fn take_listeners(&mut self) -> Vec<UnixStream> {
        let mut listeners = std::mem::take(&mut self.listeners);
        listeners.retain(is_there);
        listeners
    }

    /// Those not yet taken, the first one first.
    pub(super) fn untaken(&self) -> &[(u32, String)] {
        &self.untaken
    }

    pub(super) fn take(&mut self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.untaken)
    }
}

/// Whether the other end of a connection, which says nothing, is still open.
fn is_there(listener: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(listener, &mut [0], flags).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "[    3.1] ------------[ cut here ]------------";
    const WARNING: &str = "[    3.1] WARNING: a.c:1 at f+0x33/0x40, CPU#0: sh/9";

    #[test]
    fn what_is_expected_of_one_node_is_alarm_on_another() {
        let mut alarms = Alarms::default();
        let id = alarms.expect(2, "WARNING: a.c".into());
        assert!(alarms.hear(2, HEADER) && !alarms.may_end(2));
        assert!(alarms.hear(2, WARNING) && alarms.may_end(2));
        assert!(!alarms.hear(3, HEADER) && !alarms.hear(3, WARNING));
        assert!(!alarms.hear(2, "BUG: another"));
        assert_eq!(alarms.seen(id), [WARNING]);
        let nodes = alarms.untaken().iter().map(|(node, _)| *node);
        assert_eq!(nodes.collect::<Vec<_>>(), [3, 3, 2]);
        alarms.withdraw(id);
        assert!(!alarms.hear(2, WARNING) && !alarms.may_end(2));
        assert_eq!(alarms.take().len(), 4);
        assert!(alarms.untaken().is_empty());
    }

    #[test]
    fn a_listener_is_told_once_and_one_that_left_never() {
        let mut alarms = Alarms::default();
        let (ours, stays) = UnixStream::pair().unwrap();
        let (theirs, leaves) = UnixStream::pair().unwrap();
        alarms.listen(ours);
        alarms.listen(theirs);
        drop(leaves);
        assert_eq!(alarms.take_listeners().len(), 1);
        assert!(alarms.take_listeners().is_empty());
        drop(stays);
    }
}
