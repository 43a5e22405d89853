// SPDX-License-Identifier: GPL-2.0-only

//! Members only: this node's cluster keys, its sessions with the other nodes, and the sealing and
//! opening of frames with them.
//!
//! The key schedule and the handshake are `podos_proto::keys`; here are its lock and its
//! cryptography, which runs outside of the lock.

use core::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::SpinLockIrq;
use podos_proto::endpoint::Mac;
use podos_proto::keys::{
    self, Config, Fingerprint, Key, KeyError, Mode, Nonce, Prf, Seal, SessionKey, SessionSlot,
};
use podos_proto::time::Instant;
use podos_proto::wire::{Auth, Header, COUNTER_LEN, HEADER_LEN, TAG_LEN};
use podos_proto::Gpid;

use crate::peers::HOST_SLOTS;
use crate::sys::{self, random_bytes, Blake2s, Generation, SkBuff};
use crate::transmit;

/// Bytes of header and counter: what authentication covers besides the data.
const START_LEN: usize = HEADER_LEN + COUNTER_LEN;
/// No mode was set, for [`Sessions::mode`].
const UNSET: u8 = u8::MAX;

type Table = keys::Sessions<Blake2s, KVVec<SessionSlot>>;

/// See the module.
#[pin_data]
pub(crate) struct Sessions {
    #[pin]
    table: SpinLockIrq<Table>,
    /// The mode's number; it never changes once it is set, so it is read without the lock.
    mode: AtomicU8,
    generation: Option<Generation>,
    /// The generation in which the table's counters count; changed under its lock.
    counted_in: [AtomicU64; 2],
}

impl Sessions {
    /// No keys and no mode yet: this node says nothing, and listens to nobody.
    pub(crate) fn new(node: Gpid, incarnation: u32) -> impl PinInit<Self, Error> {
        let generation = Generation::find();
        try_pin_init!(Self {
            table <- {
                let mut slots = KVVec::with_capacity(HOST_SLOTS, GFP_KERNEL)?;
                for _ in 0..HOST_SLOTS {
                    slots.push(SessionSlot::new(), GFP_KERNEL)?;
                }
                let table = Table::new(slots, node, incarnation, Config::default());
                new_spinlock_irq!(table, "podos_sessions")
            },
            mode: AtomicU8::new(UNSET),
            counted_in: {
                let now = generation.as_ref().map(Generation::read);
                now.unwrap_or_default().map(AtomicU64::new)
            },
            generation,
        })
    }

    /// How this cluster protects its frames; `None` until it is set.
    pub(crate) fn mode(&self) -> Option<Mode> {
        match self.mode.load(Ordering::Acquire) {
            0 => Some(Mode::Open),
            1 => Some(Mode::Mac),
            2 => Some(Mode::Aead),
            _ => None,
        }
    }

    /// Whether frames need a key.
    pub(crate) fn is_keyed(&self) -> bool {
        self.mode().is_some_and(Mode::is_keyed)
    }

    /// Sets the mode, once.
    ///
    /// # Errors
    ///
    /// `EPERM` if another one is set already.
    pub(crate) fn set_mode(&self, mode: Mode) -> Result {
        self.table.lock().set_mode(mode).map_err(key_error)?;
        let number = match mode {
            Mode::Open => 0,
            Mode::Mac => 1,
            Mode::Aead => 2,
        };
        self.mode.store(number, Ordering::Release);
        Ok(())
    }

    /// Takes a cluster key into the ring; the first one is used at once.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it is there, `ENOSPC` if the ring is full.
    pub(crate) fn add_key(&self, now: Instant, key: Key) -> Result {
        let nonce = self.nonce();
        let added = self.table.lock().add_key(now, key, nonce);
        added.map(|_| ()).map_err(key_error)
    }

    /// Uses another key of the ring from now on.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is not in the ring.
    pub(crate) fn use_key(&self, now: Instant, which: Fingerprint) -> Result {
        let nonce = self.nonce();
        let used = self.table.lock().use_key(now, which, nonce);
        used.map_err(key_error)
    }

    /// Takes a key out of the ring; who has no other one is no member any more.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is not in the ring, `EBUSY` if it is the one in use.
    pub(crate) fn drop_key(&self, now: Instant, which: Fingerprint) -> Result {
        let dropped = self.table.lock().drop_key(now, which);
        dropped.map_err(key_error)
    }

    /// Calls `f` with each key of the ring: its fingerprint, and whether it is the one in use.
    pub(crate) fn for_each_key(&self, mut f: impl FnMut(Fingerprint, bool)) {
        let table = self.table.lock();
        table.ring().iter().for_each(|(which, used)| f(which, used));
    }

    /// Calls `f` with every session key, those of others too. They are secrets.
    pub(crate) fn for_each_session_key(&self, mut f: impl FnMut(SessionKey<'_>)) {
        self.table.lock().session_keys().for_each(&mut f);
    }

    /// Lets `count` give counters away, or look at those that came; `None` if this machine goes on from
    /// a snapshot, and has not [forked](Sessions::fork) yet: another copy may have given the same ones
    /// away, and has taken others in.
    pub(crate) fn counting<R>(&self, count: impl FnOnce(&mut Table) -> R) -> Option<R> {
        let mut table = self.table.lock();
        (!self.is_outdated()).then(|| count(&mut table))
    }

    /// Whether this machine goes on from a snapshot, and its keys are still those of the time when
    /// that was taken.
    pub(crate) fn is_outdated(&self) -> bool {
        let Some(generation) = &self.generation else {
            return false;
        };
        let counted_in = self.counted_in.each_ref();
        generation.read() != counted_in.map(|half| half.load(Ordering::Relaxed))
    }

    /// Whether [`Sessions::is_outdated`] can tell.
    pub(crate) fn knows_generation(&self) -> bool {
        self.generation.is_some()
    }

    /// Forgets all keys but the cluster's, and begins anew as another start of this node's CM; which
    /// one.
    pub(crate) fn fork(&self, now: Instant) -> u32 {
        let generation = self.generation.as_ref().map(Generation::read);
        let nonce = self.nonce();
        let [a, b, c, d, ..] = self.nonce();
        let incarnation = u32::from_be_bytes([a, b, c, d]).max(1);
        let mut table = self.table.lock();
        for (half, now) in self.counted_in.iter().zip(generation.unwrap_or_default()) {
            half.store(now, Ordering::Relaxed);
        }
        table.fork(now, incarnation, nonce);
        incarnation
    }

    /// A nonce for a new epoch. The copies of a machine have the same random pool until they are told
    /// that they are copies, but not the same generation.
    pub(crate) fn nonce(&self) -> Nonce {
        let random = Key::new(random_bytes());
        let mut generation = [0; 16];
        if let Some(now) = self.generation.as_ref().map(Generation::read) {
            for (bytes, half) in generation.chunks_exact_mut(8).zip(now) {
                bytes.copy_from_slice(&half.to_ne_bytes());
            }
        }
        Blake2s::prf(&random, &generation)
    }
}

/// Makes an authenticated frame of a plain one.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn seal_frame(frame: &SkBuff, seal: &Seal) -> Result<SkBuff> {
    let (to, header, data) = transmit::split(frame)?;
    sealed_frame(to, &header, data, seal)
}

/// Builds an authenticated frame; its data are encrypted if the seal says so. Context: any.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn sealed_frame(to: Mac, header: &Header, data: &[u8], seal: &Seal) -> Result<SkBuff> {
    let header = Header {
        auth: Some(seal.auth),
        ..*header
    };
    let (key, counter) = (&seal.key, seal.auth.counter);
    transmit::linear_frame(to, &header, |frame| {
        if seal.auth.sealed {
            let (start, rest) = frame.split_at_mut(START_LEN);
            return sys::seal(key, counter, start, data, rest);
        }
        let (covered, tag) = frame.split_last_chunk_mut::<TAG_LEN>().ok_or(EINVAL)?;
        covered[START_LEN..].copy_from_slice(data);
        *tag = sys::tag(key, counter, covered);
        Ok(())
    })
}

/// Whether an authenticated frame's tag is right; its data are decrypted if they were sealed.
pub(crate) fn verify(key: &Key, auth: Auth, frame: &mut [u8]) -> bool {
    if auth.sealed {
        let (start, rest) = frame.split_at_mut(START_LEN);
        return sys::open(key, auth.counter, start, rest);
    }
    match frame.split_last_chunk_mut::<TAG_LEN>() {
        Some((covered, tag)) => sys::open(key, auth.counter, covered, tag),
        None => false,
    }
}

/// What a refused change of the keys gives to who wanted it.
fn key_error(error: KeyError) -> Error {
    match error {
        KeyError::Full => ENOSPC,
        KeyError::Exists => EEXIST,
        KeyError::Unknown => ENOENT,
        KeyError::InUse => EBUSY,
        KeyError::ModeSet => EPERM,
        KeyError::Malformed => EINVAL,
    }
}
