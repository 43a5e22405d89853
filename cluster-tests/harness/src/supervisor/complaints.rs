// SPDX-License-Identifier: MIT OR Apache-2.0

//! What kernels complain of, who expected it, and who wants to hear of it.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;

use rustix::net::{recv, RecvFlags};

use crate::trouble::is_header;

/// The complaints of all nodes.
#[derive(Default)]
pub(super) struct Complaints {
    /// Node and line of those that nobody expected and nobody took yet.
    untaken: Vec<(u32, String)>,
    expected: BTreeMap<u64, Expected>,
    last: u64,
    /// Those who are to be told of the next one.
    listeners: Vec<UnixStream>,
}

/// Complaints that are there on purpose.
struct Expected {
    node: u32,
    pattern: String,
    seen: Vec<String>,
}

impl Complaints {
    /// A node complains; whether that was expected.
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

    /// Complaints of a node with `pattern` in them are expected until this is withdrawn.
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

    /// The complaints that met an expectation, in order.
    pub(super) fn seen(&self, id: u64) -> Vec<String> {
        let expected = self.expected.get(&id);
        expected.map(|one| one.seen.clone()).unwrap_or_default()
    }

    /// Whether a node had a complaint that was expected, and so may end by it.
    pub(super) fn may_end(&self, node: u32) -> bool {
        let mut expected = self.expected.values();
        expected.any(|one| one.node == node && !one.seen.is_empty())
    }

    /// Whoever has the other end of this connection is to be told of the next complaint.
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
    fn what_is_expected_of_one_node_is_trouble_on_another() {
        let mut complaints = Complaints::default();
        let id = complaints.expect(2, "WARNING: a.c".into());
        assert!(complaints.hear(2, HEADER) && !complaints.may_end(2));
        assert!(complaints.hear(2, WARNING) && complaints.may_end(2));
        assert!(!complaints.hear(3, HEADER) && !complaints.hear(3, WARNING));
        assert!(!complaints.hear(2, "BUG: another"));
        assert_eq!(complaints.seen(id), [WARNING]);
        let nodes = complaints.untaken().iter().map(|(node, _)| *node);
        assert_eq!(nodes.collect::<Vec<_>>(), [3, 3, 2]);
        complaints.withdraw(id);
        assert!(!complaints.hear(2, WARNING) && !complaints.may_end(2));
        assert_eq!(complaints.take().len(), 4);
        assert!(complaints.untaken().is_empty());
    }

    #[test]
    fn a_listener_is_told_once_and_one_that_left_never() {
        let mut complaints = Complaints::default();
        let (ours, stays) = UnixStream::pair().unwrap();
        let (theirs, leaves) = UnixStream::pair().unwrap();
        complaints.listen(ours);
        complaints.listen(theirs);
        drop(leaves);
        assert_eq!(complaints.take_listeners().len(), 1);
        assert!(complaints.take_listeners().is_empty());
        drop(stays);
    }
}
