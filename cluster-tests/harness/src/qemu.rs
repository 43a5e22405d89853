// SPDX-License-Identifier: MIT OR Apache-2.0

//! The QEMU command line of one node.

use std::ffi::OsString;
use std::os::fd::RawFd;

use podos_agent_proto::PORT_NAME;

use crate::accel::Accelerator;
use crate::namespace;
use crate::spawn::Config;
use crate::topology::mac;

/// The QEMU that runs the nodes.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// What one boot of a node differs in from another.
pub(crate) struct Boot {
    pub node: u32,
    /// Boot sequence, 1 and on.
    pub sequence: u16,
    pub accelerator: Accelerator,
    /// Connected socket that becomes the agent's port.
    pub agent: RawFd,
    /// Connected socket that becomes the serial console.
    pub console: RawFd,
}

/// The arguments for this boot.
pub(crate) fn arguments(config: &Config, boot: &Boot) -> Vec<OsString> {
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
        // No guest needs five levels of page tables, and KASAN trips over them under TCG.
        "-cpu",
        "max,la57=off",
        "-smp",
        "1",
        "-m",
        &config.topology.memory_mib.to_string(),
    ]);
    add(&[
        "-chardev",
        &format!("socket,id=console,fd={}", boot.console),
    ]);
    add(&["-serial", "chardev:console"]);
    add(&["-chardev", &format!("socket,id=agent,fd={}", boot.agent)]);
    add(&["-device", "virtio-serial-pci,max_ports=2"]);
    add(&[
        "-device",
        &format!("virtserialport,chardev=agent,name={PORT_NAME}"),
    ]);
    for rail in 0..config.topology.rails {
        let tap = namespace::tap(boot.node, rail);
        add(&[
            "-netdev",
            &format!("tap,id=rail{rail},ifname={tap},script=no,downscript=no"),
        ]);
        let mac = mac(rail, boot.node);
        add(&[
            "-device",
            &format!("virtio-net-pci,netdev=rail{rail},mac={mac},romfile="),
        ]);
    }
    add(&["-append", &kernel_command_line(config, boot), "-kernel"]);
    args.push(config.image.kernel.clone().into());
    args.extend(["-initrd".into(), config.image.initramfs.clone().into()]);
    if let Some(share) = &config.topology.share {
        let mut local = OsString::from("local,id=share,security_model=none,multidevs=remap,path=");
        local.push(share);
        args.extend(["-fsdev".into(), local]);
        args.extend(["-device", "virtio-9p-pci,fsdev=share,mount_tag=podos_share"].map(Into::into));
    }
    args
}

fn kernel_command_line(config: &Config, boot: &Boot) -> String {
    let mut words = vec![
        "console=ttyS0".to_owned(),
        "panic=-1".to_owned(),
        format!("podos.node={}", boot.node),
        format!("podos.boot={}", boot.sequence),
    ];
    if boot.accelerator == Accelerator::Tcg {
        // On a busy machine TCG delivers no timer interrupt in the time in which the kernel
        // looks for one, which then panics.
        words.push("no_timer_check".into());
    }
    if config.topology.share.is_some() {
        words.push("podos.share".into());
    }
    words.extend(config.topology.kernel_args.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::Topology;

    #[test]
    fn a_node_is_told_who_it_is() {
        let image = Image {
            kernel: "/i/bzImage".into(),
            initramfs: "/i/initramfs".into(),
        };
        let topology = Topology::nodes(3).share("/srv");
        let config = Config {
            name: "t".into(),
            topology,
            image,
        };
        let boot = Boot {
            node: 2,
            sequence: 5,
            accelerator: Accelerator::Tcg,
            agent: 10,
            console: 11,
        };
        let args = arguments(&config, &boot);
        let has = |words: &[&str]| args.windows(words.len()).any(|window| window == words);
        let line = "console=ttyS0 panic=-1 podos.node=2 podos.boot=5 no_timer_check podos.share";
        assert!(has(&["-append", line]));
        assert!(has(&[
            "-device",
            "virtio-net-pci,netdev=rail2,mac=52:54:00:50:02:02,romfile="
        ]));
        assert!(has(&["-kernel", "/i/bzImage", "-initrd", "/i/initramfs"]));
        assert!(has(&[
            "-fsdev",
            "local,id=share,security_model=none,multidevs=remap,path=/srv"
        ]));
    }
}
