// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finding the agent's port among the virtio-serial ports.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use podos_agent_proto::PORT_NAME;
use rustix::io::Errno;
use rustix::net::netlink::{SocketAddrNetlink, KOBJECT_UEVENT};
use rustix::net::{bind, socket_with, AddressFamily, SocketFlags, SocketType};

const PORTS: &str = "/sys/class/virtio-ports";

/// The kernel's device events: a port appears, or gets its name, some time after the boot began.
#[derive(Debug)]
pub struct Search(OwnedFd);

impl Search {
    /// Listens to the kernel's device events from now on.
    pub fn new() -> io::Result<Self> {
        let events = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )?;
        bind(&events, &SocketAddrNetlink::new(0, 1))?;
        Ok(Self(events))
    }

    /// The port, if it is there by now. When it is not, the next device event is the time to ask
    /// again.
    pub fn find(&self) -> io::Result<Option<File>> {
        // Events first: whatever changes after this makes the socket readable again.
        let mut event = [0; 4096];
        loop {
            match rustix::io::read(&self.0, &mut event) {
                // NOBUFS: events were lost, which is no matter as only the fact counts.
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let Some(name) = device(Path::new(PORTS))? else {
            return Ok(None);
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(Path::new("/dev").join(name));
        match opened {
            Ok(port) => Ok(Some(port)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Search {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The device of the port that is named [`PORT_NAME`].
fn device(ports: &Path) -> io::Result<Option<OsString>> {
    let ports = match fs::read_dir(ports) {
        Ok(ports) => ports,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for port in ports {
        let port = port?;
        // A port without a name, or without one yet, has no such file.
        let name = fs::read_to_string(port.path().join("name"));
        if name.is_ok_and(|name| name.trim_end() == PORT_NAME) {
            return Ok(Some(port.file_name()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(device(&dir.path().join("none")).unwrap(), None);
        for (port, name) in [("vport0p1", Some("other\n")), ("vport1p1", None)] {
            let port = dir.path().join(port);
            fs::create_dir(&port).unwrap();
            if let Some(name) = name {
                fs::write(port.join("name"), name).unwrap();
            }
        }
        assert_eq!(device(dir.path()).unwrap(), None);
        fs::write(dir.path().join("vport1p1/name"), "podos.agent\n").unwrap();
        assert_eq!(device(dir.path()).unwrap(), Some("vport1p1".into()));
    }
}
