// SPDX-License-Identifier: GPL-2.0-only

//! Attribute files in sysfs.

use core::fmt::Write;
use core::ptr;
use kernel::prelude::*;
use kernel::str::Formatter;
use kernel::sync::Arc;
use kernel::types::Opaque;
use kernel::{bindings, error::to_result};

use crate::Kobject;

/// What is read from and written to an attribute file. Context: process, may sleep.
pub trait Attribute: Send + Sync + 'static {
    /// Whether the file can be read, by everybody if it is not private.
    const READABLE: bool = true;
    /// Whether only root can read it.
    const PRIVATE: bool = false;
    /// Whether the file can be written, by root.
    const WRITABLE: bool = false;

    /// Writes the file's content into `text`.
    ///
    /// # Errors
    ///
    /// Any, which are the reader's; a formatter that is full gives `EIO`.
    fn show(&self, text: &mut dyn Write) -> Result {
        let _ = text;
        Err(EACCES)
    }

    /// Takes what was written, at most a page, in one go.
    ///
    /// # Errors
    ///
    /// Any, which are the writer's.
    fn store(&self, text: &[u8]) -> Result {
        let _ = text;
        Err(EACCES)
    }
}

/// A file in sysfs; it goes when this value is dropped, which waits for readers and writers.
///
/// # Invariants
///
/// `inner.attribute` is a file of `directory`.
pub struct AttributeFile<A: Attribute> {
    inner: KBox<Inner<A>>,
    directory: Arc<Kobject>,
}

/// The C attribute first, so that a pointer to it is one to the whole.
#[repr(C)]
struct Inner<A> {
    attribute: Opaque<bindings::kobj_attribute>,
    name: &'static CStr,
    content: A,
}

// SAFETY: The C attribute is only read after it was set up, and `A` may be sent and shared.
unsafe impl<A: Attribute> Send for AttributeFile<A> {}
// SAFETY: As above.
unsafe impl<A: Attribute> Sync for AttributeFile<A> {}

impl<A: Attribute> AttributeFile<A> {
    /// Makes the file `name` in `directory`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one, `ENOMEM`.
    pub fn new(directory: Arc<Kobject>, name: &'static CStr, content: A) -> Result<Self> {
        let mut attribute = bindings::kobj_attribute::default();
        attribute.attr.name = name.as_char_ptr();
        attribute.attr.mode = Self::mode();
        // lockdep wants a static key; sysfs's own default is inside the attribute.
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        {
            attribute.attr.key = kernel::static_lock_class!().as_ptr();
        }
        attribute.__bindgen_anon_1.show = Some(Self::show);
        attribute.__bindgen_anon_2.store = Some(Self::store);
        let inner = KBox::new(
            Inner {
                attribute: Opaque::new(attribute),
                name,
                content,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The directory is live, its kobject takes `kobj_attribute`s (it was made by
        // `kobject_create_and_add`), and the attribute stays where it is, in its box, until
        // `drop` has removed the file.
        to_result(unsafe {
            bindings::sysfs_create_file_ns(directory.as_ptr(), inner.attr(), ptr::null())
        })?;
        // INVARIANT: The file was made just now.
        Ok(Self { inner, directory })
    }

    const fn mode() -> bindings::umode_t {
        let read = match (A::READABLE, A::PRIVATE) {
            (false, _) => 0,
            (true, true) => 0o400,
            (true, false) => 0o444,
        };
        let write = if A::WRITABLE { 0o200 } else { 0 };
        read | write
    }

    /// What the file shows.
    pub fn content(&self) -> &A {
        &self.inner.content
    }

    /// Tells those who poll the file that its content has changed. May sleep.
    pub fn notify(&self) {
        // SAFETY: By the type invariant the file is there, and `name` is null-terminated.
        unsafe {
            bindings::sysfs_notify(
                self.directory.as_ptr(),
                ptr::null(),
                self.inner.name.as_char_ptr(),
            )
        }
    }

    /// # Safety
    ///
    /// Called by sysfs for a file of this type: `attribute` is the first field of an `Inner<A>`
    /// that stays until the call returns, and `buffer` is a page.
    unsafe extern "C" fn show(
        _kobject: *mut bindings::kobject,
        attribute: *mut bindings::kobj_attribute,
        buffer: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirement; nobody writes to an `Inner`.
        let inner = unsafe { &*attribute.cast::<Inner<A>>() };
        // SAFETY: sysfs gives a zeroed page, for this call alone.
        let page = unsafe {
            core::slice::from_raw_parts_mut(buffer.cast::<u8>(), kernel::page::PAGE_SIZE)
        };
        let mut text = Formatter::new(page);
        match inner.content.show(&mut text) {
            Ok(()) => text.bytes_written() as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As for `show`, with `count` bytes in `buffer`.
    unsafe extern "C" fn store(
        _kobject: *mut bindings::kobject,
        attribute: *mut bindings::kobj_attribute,
        buffer: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirement; nobody writes to an `Inner`.
        let inner = unsafe { &*attribute.cast::<Inner<A>>() };
        // SAFETY: By the safety requirement.
        let text = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), count) };
        match inner.content.store(text) {
            Ok(()) => count as isize,
            Err(e) => e.to_errno() as isize,
        }
    }
}

impl<A> Inner<A> {
    fn attr(&self) -> *const bindings::attribute {
        // SAFETY: Only the field's address is taken, inside the object.
        unsafe { &raw const (*self.attribute.get()).attr }
    }
}

impl<A: Attribute> Drop for AttributeFile<A> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the call waits until nobody is inside `show` or `store`.
        unsafe {
            bindings::sysfs_remove_file_ns(self.directory.as_ptr(), self.inner.attr(), ptr::null())
        }
    }
}
