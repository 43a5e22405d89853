// SPDX-License-Identifier: GPL-2.0-only

//! Reception of frames of one protocol.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;

use super::netdev::init_net;
use super::{NetDevice, SkBuff};

/// Where the frames of a protocol go.
pub(crate) trait FrameReceiver: Send + Sync + 'static {
    /// One frame; its data start behind the Ethernet header. Context: softirq, must not sleep.
    fn receive(&self, dev: &NetDevice, frame: SkBuff);
}

/// A `struct packet_type`: all frames of one EtherType that devices of the initial network
/// namespace receive go to `R` while this value lives. A user who has a namespace of his own has
/// root's rights there, and no way from it to `R`.
///
/// # Invariants
///
/// `handler` is registered, and its `af_packet_priv` is a reference of `Arc<R>` of ours.
#[pin_data(PinnedDrop)]
pub(crate) struct PacketType<R: FrameReceiver> {
    #[pin]
    handler: Opaque<bindings::packet_type>,
    receiver: Arc<R>,
}

// SAFETY: The C object is not touched between registration and removal.
unsafe impl<R: FrameReceiver> Send for PacketType<R> {}
// SAFETY: As above.
unsafe impl<R: FrameReceiver> Sync for PacketType<R> {}

impl<R: FrameReceiver> PacketType<R> {
    /// Registers `receiver` for `ethertype`, in host byte order, on all devices of the initial
    /// network namespace.
    pub(crate) fn register(ethertype: u16, receiver: Arc<R>) -> impl PinInit<Self> {
        let raw: *const R = &*receiver;
        pin_init!(Self {
            handler <- Opaque::ffi_init(move |slot: *mut bindings::packet_type| {
                // SAFETY: `slot` is valid for writes and stays where it is; all zeroes is a valid
                // value of the C type.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).type_ = ethertype.to_be();
                    (*slot).func = Some(receive::<R>);
                    (*slot).af_packet_net = init_net();
                    (*slot).af_packet_priv = raw.cast_mut().cast();
                    bindings::dev_add_pack(slot);
                }
            }),
            receiver,
        })
    }
}

#[pinned_drop]
impl<R: FrameReceiver> PinnedDrop for PacketType<R> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered. The call waits for handlers that run.
        unsafe { bindings::dev_remove_pack(self.handler.get()) };
        let _ = &self.receiver;
    }
}

/// The handler.
///
/// # Safety
///
/// Called by the networking core, with valid pointers and a reference of `skb` to keep.
unsafe extern "C" fn receive<R: FrameReceiver>(
    skb: *mut bindings::sk_buff,
    dev: *mut bindings::net_device,
    handler: *mut bindings::packet_type,
    _orig_dev: *mut bindings::net_device,
) -> c_int {
    // SAFETY: By the safety requirement.
    let Some(frame) = (unsafe { SkBuff::from_received(skb) }) else {
        return bindings::NET_RX_DROP as c_int;
    };
    let Some(dev) = NonNull::new(dev) else {
        return bindings::NET_RX_DROP as c_int;
    };
    // SAFETY: By the safety requirement the device is there for the call; the value is not dropped.
    let dev = ManuallyDrop::new(unsafe { NetDevice::from_reference(dev) });
    // SAFETY: By the invariant of `PacketType`, whose drop waits for this call.
    let receiver = unsafe { &*(*handler).af_packet_priv.cast::<R>() };
    receiver.receive(&dev, frame);
    bindings::NET_RX_SUCCESS as c_int
}

/// Waits until no received frame is worked on that came before the call.
pub(crate) fn synchronize_net() {
    // SAFETY: Plain FFI call, from contexts that may sleep.
    unsafe { bindings::synchronize_net() }
}
