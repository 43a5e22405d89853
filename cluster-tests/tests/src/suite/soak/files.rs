// SPDX-License-Identifier: MIT OR Apache-2.0

//! The files of a worker, as they must be.

use super::content::{between, differs};

/// A file that only one worker changes, from whichever node.
#[derive(Clone, Debug)]
pub struct File {
    /// The node that has it.
    pub home: u32,
    /// Its path there. Names are used once.
    pub path: String,
    /// That of its home when it was made: it is in memory, and ends with the epoch.
    pub epoch: u64,
    /// What was acknowledged.
    pub content: Vec<u8>,
}

impl File {
    /// Says what is wrong with what a node finds in it.
    pub fn check(&self, found: &[u8]) -> Option<String> {
        differs(&self.content, found)
    }
}

/// A file whose last change was interrupted: nobody knows whether it was made, or will be when
/// what is under way arrives. It is left alone until that can't be any more.
#[derive(Clone, Debug)]
pub struct Limbo {
    pub home: u32,
    /// Who changed it.
    pub client: u32,
    pub epoch: u64,
    /// What was to happen, for messages.
    pub what: String,
    pub change: Change,
}

/// What was to happen, and is allowed now.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new file, or none, or part of it.
    Create { path: String, new: Vec<u8> },
    /// Another content.
    Write {
        path: String,
        old: Vec<u8>,
        new: Vec<u8>,
    },
    /// Another name.
    Rename {
        from: String,
        to: String,
        content: Vec<u8>,
    },
    /// No file.
    Unlink { path: String, old: Vec<u8> },
}

impl Change {
    /// All paths that it concerns.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Create { path, .. } | Self::Write { path, .. } | Self::Unlink { path, .. } => {
                vec![path]
            }
            Self::Rename { from, to, .. } => vec![from, to],
        }
    }

    /// Says what is wrong with what is found at the paths, `None` where nothing is.
    pub fn check(&self, found: &[Option<Vec<u8>>]) -> Option<String> {
        match (self, found) {
            (Self::Create { .. } | Self::Unlink { .. }, [None]) => None,
            (Self::Create { new, .. }, [Some(found)]) => between(&[], new, found),
            (Self::Unlink { old, .. }, [Some(found)]) => differs(old, found),
            (Self::Write { old, new, .. }, [Some(found)]) => between(old, new, found),
            (Self::Write { .. }, [None]) => Some("it is gone".into()),
            (Self::Rename { content, .. }, [Some(found), None] | [None, Some(found)]) => {
                differs(content, found)
            }
            (Self::Rename { .. }, [None, None]) => Some("it is gone under both names".into()),
            (Self::Rename { .. }, [Some(_), Some(_)]) => Some("it has both names".into()),
            _ => Some("not all of its names were looked at".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_change_was_made_or_not() {
        let (path, new) = ("/p".to_owned(), b"new".to_vec());
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let good = |change: &Change, found: &[Option<Vec<u8>>]| change.check(found).is_none();
        let create = Change::Create {
            path: path.clone(),
            new: new.clone(),
        };
        assert!(good(&create, &[None]) && good(&create, &[some("ne")]));
        assert!(!good(&create, &[some("old")]));
        let old = b"old".to_vec();
        let write = Change::Write {
            path: path.clone(),
            old: old.clone(),
            new,
        };
        assert!(good(&write, &[some("old")]) && good(&write, &[some("new")]));
        assert!(good(&write, &[some("nld")]));
        assert!(!good(&write, &[None]) && !good(&write, &[some("bad")]));
        let unlink = Change::Unlink {
            path,
            old: old.clone(),
        };
        assert!(good(&unlink, &[None]) && good(&unlink, &[some("old")]));
        assert!(!good(&unlink, &[some("ol")]));
        let (from, to) = ("/a".to_owned(), "/b".to_owned());
        let rename = Change::Rename {
            from,
            to,
            content: old,
        };
        assert_eq!(rename.paths(), ["/a", "/b"]);
        assert!(good(&rename, &[some("old"), None]) && good(&rename, &[None, some("old")]));
        for bad in [
            [None, None],
            [some("old"), some("old")],
            [None, some("new")],
        ] {
            assert!(!good(&rename, &bad), "{bad:?}");
        }
    }
}
