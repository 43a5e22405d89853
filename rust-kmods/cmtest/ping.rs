// SPDX-License-Identifier: GPL-2.0-only

//! Round trips from kernel to kernel.

use kernel::prelude::*;
use kernel::time::{Instant, Monotonic};
use podos_cm::Circuit;
use podos_proto::wire::Class;
use podos_proto::HostId;

use crate::abi::{Ping, MAX_PING, MAX_PINGS};
use crate::echo::ECHO;

/// Makes the round trips that `ping` asks for.
///
/// # Errors
///
/// `EINVAL`, `EBADMSG` if something else comes back, and those of circuits.
pub(crate) fn run(mut ping: Ping) -> Result<Ping> {
    let size = ping.size as usize;
    if size > MAX_PING || ping.count == 0 || ping.count > MAX_PINGS {
        return Err(EINVAL);
    }
    let message = KVVec::from_elem(0x5a, size, GFP_KERNEL)?;
    let mut answer = KVec::new();
    let host = HostId::new(ping.host);
    let circuit = Circuit::connect(host, Class::Test, ECHO, &[&message])?;
    expect(&circuit, &message, &mut answer)?;
    ping.ns_min = u64::MAX;
    ping.ns_total = 0;
    for _ in 0..ping.count {
        let start = Instant::<Monotonic>::now();
        circuit.send(ECHO, &[&message])?;
        expect(&circuit, &message, &mut answer)?;
        let elapsed = start.elapsed().as_nanos().unsigned_abs();
        ping.ns_total += elapsed;
        ping.ns_min = ping.ns_min.min(elapsed);
    }
    Ok(ping)
}

fn expect(circuit: &Circuit, message: &[u8], answer: &mut KVec<u8>) -> Result {
    match circuit.recv_message(answer)? {
        Some(ECHO) if **answer == *message => Ok(()),
        _ => Err(EBADMSG),
    }
}
