// SPDX-License-Identifier: MIT OR Apache-2.0

//! The QEMU command line of one node.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use podos_agent_proto::PORT_NAME;

use crate::accel::Accelerator;
use crate::config::Config;
use crate::keys;
use crate::paths::option_value;
use crate::supervisor::namespace;
use crate::topology::firmware_name;
use crate::topology::{mac, Kernel, Topology};

/// The QEMU that runs the nodes.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// What a node's processor can do: all that the accelerator has.
///
/// Nothing is taken out of the middle. Programs look at one extension and take it for a promise of
/// those that every processor with it has, as OpenSSL and libc do with SSSE3, and die of an illegal
/// instruction where it is none. What costs: TCG moves sealed data at a twentieth more of the host's
/// time with vectors than without; a boot and short calls take less.
///
/// Five levels of page tables no guest needs, and KASAN trips over them under TCG.
const PROCESSOR: &str = "max,la57=off";

/// What one boot of a node differs in from another.
pub(crate) struct Boot {
    pub node: u32,
    /// Boot sequence, 1 and on.
    pub sequence: u16,
    pub accelerator: Accelerator,
    /// File with the node's cluster key, if it is not that of the image.
    pub key: Option<PathBuf>,
    /// How fast the host's time stamp counter counts, in kHz, if it has one.
    pub tsc_khz: Option<u32>,
    /// What it goes on from, in place of booting.
    pub snapshot: Option<PathBuf>,
    /// Where executed instructions are counted, if they are.
    pub counts: PathBuf,
}

/// The connected sockets that a QEMU inherits.
pub(crate) struct Sockets {
    /// Becomes the agent's port.
    pub agent: RawFd,
    /// Becomes the serial console.
    pub console: RawFd,
    /// Becomes the monitor.
    pub monitor: RawFd,
    /// Become the interfaces, with network `switch`.
    pub rails: Vec<RawFd>,
}

impl Sockets {
    pub(crate) fn all(&self) -> impl Iterator<Item = RawFd> + '_ {
        let rails = self.rails.iter().copied();
        [self.agent, self.console, self.monitor]
            .into_iter()
            .chain(rails)
    }
}

/// The arguments for this boot.
pub(crate) fn arguments(config: &Config, boot: &Boot, sockets: &Sockets) -> Vec<OsString> {
    let mut args = Vec::<OsString>::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&[
        "-name",
        &crate::node_name(boot.node),
        "-nodefaults",
        "-no-user-config",
    ]);
    add(&[
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "pc",
        "-accel",
        boot.accelerator.name(),
    ]);
    add(&[
        "-cpu",
        PROCESSOR,
        "-smp",
        "1",
        "-m",
        &config.topology.memory().to_string(),
    ]);
    add(&[
        "-chardev",
        &format!("socket,id=console,fd={}", sockets.console),
    ]);
    add(&["-serial", "chardev:console"]);
    let monitor = sockets.monitor;
    add(&["-chardev", &format!("socket,id=monitor,fd={monitor}")]);
    add(&["-mon", "chardev=monitor,mode=control"]);
    let agent = sockets.agent;
    add(&["-chardev", &format!("socket,id=agent,fd={agent}")]);
    add(&["-device", "virtio-serial-pci,max_ports=2"]);
    add(&[
        "-device",
        &format!("virtserialport,chardev=agent,name={PORT_NAME}"),
    ]);
    // Another one with each QEMU, so that who goes on from a snapshot can tell.
    add(&["-device", "vmgenid,guid=auto"]);
    args.extend(interfaces(&config.topology, boot.node, sockets));
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&["-append", &kernel_command_line(config, boot), "-kernel"]);
    let image = config.images.of(boot.node);
    args.push(image.kernel.clone().into());
    args.extend(["-initrd".into(), image.initramfs.clone().into()]);
    if let Some(key) = &boot.key {
        let mut file = OsString::from(format!("name={},file=", keys::NAME));
        file.push(option_value(key));
        args.extend(["-fw_cfg".into(), file]);
    }
    if let Some(counter) = &config.topology.counter {
        let mut plugin = OsString::from("file=");
        plugin.push(option_value(counter));
        plugin.push(",counts=");
        plugin.push(option_value(&boot.counts));
        args.extend(["-plugin".into(), plugin]);
    }
    if let Some(snapshot) = &boot.snapshot {
        args.extend(["-incoming".into(), from_file(snapshot)]);
    }
    if let Some(share) = config.share_of(boot.node) {
        let mut local = OsString::from("local,id=share,security_model=none,multidevs=remap,path=");
        local.push(option_value(share));
        args.extend(["-fsdev".into(), local]);
        args.extend(["-device", "virtio-9p-pci,fsdev=share,mount_tag=podos_share"].map(Into::into));
    }
    args
}

/// Where QEMU writes a snapshot to: a shell's command, the one way that all versions have.
pub(crate) fn to_file(path: &Path) -> String {
    format!("exec:cat >{}", quoted(path))
}

/// The same for reading.
fn from_file(path: &Path) -> OsString {
    format!("exec:cat <{}", quoted(path)).into()
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// The interfaces of whoever is at a place of the rails.
fn interfaces(topology: &Topology, place: u32, sockets: &Sockets) -> Vec<OsString> {
    let mut args = Vec::new();
    for (rail, made) in (0_u8..).zip(&topology.rails) {
        let netdev = match sockets.rails.get(usize::from(rail)) {
            Some(fd) => format!("stream,id=rail{rail},server=off,addr.type=fd,addr.str={fd}"),
            None => {
                let tap = namespace::tap(place, rail);
                format!("tap,id=rail{rail},ifname={tap},script=no,downscript=no")
            }
        };
        let (mac, mtu) = (mac(rail, place), made.mtu);
        let device = format!("virtio-net-pci,netdev=rail{rail},mac={mac},host_mtu={mtu},romfile=");
        args.extend(["-netdev", &netdev, "-device", &device].map(OsString::from));
    }
    args
}

/// One boot of the test firmware.
pub(crate) struct FirmwareBoot {
    pub place: u32,
    pub accelerator: Accelerator,
    pub program: PathBuf,
    /// File with what it is to do.
    pub scenario: PathBuf,
    /// File with its cluster key, if there is one.
    pub key: Option<PathBuf>,
}

impl FirmwareBoot {
    /// The arguments for this boot.
    pub(crate) fn arguments(&self, topology: &Topology, sockets: &Sockets) -> Vec<OsString> {
        let name = firmware_name(self.place);
        let console = format!("socket,id=console,fd={}", sockets.console);
        let words = [
            ["-name", &name],
            ["-display", "none"],
            // Its timer is the firmware's clock.
            ["-machine", "pc,hpet=on"],
            ["-accel", self.accelerator.name()],
            // All that it uses, and nothing that would have to be switched on first.
            ["-cpu", "qemu64"],
            ["-m", "64"],
            ["-chardev", &console],
            ["-serial", "chardev:console"],
            // A byte written there is the end.
            ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
        ];
        let mut args = ["-nodefaults", "-no-user-config", "-no-reboot"]
            .map(OsString::from)
            .to_vec();
        args.extend(words.iter().flatten().map(OsString::from));
        args.extend(interfaces(topology, self.place, sockets));
        let scenario = ("opt/podos/firmware", &self.scenario);
        let key = self.key.as_ref().map(|key| (keys::NAME, key));
        for (name, path) in [scenario].into_iter().chain(key) {
            let mut file = OsString::from(format!("name={name},file="));
            file.push(option_value(path));
            args.extend(["-fw_cfg".into(), file]);
        }
        args.extend(["-kernel".into(), self.program.clone().into()]);
        args
    }
}

fn kernel_command_line(config: &Config, boot: &Boot) -> String {
    let mut words = vec![
        "console=ttyS0".to_owned(),
        "panic=-1".to_owned(),
        format!("podos.node={}", config.topology.host_id(boot.node)),
        format!("podos.boot={}", boot.sequence),
        format!("podos.cm-mode={}", config.topology.cm_mode),
    ];
    if boot.accelerator == Accelerator::Tcg {
        // On a busy machine TCG delivers no timer interrupt in the time in which the kernel
        // looks for one, which then panics.
        words.push("no_timer_check".into());
        // Nor would it measure its clock well.
        words.extend(boot.tsc_khz.map(|khz| format!("tsc_early_khz={khz}")));
        // Half of the boot would go into writing numbers for names into what tracepoints of file
        // systems print.
        words.push("initcall_blacklist=trace_eval_init".into());
        if config.topology.kernel == Kernel::Debug {
            // ACPI's table of interrupt routes is a program, which takes half a minute for each
            // device when every allocation is watched. All devices have message interrupts.
            words.push("acpi=noirq".into());
        }
    }
    if config.share_of(boot.node).is_some() {
        words.push("podos.share".into());
    }
    words.extend(config.topology.kernel_args.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::image::tests::images;
    use crate::Topology;

    #[test]
    fn a_node_is_told_who_it_is() {
        let topology = Topology {
            counter: Some("/t/libpodos_counter.so".into()),
            ..Topology::nodes(3).share(OsStr::from_bytes(b"/srv/a,b \xff"))
        };
        let config = Config {
            name: "t".into(),
            topology,
            images: images(None),
        };
        let boot = Boot {
            node: 2,
            sequence: 5,
            accelerator: Accelerator::Tcg,
            key: Some("/run/ke,ys/cluster".into()),
            tsc_khz: Some(2_600_000),
            snapshot: Some("/run/it's/memory".into()),
            counts: "/run/podos,t/linus2.counts".into(),
        };
        let mut sockets = Sockets {
            agent: 10,
            console: 11,
            monitor: 12,
            rails: Vec::new(),
        };
        let args = arguments(&config, &boot, &sockets);
        let has = |words: &[&str]| args.windows(words.len()).any(|window| window == words);
        let line = "console=ttyS0 panic=-1 podos.node=2 podos.boot=5 podos.cm-mode=aead \
                    no_timer_check tsc_early_khz=2600000 \
                    initcall_blacklist=trace_eval_init podos.share";
        assert!(has(&["-append", line]));
        assert!(has(&["-incoming", r"exec:cat <'/run/it'\''s/memory'"]));
        assert!(has(&["-device", "vmgenid,guid=auto"]));
        assert!(has(&[
            "-plugin",
            "file=/t/libpodos_counter.so,counts=/run/podos,,t/linus2.counts"
        ]));
        assert!(has(&[
            "-device",
            "virtio-net-pci,netdev=rail2,mac=52:54:00:50:02:02,host_mtu=1500,romfile="
        ]));
        assert!(has(&["-kernel", "/i/bzImage", "-initrd", "/i/initramfs"]));
        let shared = b"local,id=share,security_model=none,multidevs=remap,path=/srv/a,,b \xff";
        assert!(args.contains(&OsStr::from_bytes(shared).to_owned()));
        assert!(has(&[
            "-fw_cfg",
            "name=opt/podos/cluster-key,file=/run/ke,,ys/cluster"
        ]));
        assert!(has(&[
            "-netdev",
            "tap,id=rail0,ifname=n2r0,script=no,downscript=no"
        ]));
        sockets.rails = vec![13, 14, 15];
        let args = arguments(&config, &boot, &sockets);
        let stream = OsString::from("stream,id=rail2,server=off,addr.type=fd,addr.str=15");
        assert!(args.contains(&stream));
        assert_eq!(sockets.all().collect::<Vec<_>>(), [10, 11, 12, 13, 14, 15]);
    }
}
