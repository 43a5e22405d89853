// SPDX-License-Identifier: MIT OR Apache-2.0

//! A rail's switch at work: one thread that waits for sockets and time.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::Timespec;

use super::capture::Capture;
use super::core::{Core, Outlet};
use super::link::{self, Reader, Writer};
use super::pipe::Refused;
use super::ring::Ring;
use crate::counters::PortCounters;
use crate::faults::{Faults, Rate, Selector};

/// Events taken at once.
const EVENTS: usize = 16;

/// The switch of one rail. Its thread ends with the process.
pub struct Engine(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    epoll: OwnedFd,
    clock: Clock,
}

/// What the thread has while it works, and others between.
struct Inner {
    core: Core,
    links: Links,
    capture: Option<Capture>,
    recent: Ring,
}

/// The nodes' interfaces, by port; both lists have the same ones.
struct Links {
    readers: Vec<Option<Reader>>,
    writers: Writers,
}

struct Writers(Vec<Option<Writer>>);

/// Time since the start of the engine, and what that was since 1970.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    since_1970: Duration,
}

impl Engine {
    /// Starts the switch of a rail, with a port for each node.
    pub fn start(rail: u8, seed: u64, nodes: &[u32]) -> io::Result<Self> {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let inner = Inner {
            core: Core::new(rail, seed, nodes),
            links: Links {
                readers: nodes.iter().map(|_| None).collect(),
                writers: Writers(nodes.iter().map(|_| None).collect()),
            },
            capture: None,
            recent: Ring::default(),
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clock: Clock {
                start: Instant::now(),
                since_1970: since_1970.unwrap_or_default(),
            },
        });
        let worker = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(format!("rail{rail}"))
            .spawn(move || {
                // The usual slack of 50 us would be most of what a frame takes.
                let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
                if let Err(error) = worker.work() {
                    eprintln!("switch of rail {rail}: {error}");
                }
            })?;
        Ok(Self(shared))
    }

    /// Plugs a node's interface in; what was plugged in there before is out.
    pub fn plug(&self, node: u32, stream: UnixStream) -> io::Result<()> {
        let mut inner = self.0.lock();
        let Some(port) = inner.core.port_of(node) else {
            return Err(io::Error::other(format!("node {node} has no port")));
        };
        let (reader, writer) = link::open(stream)?;
        let data = EventData::new_u64(port as u64);
        epoll::add(&self.0.epoll, reader.stream(), data, EventFlags::IN)?;
        inner.links.set(port, Some((reader, writer)));
        Ok(())
    }

    /// Begins a capture, or ends the one that runs. A file that can't be written is an error now;
    /// one that can't be later ends the capture.
    pub fn capture(&self, file: Option<&Path>) -> io::Result<()> {
        let capture = file.map(Capture::create).transpose()?;
        let before = std::mem::replace(&mut self.0.lock().capture, capture);
        before.map_or(Ok(()), |mut before| before.flush())
    }

    /// A capture of the last frames, some MB of them, without having been asked for one before.
    pub fn recent(&self) -> Vec<u8> {
        self.0.lock().recent.capture()
    }

    /// Sets the faults of these ports, from the next frame on.
    pub fn set_faults(&self, at: Selector, faults: Faults) {
        self.0.lock().core.set_faults(at, faults);
    }

    /// Sets how fast these ports are; as fast as can be with `None`.
    pub fn set_rate(&self, at: Selector, rate: Option<Rate>) {
        self.0.lock().core.set_rate(at, rate);
    }

    /// Lets these ports lose everything, or ends that.
    pub fn set_cut(&self, at: Selector, cut: bool) {
        self.0.lock().core.set_cut(at, cut);
    }

    /// Lets only nodes of the same group hear each other; no groups end that.
    pub fn partition(&self, groups: &[Vec<u32>]) {
        self.0.lock().core.partition(groups);
    }

    /// Draws from this seed from now on, as if no frame had passed yet.
    pub fn reseed(&self, seed: u64) {
        self.0.lock().core.reseed(seed);
    }

    /// What the ports counted, in the order of the nodes.
    pub fn counters(&self) -> Vec<PortCounters> {
        self.0.lock().core.counters().collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut timeout = None;
        loop {
            events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, buffer, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut inner = self.lock();
            inner.advance(self);
            for event in &events {
                let (flags, data) = (event.flags, event.data);
                inner.serve(self, data.u64() as usize, flags);
            }
            inner.flush_capture();
            timeout = inner.core.due().map(|due| self.clock.until(due));
        }
    }

    /// Has the thread hear when the link takes bytes again, or no more.
    fn watch(&self, link: &UnixStream, port: usize, writable: bool) {
        let flags = match writable {
            true => EventFlags::IN | EventFlags::OUT,
            false => EventFlags::IN,
        };
        // It is in there until it is closed.
        let _ = epoll::modify(&self.epoll, link, EventData::new_u64(port as u64), flags);
    }
}

impl Inner {
    fn advance(&mut self, shared: &Shared) {
        let now = shared.clock.now();
        self.core.advance(now, &mut self.links.writers);
        self.links.writers.flush(shared);
    }

    /// Serves one port.
    fn serve(&mut self, shared: &Shared, port: usize, flags: EventFlags) {
        let Links { readers, writers } = &mut self.links;
        let (Some(reader), Some(writer)) = (&mut readers[port], &mut writers.0[port]) else {
            return;
        };
        if flags.contains(EventFlags::OUT) && !writer.flush() {
            shared.watch(writer.stream(), port, false);
        }
        let now = shared.clock.now();
        let alive = reader.read(|frame| {
            let since_1970 = shared.clock.since_1970 + now;
            self.recent.add(since_1970, frame);
            if let Some(capture) = &mut self.capture {
                if let Err(error) = capture.add(since_1970, frame) {
                    eprintln!("capture {}: {error}", capture.path().display());
                    self.capture = None;
                }
            }
            self.core.input(now, port, frame, writers);
        });
        writers.flush(shared);
        if !alive {
            self.links.set(port, None);
        }
    }

    fn flush_capture(&mut self) {
        if let Some(Err(error)) = self.capture.as_mut().map(Capture::flush) {
            eprintln!("capture: {error}");
            self.capture = None;
        }
    }
}

impl Links {
    /// What was there is closed, and so leaves epoll.
    fn set(&mut self, port: usize, link: Option<(Reader, Writer)>) {
        (self.readers[port], self.writers.0[port]) = link.unzip();
    }
}

impl Writers {
    fn flush(&mut self, shared: &Shared) {
        for (port, writer) in self.0.iter_mut().enumerate() {
            if let Some(writer) = writer.as_mut().filter(|writer| writer.is_ready()) {
                if writer.flush() {
                    shared.watch(writer.stream(), port, true);
                }
            }
        }
    }
}

impl Outlet for Writers {
    fn put(&mut self, port: usize, frame: &[u8]) -> Result<(), Refused> {
        match &mut self.0[port] {
            None => Err(Refused::Gone),
            Some(writer) => writer.put(frame).then_some(()).ok_or(Refused::Full),
        }
    }
}

impl Clock {
    fn now(self) -> Duration {
        self.start.elapsed()
    }

    fn until(self, due: Duration) -> Timespec {
        let left = due.saturating_sub(self.now());
        Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Chance;
    use std::io::{ErrorKind, Read, Write};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// The guest's end of an interface.
    struct Guest(UnixStream);

    impl Guest {
        fn plugged(engine: &Engine, node: u32) -> Self {
            let (ours, guest) = UnixStream::pair().unwrap();
            guest.set_read_timeout(Some(PATIENCE)).unwrap();
            engine.plug(node, ours).unwrap();
            Self(guest)
        }

        fn say(&mut self, frame: &[u8]) {
            let length = (frame.len() as u32).to_be_bytes();
            self.0.write_all(&[&length, frame].concat()).unwrap();
        }

        fn hear(&mut self) -> Vec<u8> {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).unwrap();
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            self.0.read_exact(&mut frame).unwrap();
            frame
        }

        fn hears_nothing(&self) -> bool {
            self.0.set_nonblocking(true).unwrap();
            let got = (&self.0).read(&mut [0]);
            self.0.set_nonblocking(false).unwrap();
            got.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        }
    }

    fn broadcast(from: u8, body: &[u8]) -> Vec<u8> {
        [&[0xff; 6], &[2, 0, 0, 0, 0, from], &[0x88, 0xb5][..], body].concat()
    }

    /// Asks until it holds.
    fn soon(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "never so: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn guests_hear_each_other_and_a_new_boot_takes_the_place_of_the_old() {
        let engine = Engine::start(0, 1, &[1, 2, 3]).unwrap();
        let mut one = Guest::plugged(&engine, 1);
        let mut two = Guest::plugged(&engine, 2);
        let jumbo = broadcast(1, &[7; 9000]);
        one.say(&jumbo);
        assert_eq!(two.hear(), jumbo);
        // Nobody is at the third port.
        soon("counted", || engine.counters()[2].received.blocked == 1);
        drop(two);
        let mut two = Guest::plugged(&engine, 2);
        let mut three = Guest::plugged(&engine, 3);
        two.say(&broadcast(2, b"new"));
        assert_eq!(one.hear(), broadcast(2, b"new"));
        assert_eq!(three.hear(), broadcast(2, b"new"));
        assert!(engine.plug(4, UnixStream::pair().unwrap().0).is_err());
    }

    #[test]
    fn faults_set_live_are_seen_and_captures_have_what_was_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rail0.pcap");
        let engine = Engine::start(0, 1, &[1, 2]).unwrap();
        let mut one = Guest::plugged(&engine, 1);
        let mut two = Guest::plugged(&engine, 2);
        engine.capture(Some(&path)).unwrap();
        let loss = Chance::ALWAYS;
        let lossy = Faults {
            loss,
            ..Faults::default()
        };
        engine.set_faults(Selector::ALL, lossy);
        one.say(&broadcast(1, b"lost"));
        soon("lost", || engine.counters()[0].sent.lost == 1);
        assert!(two.hears_nothing());
        let delay = Duration::from_millis(30);
        let late = Faults {
            delay,
            ..Faults::default()
        };
        engine.set_faults(Selector::ALL, late);
        let start = Instant::now();
        one.say(&broadcast(1, b"late"));
        assert_eq!(two.hear(), broadcast(1, b"late"));
        // Once at each of the two ports.
        assert!(start.elapsed() >= 2 * delay);
        engine.capture(None).unwrap();
        let captured = std::fs::read(&path).unwrap();
        let records = broadcast(1, b"lost").len() + broadcast(1, b"late").len() + 2 * 16;
        assert_eq!(captured.len(), 24 + records);
        assert!(engine.capture(Some(&dir.path().join("no/such"))).is_err());
    }

    #[test]
    fn a_guest_that_stands_still_holds_up_nobody() {
        let engine = Engine::start(0, 1, &[1, 2, 3]).unwrap();
        let mut one = Guest::plugged(&engine, 1);
        let mut two = Guest::plugged(&engine, 2);
        let mut three = Guest::plugged(&engine, 3);
        let frame = broadcast(1, &[1; 9000]);
        let deadline = Instant::now() + PATIENCE;
        while engine.counters()[1].received.overflowed == 0 {
            assert!(Instant::now() < deadline);
            one.say(&frame);
            assert_eq!(three.hear(), frame);
        }
        // It goes on: what was kept for it comes, and then what is new.
        let kept = engine.counters()[1].received.forwarded;
        for _ in 0..kept {
            assert_eq!(two.hear(), frame);
        }
        one.say(&broadcast(1, b"new"));
        assert_eq!(two.hear(), broadcast(1, b"new"));
    }
}
