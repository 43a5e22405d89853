// SPDX-License-Identifier: MIT OR Apache-2.0

//! What makes calls on a cluster fail at once, wherever they are.
//!
//! A test waits in many places: for a command, for a text, for a cluster to be ready. Once they
//! are cancelled, every such call ends with the reason, and no new one begins.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::alarm::Alarm;
use crate::error::{Error, IoContext, Result};

/// Of one cluster, once and for all.
#[derive(Debug, Default)]
pub(crate) struct Cancellation(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: Option<Reason>,
    last: u64,
    /// Connections of the calls that wait.
    under_way: BTreeMap<u64, UnixStream>,
}

/// Why nothing more is to be done with a cluster.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    Alarm(Box<Alarm>),
    GivenUp(String),
}

/// A call under way: its connection is hung up when calls are cancelled. Dropping it
/// says that the call is over.
#[derive(Debug)]
pub(crate) struct Call {
    cancellation: Arc<Cancellation>,
    id: u64,
}

impl Cancellation {
    /// Ends the calls under way, and refuses those to come. The first reason stays.
    pub(crate) fn cancel(&self, reason: Reason) {
        let mut inner = self.lock();
        inner.reason.get_or_insert(reason);
        for stream in std::mem::take(&mut inner.under_way).values() {
            // One that the other side has ended already is fine.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The reason as an error, once there is one.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.lock().reason {
            None => Ok(()),
            Some(Reason::Alarm(alarm)) => Err(Error::Alarm(alarm.clone())),
            Some(Reason::GivenUp(why)) => Err(Error::GivenUp(why.clone())),
        }
    }

    /// Begins a call over this connection, unless calls are cancelled.
    pub(crate) fn call(self: &Arc<Self>, over: &UnixStream) -> Result<Call> {
        let stream = over
            .try_clone()
            .context(|| "keep a second handle of a connection".into())?;
        self.check()?;
        let mut inner = self.lock();
        inner.last += 1;
        let id = inner.last;
        if inner.reason.is_some() {
            // Raised between the check and now: whoever waits on it is told by its end.
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            inner.under_way.insert(id, stream);
        }
        drop(inner);
        let cancellation = Arc::clone(self);
        Ok(Call { cancellation, id })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// What to tell of a call that failed with `error`: the cancellation's reason, if that ended it.
    pub(crate) fn reason(&self, error: Error) -> Error {
        self.cancellation.check().err().unwrap_or(error)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancellation.lock().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn given_up() -> Reason {
        Reason::GivenUp("enough".into())
    }

    #[test]
    fn calls_under_way_end_and_no_more_begin() {
        let cancellation = Arc::<Cancellation>::default();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let call = cancellation.call(&ours).unwrap();
        let waiting = std::thread::spawn(move || {
            let read = ours.read(&mut [0; 1]).unwrap();
            (read, call.reason(Error::NodeDown("linus1".into())))
        });
        cancellation.check().unwrap();
        cancellation.cancel(given_up());
        let (read, error) = waiting.join().unwrap();
        assert_eq!(read, 0);
        assert_eq!(error.to_string(), "given up: enough");
        let error = cancellation.call(&theirs).unwrap_err().to_string();
        assert_eq!(error, "given up: enough");
    }

    #[test]
    fn a_call_that_is_over_is_left_alone_and_the_first_reason_stays() {
        let cancellation = Arc::<Cancellation>::default();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        drop(cancellation.call(&ours).unwrap());
        cancellation.cancel(given_up());
        cancellation.cancel(Reason::GivenUp("later".into()));
        assert_eq!(
            cancellation.check().unwrap_err().to_string(),
            "given up: enough"
        );
        theirs.set_nonblocking(true).unwrap();
        let error = theirs.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}
