// SPDX-License-Identifier: MIT OR Apache-2.0

//! The control socket.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use podos_agent_proto::{encode, Decoder, Frame, Stream};

use super::cluster::Cluster;
use super::{faults, firmware, readiness, stacks, watch};
use crate::control::{receive, send, Answer, Refusal, Request};
use crate::supervisor::agent::AgentPort;
use crate::topology::node_name;

/// How soon a console that nobody watches any more is noticed.
const WATCHED: Duration = Duration::from_millis(200);

/// Serves connections, one thread each, for ever.
pub(super) fn accept(listener: &UnixListener, cluster: &Arc<Cluster>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let cluster = Arc::clone(cluster);
                std::thread::spawn(move || {
                    // A client that goes away in the middle is its own affair.
                    let _ = serve(stream, &cluster);
                });
            }
            Err(error) => eprintln!("control socket: {error}"),
        }
    }
}

fn serve(mut stream: UnixStream, cluster: &Arc<Cluster>) -> io::Result<()> {
    let request = receive::<Request>(&mut stream)?;
    let answer = match request {
        Request::Hold => return hold(stream, cluster),
        Request::Session { node } => return session(stream, cluster, node),
        Request::Console { node } => return console(stream, cluster, node),
        Request::Watch => return watch::next_alarm(stream, cluster),
        Request::Expect { node, pattern } => return watch::expect(stream, cluster, node, pattern),
        Request::Down => {
            cluster.events().note("cluster", "down");
            send(&mut stream, &Answer::Done)?;
            cluster.order_end();
            return Ok(());
        }
        Request::Seen => Err(Refusal::Other("nothing was expected".into())),
        Request::Stacks => {
            stacks::print(cluster);
            Ok(Answer::Done)
        }
        Request::Terminate => {
            watch::terminate(cluster);
            Ok(Answer::Done)
        }
        Request::KillAll => {
            cluster.events().note("cluster", "SIGKILL to all nodes");
            cluster.kill_all();
            Ok(Answer::Done)
        }
        Request::Release => Err(Refusal::Other("nothing was held".into())),
        Request::Wait { until } => readiness::wait(cluster, until).map(|()| Answer::Done),
        Request::Status => Ok(Answer::Status(Box::new(cluster.status()))),
        Request::TakeAlarms => Ok(Answer::Alarms(watch::take_alarms(cluster))),
        Request::Node { node, fault } => faults::node(cluster, node, fault).map(|()| Answer::Done),
        Request::Monitor {
            node,
            command,
            arguments,
        } => cluster
            .ask_monitor(node, &command, &arguments)
            .map(Answer::Returned),
        Request::Link { node, rail, up } => {
            faults::link(cluster, node, rail, up).map(|()| Answer::Done)
        }
        Request::Cut { at, cut } => faults::cut(cluster, at, cut).map(|()| Answer::Done),
        Request::Rate { at, rate } => faults::rate(cluster, at, rate).map(|()| Answer::Done),
        Request::Firmware {
            place,
            program,
            script,
        } => {
            let boot = firmware::Boot {
                place,
                program,
                script,
            };
            firmware::start(cluster, boot).map(|()| Answer::Done)
        }
        Request::FirmwareState { place } => cluster.firmware().state(place).map(Answer::Firmware),
        Request::KillFirmware { place } => cluster.firmware().kill(place).map(|()| Answer::Done),
        Request::Switch(order) => faults::switch(cluster, order),
        Request::Start { node } => cluster.start(node, None).map(|()| Answer::Done),
        Request::Snapshot { node, file } => cluster.snapshot(node, &file).map(|()| Answer::Done),
        Request::Restore { node, file } => cluster.start(node, Some(file)).map(|()| Answer::Done),
        Request::Mark { text } => {
            cluster.events().note("cluster", &text);
            Ok(Answer::Done)
        }
        Request::Note { node, text } => {
            let text = format!("FAULT: {text}");
            cluster.events().note(&node_name(node), &text);
            Ok(Answer::Done)
        }
    };
    send(&mut stream, &answer.unwrap_or_else(Answer::Refused))
}

/// Ends the cluster with this connection, unless it is released before.
fn hold(mut stream: UnixStream, cluster: &Cluster) -> io::Result<()> {
    send(&mut stream, &Answer::Done)?;
    match receive::<Request>(&mut stream) {
        Ok(Request::Release) => send(&mut stream, &Answer::Done),
        _ => {
            cluster.order_end();
            Ok(())
        }
    }
}

fn console(mut stream: UnixStream, cluster: &Cluster, node: u32) -> io::Result<()> {
    let console = match cluster.console(node) {
        Ok(console) => console,
        Err(refusal) => return send(&mut stream, &Answer::Refused(refusal)),
    };
    send(&mut stream, &Answer::Done)?;
    let output = console.watch();
    let mut printer = stream.try_clone()?;
    std::thread::spawn(move || print(&mut printer, &output));
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return stream.shutdown(Shutdown::Both),
            Ok(count) => console.type_in(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn print(to: &mut UnixStream, output: &Receiver<Vec<u8>>) {
    loop {
        let sent = match output.recv_timeout(WATCHED) {
            Ok(bytes) => to.write_all(&bytes),
            // An empty send fails on a connection that was shut down, and says nothing.
            Err(RecvTimeoutError::Timeout) => {
                rustix::net::send(&mut *to, &[], rustix::net::SendFlags::NOSIGNAL)
                    .map(drop)
                    .map_err(Into::into)
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Joins a connection to a session of a node's agent.
fn session(mut stream: UnixStream, cluster: &Arc<Cluster>, node: u32) -> io::Result<()> {
    let opened = cluster.agent(node).and_then(|agent| {
        let (id, frames) = agent
            .open()
            .ok_or_else(|| Refusal::NodeDown(node_name(node)))?;
        Ok((agent, id, frames))
    });
    let (agent, id, frames) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return send(&mut stream, &Answer::Refused(refusal)),
    };
    send(&mut stream, &Answer::Done)?;
    let answers = stream.try_clone()?;
    let noting = Arc::clone(cluster);
    let begin = Instant::now();
    let writer = std::thread::spawn(move || {
        let end = relay_answers(answers, &frames);
        let taken = begin.elapsed().as_secs_f64();
        let what = format!("agent call {id} ended after {taken:.3} s: {end}");
        noting.events().note(&node_name(node), &what);
    });
    let taken = relay_requests(&mut stream, &agent, id, |what| {
        cluster
            .events()
            .note(&node_name(node), &format!("agent call {id}: {what}"));
    });
    agent.close(id);
    // It ends now: the session's sender is gone.
    let _ = writer.join();
    taken
}

/// Agent to client, until the session ends; how it did.
fn relay_answers(mut client: UnixStream, frames: &Receiver<Frame>) -> String {
    let mut bytes = Vec::new();
    let mut last = None;
    for frame in frames {
        bytes.clear();
        let sent = encode(0, &frame, &mut bytes).map_err(io::Error::other);
        if sent.and_then(|()| client.write_all(&bytes)).is_err() {
            return "the caller went away".into();
        }
        last = match frame {
            Frame::Exited(exit) => Some(exit.to_string()),
            Frame::Failed { message, .. } => Some(message),
            Frame::Content(content) => Some(format!("{} bytes", content.len())),
            _ => None,
        };
    }
    let end = last.unwrap_or_else(|| {
        // The node went down under the call; errno 0 is what no guest sends.
        let message = "the node went down, or the caller hung up".to_owned();
        bytes.clear();
        if encode(
            0,
            &Frame::Failed {
                errno: 0,
                message: message.clone(),
            },
            &mut bytes,
        )
        .is_ok()
        {
            let _ = client.write_all(&bytes);
        }
        message
    });
    let _ = client.shutdown(Shutdown::Both);
    end
}

/// Client to agent, until the client ends; the first frame is noted.
fn relay_requests(
    client: &mut UnixStream,
    agent: &AgentPort,
    id: u32,
    note: impl Fn(&str),
) -> io::Result<()> {
    let mut decoder = Decoder::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => decoder.push(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        while let Some((_, frame)) = decoder.next_frame().map_err(io::Error::other)? {
            match &frame {
                Frame::Exec(command) => {
                    let words = command
                        .argv
                        .iter()
                        .map(|word| String::from_utf8_lossy(word));
                    note(&words.collect::<Vec<_>>().join(" "));
                }
                Frame::ReadFile(path) => note(&format!("read {}", String::from_utf8_lossy(path))),
                Frame::Signal(signal) => note(&format!("signal {signal}")),
                Frame::Data(Stream::Stdin, _) | Frame::StdinEof | Frame::Credit(..) => {}
                // Nothing else is a client's to say.
                _ => continue,
            }
            agent.send(id, &frame);
        }
    }
}
