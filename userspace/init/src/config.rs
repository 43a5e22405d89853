// SPDX-License-Identifier: MIT OR Apache-2.0

//! The configuration that an image gives its init; the build writes it from the image's profile.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The service that knows who a node is.
const PODOSD: &str = "podosd";

/// Where an image has it.
pub const FILE: &str = "/etc/podos/init.toml";

/// What init does on the nodes of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where a folder of the host is mounted, if the kernel command line says `podos.share`; `None`
    /// where there is no such place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_folder: Option<String>,
    /// Kernel modules.
    #[serde(default)]
    pub modules: Modules,
    /// An address that every node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Programs that run for as long as the node does, by name.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
}

/// The kernel modules that init loads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Modules {
    /// Where they are.
    pub directory: String,
    /// Names without `.ko`, in the order in which they need each other.
    pub load: Vec<String>,
}

/// An IPv4 address that comes from the host id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Network {
    /// The interface that gets it.
    pub interface: String,
    /// Node N has its Nth address.
    pub subnet: Subnet,
}

/// A program that is started again whenever it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Service {
    /// Path and arguments.
    pub command: Vec<String>,
    /// When it is started first.
    #[serde(default)]
    pub start: Start,
    /// The terminal that it has for itself; without one it reads nothing and writes to the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// What is added to its badness when memory runs out, -1000 (never killed) to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i16>,
}

/// When a service is started first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Once the boot is over.
    #[default]
    Booted,
    /// Before it begins: the service is there even if the boot hangs.
    AtOnce,
}

/// IPv4 addresses that begin alike, as `10.80.0.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

impl Config {
    /// Reads the configuration in `file`.
    pub fn read(file: &Path) -> Result<Self, String> {
        let place = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {place}: {error}"))?;
        toml::from_str(&text).map_err(|error| format!("{place} is wrong: {}", error.message()))
    }

    /// The daemon that knows this node's identity and keys.
    pub fn podosd(&self) -> Result<&str, String> {
        let service = self.services.get(PODOSD);
        let program = service.and_then(|service| service.command.first());
        program.map(String::as_str).ok_or_else(|| {
            format!("cannot ask for this node's identity: {FILE} has no service `{PODOSD}`")
        })
    }

    /// What is left for a node whose image does not say what to do: somebody can look at it.
    #[must_use]
    pub fn rescue() -> Self {
        let shell = Service {
            command: vec!["/bin/sh".into(), "-l".into()],
            start: Start::AtOnce,
            terminal: Some("/dev/ttyS0".into()),
            oom_score_adj: None,
        };
        Self {
            services: BTreeMap::from([("shell".into(), shell)]),
            ..Self::default()
        }
    }
}

impl Subnet {
    /// The address of a node with this host id; `None` where there are not so many.
    #[must_use]
    pub fn address(self, node: u32) -> Option<Ipv4Addr> {
        // The last one is for broadcasts.
        let last = !self.bits();
        (0 < node && node < last).then(|| Ipv4Addr::from_bits(self.base | node))
    }

    /// Its mask.
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits())
    }

    fn bits(self) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0)
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(base, prefix)| {
            let base = base.parse::<Ipv4Addr>().ok()?.to_bits();
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 30)?;
            let subnet = Self { base, prefix };
            (base & !subnet.bits() == 0).then_some(subnet)
        });
        parsed.ok_or_else(|| format!("`{text}` is no subnet such as 10.80.0.0/24"))
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("init.toml");
        let mut config = Config::rescue();
        config.host_folder = Some("/mnt/host".into());
        config.network = Some(Network {
            interface: "eth0".into(),
            subnet: "10.80.0.0/24".parse().unwrap(),
        });
        config.modules.load.push("podos_cm".into());
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(Config::read(&file), Ok(config));
    }

    #[test]
    fn the_daemon_is_where_the_profile_has_it() {
        let mut config = Config::rescue();
        assert!(config.podosd().unwrap_err().contains("no service `podosd`"));
        let service = Service {
            command: vec!["/opt/podosd".into(), "--quiet".into()],
            start: Start::Booted,
            terminal: None,
            oom_score_adj: None,
        };
        config.services.insert(PODOSD.into(), service);
        assert_eq!(config.podosd(), Ok("/opt/podosd"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("init.toml");
        let error = Config::read(&file).unwrap_err();
        assert!(
            error.starts_with("cannot read ") && error.contains("init.toml: "),
            "{error}"
        );
        std::fs::write(&file, "[services.x]\ncomand = []\n").unwrap();
        let error = Config::read(&file).unwrap_err();
        assert!(
            error.contains("init.toml is wrong") && error.contains("comand"),
            "{error}"
        );
    }

    #[test]
    fn addresses_come_from_host_ids() {
        let subnet: Subnet = "10.80.0.0/24".parse().unwrap();
        assert_eq!(subnet.address(3), Some(Ipv4Addr::new(10, 80, 0, 3)));
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!((subnet.address(0), subnet.address(255)), (None, None));
        assert_eq!(subnet.address(254), Some(Ipv4Addr::new(10, 80, 0, 254)));
        assert_eq!(subnet.to_string(), "10.80.0.0/24");
        for wrong in [
            "10.80.0.0",
            "10.80.0.1/24",
            "10.80.0.0/31",
            "x/24",
            "10.80.0.0/-1",
        ] {
            assert!(wrong.parse::<Subnet>().unwrap_err().contains(wrong));
        }
    }
}
