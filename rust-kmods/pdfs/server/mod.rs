// SPDX-License-Identifier: GPL-2.0-only

//! The passive end: this node's files for the others (paper, section 4.4.2).

mod directory;
mod file;
mod request;
mod room;
mod session;
mod worker;

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::Listener;
use podos_proto::wire::Class;
use podos_sys::KThread;

use worker::Workers;

/// Serves files from its making to its drop, which ends what is going on and waits for it.
pub(crate) struct Server {
    listener: Arc<Listener>,
    acceptor: Option<KThread>,
    workers: Arc<Workers>,
}

impl Server {
    /// Takes the circuits of other nodes' file systems.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody else does; `ENOMEM`.
    pub(crate) fn start() -> Result<Self> {
        let listener = podos_cm::listen(Class::Pdfs)?;
        let mut server = Self {
            workers: Workers::new()?,
            acceptor: None,
            listener,
        };
        let (listener, workers) = (server.listener.clone(), server.workers.clone());
        server.acceptor = Some(KThread::spawn(c"pdfs_listen", move |_| {
            while let Ok(circuit) = listener.accept() {
                workers.assign(circuit);
            }
        })?);
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.close();
        drop(self.acceptor.take());
        self.workers.stop();
    }
}
