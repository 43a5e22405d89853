// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for the kernel objects that only cm uses: one C object, one file.
//!
//! All of cm's `unsafe` code is here.

mod crypto;
mod device_chain;
mod fork_chain;
mod fragment;
mod generation;
mod gpid;
mod kept;
mod kvecs;
mod netdev;
mod notifier;
mod packet_type;
mod published;
mod queued;
mod rail_devices;
mod rtnl;
mod segment_data;
mod skb;
mod time;
mod timer;
pub(crate) mod trace;
mod uid;

pub(crate) use crypto::{open, random_bytes, seal, tag, wait_for_random_bytes, Blake2s};
pub(crate) use device_chain::{DeviceChain, NetDeviceEvent, NetDeviceObserver};
pub(crate) use fork_chain::{VmForkChain, VmForkObserver};
pub(crate) use fragment::{Fragment, FragmentPages, PageFragment};
pub(crate) use generation::Generation;
pub(crate) use gpid::{current_gpid, node_gpid};
pub(crate) use kept::kept_bytes;
pub(crate) use kvecs::{read_from, write_to};
pub(crate) use netdev::NetDevice;
pub(crate) use notifier::Notifier;
pub(crate) use packet_type::{synchronize_net, FrameReceiver, PacketType};
pub(crate) use published::{Publish, Published, Retirement};
pub(crate) use queued::{queued_bytes, wait_until_sent};
pub(crate) use rail_devices::RailDevices;
pub(crate) use rtnl::Rtnl;
pub(crate) use segment_data::SegmentData;
pub(crate) use skb::{SkBuff, SkbQueue, ETHERNET_LEN};
pub(crate) use time::{is_alone, monotonic_ns};
pub(crate) use timer::{Expire, Timer, JIFFY};
pub(crate) use uid::caller_uid;
