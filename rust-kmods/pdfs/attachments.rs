// SPDX-License-Identifier: GPL-2.0-only

//! The directories that lead to other nodes: `/sys/kernel/podos/pdfs/attach` and `detach`.

use core::fmt::Write;
use core::time::Duration;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{Arc, Mutex};
use podos_proto::HostId;
use podos_sys::{Attribute, AttributeFile, KThread, Kobject, StopToken, WaitQueue, Wake};

use crate::client::{name_of_host, Options, Pdfs, KEPT};
use crate::sys::{capability, thread, Destination, FileSystem, IdleMounts, Mount, Path, Remap};

/// What is found when a task walks into a node's directory: the node's tree, if it is alive
/// (paper, section 4.3.2: assumed mounts).
struct Gate {
    host: HostId,
    /// The directory's name, as it was attached.
    name: CString,
    mounts: Arc<IdleMounts>,
}

impl Destination for Gate {
    const MODULE: &'static ThisModule = Pdfs::MODULE;

    fn mount(&self, at: &Path) -> Result<Mount> {
        if thread::is_kernel_thread() {
            // A node serves its own files, not those of a third one.
            return Err(EREMOTE);
        }
        if !podos_rm::is_alive(self.host) {
            return Err(EHOSTDOWN);
        }
        let options = Options {
            links: Some(CString::try_from(&*self.name)?),
        };
        let mount = Mount::automount::<Pdfs>(at, &name_of_host(self.host)?, options)?;
        self.mounts.add(&mount);
        Ok(mount)
    }
}

/// All attached directories.
#[pin_data]
struct Attachments {
    #[pin]
    all: Mutex<KVec<Remap<Gate>>>,
    mounts: Arc<IdleMounts>,
}

impl Attachments {
    /// "HOST PATH".
    fn attach(&self, text: &str) -> Result {
        let (host, path) = text.split_once(' ').ok_or(EINVAL)?;
        let host: HostId = host.parse().map_err(|_| EINVAL)?;
        if host == HostId::NONE || host == podos_cm::local_node()?.host() || !path.starts_with('/')
        {
            return Err(EINVAL);
        }
        let name = CString::try_from_fmt(fmt!("{path}"))?;
        let mut all = self.all.lock();
        if all.iter().any(|other| *other.destination().name == *name) {
            return Err(EEXIST);
        }
        all.reserve(1, GFP_KERNEL)?;
        let at = Path::of_task(&name)?;
        let mounts = self.mounts.clone();
        let remap = Remap::attach(&at, Gate { host, name, mounts })?;
        Ok(all.push(remap, GFP_KERNEL)?)
    }

    /// "PATH".
    fn detach(&self, path: &str) -> Result {
        let mut all = self.all.lock();
        let found = all
            .iter()
            .position(|other| other.destination().name.to_bytes() == path.as_bytes())
            .ok_or(ENOENT)?;
        let gone = all.remove(found).map_err(|_| ENOENT)?;
        // Not under the lock: it waits for walks that are on their way in.
        drop(all);
        drop(gone);
        Ok(())
    }

    fn list(&self, text: &mut dyn Write) -> Result {
        for other in self.all.lock().iter() {
            let gate = other.destination();
            let name = gate.name.to_str()?;
            writeln!(text, "{} {name}", gate.host).map_err(|_| ENOSPC)?;
        }
        Ok(())
    }
}

/// What was written. The mode of the file is not enough: it lets root of a user namespace write that
/// is root's of the node, too, whatever it has given up.
fn line(text: &[u8]) -> Result<&str> {
    if !capability::is_administrator() {
        return Err(EPERM);
    }
    Ok(core::str::from_utf8(text)
        .map_err(|_| EINVAL)?
        .trim_end_matches('\n'))
}

/// Written: "HOST PATH"; read: all that are attached.
struct Attach(Arc<Attachments>);

impl Attribute for Attach {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        self.0.list(text)
    }

    fn store(&self, text: &[u8]) -> Result {
        self.0.attach(line(text)?)
    }
}

/// Written: "PATH".
struct Detach(Arc<Attachments>);

impl Attribute for Detach {
    const READABLE: bool = false;
    const WRITABLE: bool = true;

    fn store(&self, text: &[u8]) -> Result {
        self.0.detach(line(text)?)
    }
}

/// How long a node's tree stays mounted that nobody uses: from once to twice this.
const IDLE: Duration = Duration::from_millis(500);

/// The thread that unmounts what is idle, and gives back what was read ahead in vain.
fn expire(mounts: &IdleMounts, woken: &WaitQueue, stop: &StopToken) {
    while !stop.is_stopping() {
        mounts.expire();
        if let Ok(kept) = KEPT.get() {
            kept.drop_stale();
        }
        let stopping = || stop.is_stopping().then_some(());
        // `Wake::Idle` is not ended by signals.
        let _ = woken.wait_until_timeout(Wake::Idle, IDLE, stopping);
    }
}

/// The files in sysfs. Dropped, it gives all directories back.
pub(crate) struct Control {
    _attach: AttributeFile<Attach>,
    _detach: AttributeFile<Detach>,
    _expiry: KThread,
}

impl Control {
    /// Makes the files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let mounts = Arc::pin_init(IdleMounts::new(), GFP_KERNEL)?;
        let idle = mounts.clone();
        let woken = WaitQueue::new(c"pdfs_expiry", kernel::static_lock_class!());
        let woken = KBox::pin_init(woken, GFP_KERNEL)?;
        let expiry = KThread::spawn(c"pdfs_expiry", move |stop| expire(&idle, &woken, stop))?;
        let attachments = Arc::pin_init(
            pin_init!(Attachments {
                all <- new_mutex!(KVec::new(), "pdfs_attachments"),
                mounts,
            }),
            GFP_KERNEL,
        )?;
        let directory: Kobject = podos_cm::sysfs_root()?.child(c"pdfs")?;
        let directory = Arc::new(directory, GFP_KERNEL)?;
        let attach = Attach(attachments.clone());
        Ok(Self {
            _attach: AttributeFile::new(directory.clone(), c"attach", attach)?,
            _detach: AttributeFile::new(directory, c"detach", Detach(attachments))?,
            _expiry: expiry,
        })
    }
}
