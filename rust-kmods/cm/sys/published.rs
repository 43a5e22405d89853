// SPDX-License-Identifier: GPL-2.0-only

//! Objects that are found by number: whoever looks for one takes no lock.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{rcu, Arc, ArcBorrow};
use kernel::types::Opaque;

/// What can be published, once.
pub(crate) trait Publish: Send + Sync + Sized + 'static {
    /// Its own.
    fn retirement(&self) -> &Retirement<Self>;
}

/// An object's place in RCU's queue, for the time between its withdrawal and when nobody looks at it
/// any more.
///
/// # Invariants
///
/// While `head` is queued, `object` owns a reference of the object that this is a field of.
#[pin_data]
#[repr(C)]
pub(crate) struct Retirement<T> {
    #[pin]
    head: Opaque<bindings::callback_head>,
    object: AtomicPtr<T>,
}

// SAFETY: RCU alone touches the C object while it is queued, and nobody before that.
unsafe impl<T: Send + Sync> Send for Retirement<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Retirement<T> {}

impl<T: Publish> Retirement<T> {
    /// That of an object that was not withdrawn.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head: Opaque::uninit(),
            object: AtomicPtr::new(ptr::null_mut()),
        })
    }

    /// # Safety
    ///
    /// Called by RCU for the `head` of a value of this type that was queued.
    unsafe extern "C" fn over(head: *mut bindings::callback_head) {
        // SAFETY: `head` is the first field of a value of this type, which the reference below keeps.
        let object = unsafe { &(*head.cast::<Self>()).object }.load(Ordering::Acquire);
        // SAFETY: By the type invariant the queued value owned it.
        drop(unsafe { Arc::from_raw(object) });
    }
}

/// Objects by number.
///
/// # Invariants
///
/// A place is null, or owns a reference of its object. One that was taken out of its place is given
/// up only when all RCU read sections are over that may have found it there.
pub(crate) struct Published<T: Publish>(KVVec<AtomicPtr<T>>);

/// An object that nobody finds any more. Its reference is given up when nobody looks at it either.
///
/// # Invariants
///
/// It owns a reference, which was a place's.
pub(crate) struct Withdrawn<T: Publish>(NonNull<T>);

// SAFETY: It is a reference of a `T`.
unsafe impl<T: Publish> Send for Withdrawn<T> {}

impl<T: Publish> Published<T> {
    /// So many places, all empty.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(places: usize) -> Result<Self> {
        let mut all = KVVec::with_capacity(places, GFP_KERNEL)?;
        for _ in 0..places {
            all.push(AtomicPtr::new(ptr::null_mut()), GFP_KERNEL)?;
        }
        Ok(Self(all))
    }

    /// Has an object be found at an empty place. Context: any.
    pub(crate) fn put(&self, place: usize, object: Arc<T>) {
        if let Some(place) = self.0.get(place) {
            // INVARIANT: The place takes over the reference.
            place.store(Arc::into_raw(object).cast_mut(), Ordering::Release);
        }
    }

    /// Empties a place. Context: any.
    pub(crate) fn withdraw(&self, place: usize) -> Option<Withdrawn<T>> {
        let object = self.0.get(place)?.swap(ptr::null_mut(), Ordering::AcqRel);
        // INVARIANT: The place's reference is the value's.
        NonNull::new(object).map(Withdrawn)
    }

    /// The object at a place, if it is the one that is meant. Context: any.
    #[inline]
    pub(crate) fn find(&self, place: usize, is_meant: impl FnOnce(&T) -> bool) -> Option<Arc<T>> {
        let _reading = rcu::read_lock();
        let object = NonNull::new(self.0.get(place)?.load(Ordering::Acquire))?;
        // SAFETY: By the type invariant the place's reference keeps it until the read section is
        // over, which is longer than the value.
        let object = unsafe { ArcBorrow::from_raw(object.as_ptr()) };
        is_meant(&object).then(|| object.into())
    }
}

impl<T: Publish> Drop for Withdrawn<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the value has a reference.
        let retirement = unsafe { self.0.as_ref() }.retirement();
        // INVARIANT: The reference is the queued value's.
        retirement.object.store(self.0.as_ptr(), Ordering::Release);
        let head = ptr::from_ref(retirement).cast_mut().cast();
        // SAFETY: An object is published once, so this is done once, and the object, which does not
        // move, is kept by the reference. `Published` waits for the calls when it goes.
        unsafe { bindings::call_rcu(head, Some(Retirement::<T>::over)) };
    }
}

/// Context: process; nobody looks for objects any more.
impl<T: Publish> Drop for Published<T> {
    fn drop(&mut self) {
        for place in &mut self.0 {
            let object = NonNull::new(*place.get_mut());
            // SAFETY: By the type invariant the place had a reference; nobody looks at it any more.
            drop(object.map(|object| unsafe { Arc::from_raw(object.as_ptr()) }));
        }
        // SAFETY: Plain FFI call. What RCU still has to call is code of this module.
        unsafe { bindings::rcu_barrier() };
    }
}
