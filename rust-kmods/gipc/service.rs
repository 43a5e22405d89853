// SPDX-License-Identifier: GPL-2.0-only

//! What a service thread does for one circuit (paper, section 5.3.2).

use core::time::Duration;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::time::{Instant, Monotonic};
use podos_cm::{Circuit, Incoming};
use podos_proto::gipc::{Command, Exit, Failed, OnBehalf, Op, OpenRequest, Signal, MAX_COMMAND};
use podos_sys::{KThread, StopToken, Wake};
use zerocopy::IntoBytes;

use crate::execution::{Event, Execution};
use crate::launch::Launch;
use crate::programs::Programs;
use crate::sys;

/// How long a program whose caller is gone may take to end after SIGHUP.
const GRACE: Duration = Duration::from_millis(500);

/// How long a caller that was refused may take to go, so that it learns why.
const FAREWELL: Duration = Duration::from_secs(2);

const SIGHUP: i32 = kernel::bindings::SIGHUP as i32;
const SIGKILL: i32 = kernel::bindings::SIGKILL as i32;

/// Serves one circuit until its end.
pub(crate) fn serve(circuit: Circuit, programs: &Programs, stop: &StopToken) {
    match receive(&circuit, stop) {
        Ok(Some(mut first)) => match (Op::from_raw(first.op()), first.linear()) {
            (Some(Op::Open), Ok(request)) => execute(circuit, request, programs, stop),
            (Some(Op::Signal), Ok(body)) => signal(circuit, body, programs, stop),
            _ => circuit.abort(),
        },
        // The caller has thought better of it.
        Ok(None) | Err(_) => circuit.abort(),
    }
}

/// The next segment; `ESHUTDOWN` if the thread is to end.
fn receive(circuit: &Circuit, stop: &StopToken) -> Result<Option<Incoming>> {
    circuit.waiters().wait_until(Wake::Idle, || {
        (circuit.readable() || stop.is_stopping()).then_some(())
    })?;
    if stop.is_stopping() {
        return Err(ESHUTDOWN);
    }
    circuit.recv()
}

/// Finishes a circuit on which nothing more is sent, once the caller has done so too.
fn finish(circuit: &Circuit, stop: &StopToken) {
    circuit.shutdown();
    while let Ok(Some(_)) = receive(circuit, stop) {}
}

/// Tells a caller why it gets nothing, and does not wait for long until it goes: who may not have a
/// program must not have a thread either.
fn dismiss(circuit: &Circuit, why: Error, stop: &StopToken) {
    let answer = Failed::new(why.to_errno());
    // A caller that is gone needs no answer.
    let _ = circuit.send(Op::Failed as u8, &[answer.as_bytes()]);
    circuit.shutdown();
    let begin = Instant::<Monotonic>::now();
    loop {
        let passed = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left = FAREWELL.saturating_sub(Duration::from_millis(passed));
        let woken = circuit.waiters().wait_until_timeout(Wake::Idle, left, || {
            (circuit.readable() || stop.is_stopping()).then_some(())
        });
        if !matches!(woken, Ok(Some(()))) || stop.is_stopping() {
            return circuit.abort();
        }
        if !matches!(circuit.recv(), Ok(Some(_))) {
            return;
        }
    }
}

fn signal(circuit: Circuit, body: &[u8], programs: &Programs, stop: &StopToken) {
    let sent = Signal::decode(body)
        .map_err(|_| EINVAL)
        .and_then(|(target, signal)| programs.signal(circuit.remote(), target, signal));
    if let Err(e) = sent {
        let answer = Failed::new(e.to_errno());
        // A caller that is gone needs no answer.
        let _ = circuit.send(Op::Failed as u8, &[answer.as_bytes()]);
    }
    finish(&circuit, stop);
}

/// Receives a command, runs it, and watches over it.
fn execute(circuit: Circuit, request: &[u8], programs: &Programs, stop: &StopToken) {
    let Ok(request) = OpenRequest::decode(request).copied() else {
        return circuit.abort();
    };
    let on_behalf = OnBehalf {
        uid: request.creds.uid.get(),
        host: circuit.remote().host(),
    };
    let Ok(execution) = Arc::pin_init(Execution::new(circuit), GFP_KERNEL) else {
        return;
    };
    let charged = execution.circuit.charge(on_behalf.uid);
    let entered = match charged.and_then(|()| programs.enter(execution.clone(), on_behalf)) {
        Ok(entered) => entered,
        Err(e) => return dismiss(&execution.circuit, e, stop),
    };
    let mut command = KVVec::new();
    if receive_command(&execution.circuit, &mut command, stop).is_err() {
        return execution.circuit.abort();
    }
    let runner = Command::parse(&command)
        .map_err(|_| EINVAL)
        .and_then(|parsed| {
            let launch = Launch::new(execution.clone(), &request, &parsed)?;
            let execution = execution.clone();
            KThread::spawn(c"podos_run", move |_| run(&execution, &launch))
        });
    drop(command);
    let runner = match runner {
        Ok(runner) => Some(runner),
        Err(e) => {
            execution.end(Op::Failed, Failed::new(e.to_errno()).as_bytes());
            None
        }
    };
    watch(&execution, stop);
    if !execution.has_ended() {
        terminate(&execution);
    }
    // Joins the thread, which has ended the execution and so has nothing more to wait for.
    drop(runner);
    drop(entered);
    execution.sender.close(&execution.circuit);
    while !execution.input_has_ended() {
        execution.drain_input();
        let waiters = execution.circuit.waiters();
        let _ = waiters.wait_until(Wake::Idle, || {
            (execution.circuit.readable() || stop.is_stopping()).then_some(())
        });
        if stop.is_stopping() {
            break;
        }
    }
}

/// The whole message of [`Op::Exec`].
fn receive_command(circuit: &Circuit, command: &mut KVVec<u8>, stop: &StopToken) -> Result {
    loop {
        let segment = receive(circuit, stop)?.ok_or(ECONNRESET)?;
        if Op::from_raw(segment.op()) != Some(Op::Exec) {
            return Err(EPROTO);
        }
        if command.len() + segment.len() > MAX_COMMAND {
            return Err(E2BIG);
        }
        segment.append_to(command)?;
        if segment.is_end() {
            return Ok(());
        }
    }
}

/// The thread in which a program's process is waited for.
fn run(execution: &Execution, launch: &Launch) {
    match sys::run(launch.argv(), launch.envp(), launch.limits(), launch) {
        Ok(status) => execution.end(Op::Exit, Exit::new(status).as_bytes()),
        Err(e) => execution.end(Op::Failed, Failed::new(e.to_errno()).as_bytes()),
    }
}

/// Waits until the program has ended and nobody uses its streams, or until its caller is gone.
fn watch(execution: &Execution, stop: &StopToken) {
    loop {
        let event = execution.circuit.waiters().wait_until(Wake::Idle, || {
            let stopping = stop.is_stopping().then_some(Event::Orphaned);
            stopping.or_else(|| execution.event())
        });
        match event {
            Ok(Event::Unread) => execution.drain_input(),
            Ok(Event::Orphaned) => return orphaned(execution),
            Ok(Event::Finished) | Err(_) => return,
        }
    }
}

/// Lets nothing of a program survive whose caller is gone: neither it nor what it has started, as
/// far as that stayed in its process group.
fn orphaned(execution: &Execution) {
    execution.circuit.abort();
    execution.cancel();
    // `ESRCH`: all of them have ended already.
    let _ = execution.signal(-SIGHUP);
    let ended = || execution.has_ended().then_some(());
    let _ = execution
        .circuit
        .waiters()
        .wait_until_timeout(Wake::Idle, GRACE, ended);
    terminate(execution);
}

/// Kills what is left of a program, and waits for its end.
fn terminate(execution: &Execution) {
    let _ = execution.signal(-SIGKILL);
    let ended = || execution.has_ended().then_some(());
    let _ = execution.circuit.waiters().wait_until(Wake::Idle, ended);
}
