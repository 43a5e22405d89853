// SPDX-License-Identifier: MIT OR Apache-2.0

//! A virtio network card, without interrupts.

use alloc::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use podos_firmware::wire::{Mac, ETHERNET};
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::{BufferDirection, Hal, PhysAddr, PAGE_SIZE};

/// Buffers in each direction.
const QUEUE: usize = 256;
/// Bytes that the card puts in front of a frame, and some more.
const EXTRA: usize = 64;

/// Memory as the cards see it: just as we do.
pub struct Memory;

fn pages(count: usize) -> Layout {
    Layout::from_size_align(count * PAGE_SIZE, PAGE_SIZE).unwrap_or(Layout::new::<u8>())
}

// SAFETY: memory is mapped where it is, so a pointer's number is its physical address. What
// `dma_alloc` gives is from the heap, aligned, zeroed, and nobody else's.
unsafe impl Hal for Memory {
    fn dma_alloc(count: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let layout = pages(count);
        // SAFETY: the layout has at least a page.
        let memory = unsafe { alloc_zeroed(layout) };
        match NonNull::new(memory) {
            Some(memory) => (memory.as_ptr() as PhysAddr, memory),
            None => handle_alloc_error(layout),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, count: usize) -> i32 {
        // SAFETY: the caller got it from `dma_alloc`, with this count.
        unsafe { dealloc(memory.as_ptr(), pages(count)) };
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        assert!(
            address + size as u64 <= 1 << 32,
            "a card's registers are at {address:#x}, beyond what is mapped"
        );
        NonNull::new(address as *mut u8).expect("a card's registers are not at 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A card, with buffers for it.
pub struct Rail {
    card: VirtIONetRaw<Memory, PciTransport, QUEUE>,
    /// What the card may write to, by token.
    incoming: Vec<Option<Box<[u8]>>>,
    /// What the card reads, by token.
    outgoing: Vec<Option<Box<[u8]>>>,
    len: usize,
}

impl Rail {
    /// Starts a card on a rail of this MTU.
    pub fn new(transport: PciTransport, mtu: usize) -> Result<Self, String> {
        let mut card =
            VirtIONetRaw::new(transport).map_err(|error| format!("network card: {error}"))?;
        card.disable_interrupts();
        // The driver wants buffers of a certain length at least.
        let len = (mtu + ETHERNET + EXTRA).max(2048);
        let mut rail = Self {
            card,
            incoming: (0..QUEUE).map(|_| None).collect(),
            outgoing: (0..QUEUE).map(|_| None).collect(),
            len,
        };
        for _ in 0..QUEUE {
            rail.offer(vec![0; len].into_boxed_slice())?;
        }
        Ok(rail)
    }

    /// The card's address.
    pub fn mac(&self) -> Mac {
        self.card.mac_address()
    }

    /// Gives the card a buffer to write to.
    fn offer(&mut self, mut buffer: Box<[u8]>) -> Result<(), String> {
        // SAFETY: the buffer is kept in `incoming`, untouched, until the card has given it back.
        let token = unsafe { self.card.receive_begin(&mut buffer) };
        let token = token.map_err(|error| format!("a buffer to receive: {error}"))?;
        self.incoming[usize::from(token)] = Some(buffer);
        Ok(())
    }

    /// A frame that came, if any.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let token = self.card.poll_receive()?;
        let mut buffer = self.incoming[usize::from(token)].take()?;
        // SAFETY: it is the buffer of this token.
        let received = unsafe { self.card.receive_complete(token, &mut buffer) };
        let frame = match received {
            Ok((header, len)) => buffer.get(header..header + len).map(<[u8]>::to_vec),
            Err(_) => None,
        };
        let again = match buffer.len() == self.len {
            true => self.offer(buffer),
            false => Err("a buffer of another length".into()),
        };
        assert_eq!(again, Ok(()), "a buffer that came back is taken again");
        frame
    }

    /// Sends a frame; waits for room.
    pub fn send(&mut self, frame: &[u8]) {
        self.take_back();
        while !self.card.can_send() {
            core::hint::spin_loop();
            self.take_back();
        }
        let mut buffer = vec![0; EXTRA + frame.len()];
        let Ok(start) = self.card.fill_buffer_header(&mut buffer) else {
            return;
        };
        buffer.truncate(start + frame.len());
        buffer[start..].copy_from_slice(frame);
        let buffer = buffer.into_boxed_slice();
        // SAFETY: the buffer is kept in `outgoing`, untouched, until the card has given it back.
        if let Ok(token) = unsafe { self.card.transmit_begin(&buffer) } {
            self.outgoing[usize::from(token)] = Some(buffer);
        }
    }

    /// Takes back the buffers that the card has read.
    fn take_back(&mut self) {
        while let Some(token) = self.card.poll_transmit() {
            let Some(buffer) = self.outgoing[usize::from(token)].take() else {
                return;
            };
            // SAFETY: it is the buffer of this token.
            let done = unsafe { self.card.transmit_complete(token, &buffer) };
            debug_assert!(done.is_ok());
        }
    }
}
