// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests and settings, as values.

use std::time::Duration;

use anyhow::Result;
use podos_harness::{CmMode, Kernel, Net, NodeKey, Rail, Topology, WaitFor};

use crate::support::Lab;

/// A test as a value.
#[derive(Clone, Copy)]
pub struct Test {
    /// `subject.what_holds`; no name is a part of another one, so that a name is a filter.
    pub name: &'static str,
    /// Where it runs.
    pub setting: Setting,
    /// How long it may take under KVM with an ordinary kernel, if [`LIMIT`] is not enough: no
    /// measure of how fast it should be, but of when nothing good can come any more.
    pub limit: Option<Duration>,
    /// It passes if this is `Ok` and no kernel raises an alarm.
    pub run: fn(&Lab<'_>) -> Result<()>,
}

/// How long a test may take that says nothing else.
pub const LIMIT: Duration = Duration::from_secs(75);

impl Test {
    /// How long it may take where everything takes its ordinary time.
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(LIMIT)
    }
}

/// A cluster that tests share one after the other. It is booted for the first of them, and again
/// after one that failed.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What it consists of. Without nodes its tests get no cluster; with the debug kernel they are
    /// skipped where the run has another one.
    pub topology: fn() -> Topology,
    /// Whether all nodes are to see each other before the first test.
    pub wait: WaitFor,
}

/// A setting is its name.
impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Setting {}

/// For tests that need no cluster, or make their own.
pub const HOST: Setting = Setting {
    name: "host",
    topology: || Topology::nodes(0),
    wait: WaitFor::Agents,
};

/// For tests that leave their nodes as they found them.
pub const SHARED: Setting = Setting {
    name: "shared",
    topology: || Topology::nodes(3),
    wait: WaitFor::Alive,
};

/// Two nodes of the laboratory, and one as users have it.
pub const PRODUCT: Setting = Setting {
    name: "product",
    topology: || Topology::nodes(3).profile_of(3, "node"),
    wait: WaitFor::Alive,
};

/// For tests that unload modules.
pub const MODULES: Setting = Setting {
    name: "modules",
    topology: || Topology::nodes(2),
    wait: WaitFor::Alive,
};

/// For tests that let nodes die; each of them finds all nodes alive.
pub const DYING: Setting = Setting {
    name: "dying",
    topology: || Topology::nodes(3),
    wait: WaitFor::Alive,
};

/// For tests that lose, damage and cut; each of them finds good rails, and leaves them so.
pub const FAULTY: Setting = Setting {
    name: "faulty",
    topology: || Topology::nodes(3).net(Net::Switch),
    wait: WaitFor::Alive,
};

/// Rails of different MTU, the first of them the largest.
pub const MIXED: Setting = Setting {
    name: "mixed",
    topology: || {
        let rails = [9000, 1500, 4000].map(Rail::of_mtu);
        Topology {
            rails: rails.to_vec(),
            ..Topology::nodes(2).net(Net::Switch)
        }
    },
    wait: WaitFor::Alive,
};

/// Two members, linus3 with a key of its own, and linus4 without any.
pub const OUTSIDERS: Setting = Setting {
    name: "outsiders",
    topology: || {
        let nodes = Topology::nodes(4).net(Net::Switch);
        nodes.key(3, NodeKey::Own).key(4, NodeKey::None)
    },
    wait: WaitFor::Agents,
};

/// Two members, and linus3, which has linus2's host id.
pub const NAMESAKES: Setting = Setting {
    name: "namesakes",
    topology: || Topology::nodes(3).claim(3, 2),
    wait: WaitFor::Agents,
};

/// Nodes that boot with the same boot number again and again.
pub const TIMELESS: Setting = Setting {
    name: "timeless",
    topology: || Topology {
        kernel_args: vec!["podos.boot=7".to_owned()],
        ..Topology::nodes(2)
    },
    wait: WaitFor::Alive,
};

/// Nodes whose frames everybody can read.
pub const OPEN: Setting = Setting {
    name: "open",
    topology: || Topology::nodes(2).net(Net::Switch).cm_mode(CmMode::Open),
    wait: WaitFor::Alive,
};

/// Members that tell root their session keys.
pub const LEGIBLE: Setting = Setting {
    name: "legible",
    topology: || Topology {
        kernel_args: vec!["podos_cm.reveal_keys=1".to_owned()],
        ..Topology::nodes(2).net(Net::Switch)
    },
    wait: WaitFor::Alive,
};

/// Two members, and a place for the test firmware.
pub const FIRMWARE_AEAD: Setting = Setting {
    name: "firmware-aead",
    topology: || Topology::nodes(2).firmware(9).net(Net::Switch),
    wait: WaitFor::Alive,
};

/// The same without secrecy, on bridges of different MTU.
pub const FIRMWARE_MAC: Setting = Setting {
    name: "firmware-mac",
    topology: || {
        let rails = [4000, 1500, 9000].map(Rail::of_mtu);
        Topology {
            rails: rails.to_vec(),
            ..Topology::nodes(2).firmware(9).cm_mode(CmMode::Mac)
        }
    },
    wait: WaitFor::Alive,
};

/// The same without keys.
pub const FIRMWARE_OPEN: Setting = Setting {
    name: "firmware-open",
    topology: || {
        let nodes = Topology::nodes(2).firmware(9).net(Net::Switch);
        nodes.cm_mode(CmMode::Open)
    },
    wait: WaitFor::Alive,
};

/// Two members whose kernels can be told to run out of memory.
pub const DEBUG: Setting = Setting {
    name: "debug",
    topology: || Topology::nodes(2).kernel(Kernel::Debug),
    wait: WaitFor::Alive,
};

/// The same, whose frames need no keys.
pub const DEBUG_OPEN: Setting = Setting {
    name: "debug-open",
    topology: || {
        let nodes = Topology::nodes(2).kernel(Kernel::Debug);
        nodes.cm_mode(CmMode::Open)
    },
    wait: WaitFor::Alive,
};

/// Four nodes that are worked on under a nemesis.
pub const SOAK: Setting = Setting {
    name: "soak",
    topology: || Topology::nodes(4).net(Net::Switch),
    wait: WaitFor::Alive,
};

/// All of them, in the order in which they run.
pub const SETTINGS: &[Setting] = &[
    HOST,
    SHARED,
    PRODUCT,
    MODULES,
    DYING,
    FAULTY,
    MIXED,
    OUTSIDERS,
    NAMESAKES,
    TIMELESS,
    OPEN,
    LEGIBLE,
    FIRMWARE_AEAD,
    FIRMWARE_MAC,
    FIRMWARE_OPEN,
    DEBUG,
    DEBUG_OPEN,
    SOAK,
];
