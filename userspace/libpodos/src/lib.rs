// SPDX-License-Identifier: MIT OR Apache-2.0

//! Remote processes and cluster state of a PODOS system.
//!
//! GIPC's interface is a file (paper, section 5.2.1): a node's directory is opened with a flag,
//! the first write names a program, and the program's streams are what is read and written from
//! then on. [`Remote`] is that file; [`Command`] and [`Child`] are the shape of
//! `std::process` on top of it. [`system_state`] reads what the Resource Manager knows about the
//! cluster, and [`Cm`] what the Communication Manager does. The library of the paper's section
//! 5.4.3, which a remotely started program uses to find its caller, is [`Caller`].
//!
//! ```no_run
//! let output = podos::Command::new("uname").arg("-n").on("linus2").output()?;
//! assert_eq!(output.stdout, b"linus2\n");
//! # Ok::<(), podos::Error>(())
//! ```
//!
//! C programs use `include/podos.h`.

mod abi;
mod caller;
mod child;
mod cm;
mod command;
mod encoding;
mod error;
mod ffi;
mod gpid;
mod ioctl;
mod key;
mod node;
mod record;
mod remote;
mod signals;
mod sst;

pub use caller::Caller;
pub use child::{Child, Output};
pub use cm::{
    CircuitState, Cm, CmError, KnownKey, Mode, Namesake, OwnRail, ParseModeError, PeerRail,
    CM_DIRECTORY, DEBUG_DIRECTORY,
};
pub use command::{variable, Command};
pub use encoding::Program;
pub use error::Error;
pub use gpid::{gpid_of, own_node, Gpid};
pub use key::{
    ClusterKey, Fingerprint, KeyFile, KeyFileError, KeyPlaces, ParseFingerprintError,
    ParseKeyError, GIVEN_KEY_FILE, KEYS_MAX, KEY_FILE,
};
pub use node::Node;
pub use record::{Record, RecordError, RECORD_HEADER};
pub use remote::{ProgramAt, Remote, Target};
pub use signals::Signals;
pub use sst::{system_state, NodeState, SstError, SST_DIRECTORY};

/// The result of this library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
