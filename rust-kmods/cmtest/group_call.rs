// SPDX-License-Identifier: GPL-2.0-only

//! Messages to groups.

use core::time::Duration;
use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};
use podos_proto::wire::Class;
use podos_proto::Gpid;
use zerocopy::{FromBytes, IntoBytes};

use crate::abi::{Group, Member, GROUP_CALL, GROUP_SEND, MAX_GROUP_MESSAGE, MAX_MEMBERS};
use crate::argument::Argument;
use crate::echo::ECHO;

/// Op of a message that nobody answers.
const NOTICE: u8 = 3;

/// Sends the message and writes what became of it at each member.
///
/// # Errors
///
/// `EINVAL`, `EFAULT`, `ENOMEM`, `ERESTARTSYS`.
pub(crate) fn run(group: &Group) -> Result {
    let (count, len) = (group.count as usize, group.len as usize);
    if count > MAX_MEMBERS || len > MAX_GROUP_MESSAGE {
        return Err(EINVAL);
    }
    let place = Argument::new(group.members)?;
    let mut bytes = place.read_bytes(count * size_of::<Member>())?;
    let members = <[Member]>::mut_from_bytes(&mut bytes).map_err(|_| EINVAL)?;
    let message = Argument::new(group.message)?.read_bytes(len)?;
    let mut gpids = KVec::with_capacity(count, GFP_KERNEL)?;
    for member in members.iter() {
        gpids.push(Gpid::from_raw(member.gpid), GFP_KERNEL)?;
    }
    let mut cm_group = podos_cm::Group::new(Class::Test, &gpids)?;
    if group.timeout_ms != 0 {
        cm_group.set_timeout(Duration::from_millis(group.timeout_ms.into()));
    }
    let start = Instant::<Monotonic>::now();
    let mut note = |member: usize, result: Result| {
        let member = &mut members[member];
        member.status = result.map_or_else(Error::to_errno, |()| 0);
        member.us = u32::try_from(start.elapsed().as_micros_ceil()).unwrap_or(u32::MAX);
    };
    match group.what {
        GROUP_CALL => cm_group.call(ECHO, &[&message], |member, result| {
            note(
                member,
                result.and_then(|reply| match *reply.data == *message {
                    true => Ok(()),
                    false => Err(EBADMSG),
                }),
            );
        })?,
        GROUP_SEND => cm_group.send(NOTICE, &[&message], note)?,
        _ => return Err(EINVAL),
    }
    place.write_bytes(members.as_bytes())
}
