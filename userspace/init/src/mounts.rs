// SPDX-License-Identifier: MIT OR Apache-2.0

//! The file systems of a node whose root is its initramfs.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use podos_init::boot_report;
use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};

struct Mount<'a> {
    source: &'static str,
    target: &'a str,
    kind: &'static str,
    flags: MountFlags,
    data: Option<&'static CStr>,
}

/// What every node has, in the order in which it must be mounted.
fn base() -> [Mount<'static>; 9] {
    let plain = MountFlags::NOSUID.union(MountFlags::NODEV);
    let closed = plain.union(MountFlags::NOEXEC);
    let of = |kind, target, flags, data| Mount {
        source: kind,
        target,
        kind,
        flags,
        data,
    };
    [
        of("proc", "/proc", closed, None),
        of("sysfs", "/sys", closed, None),
        of("debugfs", "/sys/kernel/debug", closed, None),
        of("tracefs", "/sys/kernel/tracing", closed, None),
        of("devtmpfs", "/dev", MountFlags::NOSUID, None),
        of(
            "devpts",
            "/dev/pts",
            MountFlags::NOSUID.union(MountFlags::NOEXEC),
            Some(c"mode=620,ptmxmode=666"),
        ),
        of("tmpfs", "/dev/shm", plain, Some(c"mode=1777")),
        of("tmpfs", "/run", plain, Some(c"mode=755")),
        of("tmpfs", "/tmp", plain, Some(c"mode=1777")),
    ]
}

/// Names of a process's own descriptors, which devtmpfs leaves to userspace.
const DESCRIPTORS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Mounts what every node has, and makes the folder of [`boot_report`]; gives what went wrong.
pub fn mount_base() -> Vec<String> {
    let mut problems: Vec<_> = base().iter().filter_map(|one| one.attach().err()).collect();
    let links = DESCRIPTORS.iter().map(|(link, target)| {
        std::os::unix::fs::symlink(target, link)
            .map_err(|error| format!("cannot make {link} a link to {target}: {error}"))
    });
    problems.extend(links.filter_map(Result::err));
    let folder = Path::new(boot_report::FILE).parent();
    if let Some(Err(error)) = folder.map(fs::create_dir_all) {
        problems.push(format!(
            "cannot make the folder of {}: {error}",
            boot_report::FILE
        ));
    }
    problems
}

/// Mounts the folder that the host shares at `place`.
pub fn mount_share(place: &str) -> Result<(), String> {
    Mount {
        source: "podos_share",
        target: place,
        kind: "9p",
        flags: MountFlags::empty(),
        data: Some(c"trans=virtio,version=9p2000.L,msize=262144"),
    }
    .attach()
}

/// Unmounts what outlives the node: disks, and what the host shares. Gives what went wrong.
pub fn release() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let targets = lasting(&mounts).into_iter();
    let unmounted = targets.map(|target| {
        unmount(target, UnmountFlags::empty())
            .map_err(|error| format!("cannot unmount {target}: {error}"))
    });
    unmounted.filter_map(Result::err).collect()
}

/// Where those are mounted, the last one first.
fn lasting(mounts: &str) -> Vec<&str> {
    let lines = mounts.lines().rev();
    let fields = lines.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let lasting = fields.filter_map(|fields| match fields[..] {
        [_, target, "9p", ..] => Some(target),
        [source, target, ..] if source.starts_with("/dev/") => Some(target),
        _ => None,
    });
    lasting.collect()
}

impl Mount<'_> {
    fn attach(&self) -> Result<(), String> {
        let Self {
            source,
            target,
            kind,
            flags,
            data,
        } = *self;
        fs::create_dir_all(target)
            .and_then(|()| Ok(mount(source, target, kind, flags, data)?))
            .map_err(|error| format!("cannot mount {source} at {target} ({kind}): {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_the_node_is_told_apart() {
        let mounts = "rootfs / rootfs rw 0 0\n\
            proc /proc proc rw,nosuid 0 0\n\
            /dev/vda /data ext4 rw 0 0\n\
            podos_share /mnt/host 9p rw,relatime,access=client 0 0\n\
            tmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(lasting(mounts), ["/mnt/host", "/data"]);
    }
}
