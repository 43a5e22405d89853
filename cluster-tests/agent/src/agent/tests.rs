// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent against a harness at the other end of a socket pair.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use podos_agent_proto::{encode, Command, Decoder, Exit, Frame, Stream, MAX_DATA, NODE, WINDOW};
use podos_process::reaper::wait_for;
use podos_process::watch;
use rustix::process::test_kill_process_group;

use super::*;

/// An agent and the host's end of its port.
struct Lab {
    agent: Agent,
    host: UnixStream,
    decoder: Decoder,
    /// Processes of the agent that were not reaped.
    pids: Vec<Pid>,
}

impl Lab {
    fn new() -> Self {
        let mut lab = Self {
            agent: Agent::without_port(3).unwrap(),
            host: UnixStream::pair().unwrap().0,
            decoder: Decoder::new(),
            pids: vec![],
        };
        lab.connect();
        lab
    }

    fn connect(&mut self) {
        let (host, port) = UnixStream::pair().unwrap();
        host.set_nonblocking(true).unwrap();
        port.set_nonblocking(true).unwrap();
        self.host = host;
        self.decoder = Decoder::new();
        self.agent.port = Some(Port::new(port));
        self.agent.port_changed();
    }

    fn say(&mut self, id: u32, frame: Frame) {
        let mut bytes = vec![];
        encode(id, &frame, &mut bytes).unwrap();
        self.shout(&bytes);
    }

    fn shout(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.host.write(bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn run(&mut self, id: u32, script: &str) {
        let argv = ["sh", "-c", script].map(|arg| arg.as_bytes().to_vec());
        self.exec(id, argv.to_vec(), vec![]);
    }

    fn exec(&mut self, id: u32, argv: Vec<Vec<u8>>, env: Vec<(Vec<u8>, Vec<u8>)>) {
        let cwd = Some(b"/".to_vec());
        self.say(id, Frame::Exec(Command { argv, env, cwd }));
    }

    /// One turn of the service's loop.
    fn turn(&mut self) {
        self.agent.tick(Instant::now());
        let soon = Instant::now() + Duration::from_millis(5);
        for token in watch::wait(&self.agent.watches(), Some(soon)).unwrap() {
            self.agent.handle(token);
        }
        for pid in self.agent.commands.values().filter(|one| one.is_alive()) {
            if !self.pids.contains(&pid.pid()) {
                self.pids.push(pid.pid());
            }
        }
        let agent = &mut self.agent;
        self.pids.retain(|&pid| {
            let options = libc::WNOHANG | libc::WNOWAIT;
            let Some(exit) = wait_for(pid, options).unwrap() else {
                return true;
            };
            agent.ended(pid, exit);
            wait_for(pid, 0).unwrap();
            false
        });
        self.agent.tick(Instant::now());
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < limit, "{what} does not happen");
            self.turn();
        }
    }

    fn frame(&mut self) -> Option<(u32, Frame)> {
        let mut buffer = [0; 65536];
        if let Ok(len) = self.host.read(&mut buffer) {
            self.decoder.push(&buffer[..len]);
        }
        self.decoder.next_frame().unwrap()
    }

    fn hear(&mut self) -> (u32, Frame) {
        let mut heard = None;
        self.until("a frame", |lab| {
            heard = lab.frame();
            heard.is_some()
        });
        heard.unwrap()
    }

    /// Everything of one session, with output credited as it comes.
    fn session(&mut self, id: u32) -> (Vec<u8>, Vec<u8>, Frame) {
        let (mut stdout, mut stderr) = (vec![], vec![]);
        loop {
            let (of, frame) = self.hear();
            assert_eq!(of, id, "{frame:?}");
            match frame {
                Frame::Data(stream, data) => {
                    self.say(id, Frame::Credit(stream, data.len() as u32));
                    match stream {
                        Stream::Stdout => stdout.extend(data),
                        _ => stderr.extend(data),
                    }
                }
                Frame::Credit(..) => {}
                last => return (stdout, stderr, last),
            }
        }
    }

    fn greeted() -> Self {
        let mut lab = Self::new();
        assert!(matches!(lab.hear(), (NODE, Frame::Hello { .. })));
        lab
    }
}

#[test]
fn hello_comes_first_and_ready_after_the_boot() {
    let mut lab = Lab::new();
    let hello = Frame::Hello {
        version: VERSION,
        node: 3,
    };
    assert_eq!(lab.hear(), (NODE, hello.clone()));
    lab.say(9, Frame::Ping);
    assert_eq!(lab.hear(), (9, Frame::Pong), "before the boot is over");
    let problems = vec!["no module".to_owned()];
    lab.agent.ready(problems.clone());
    assert_eq!(
        lab.hear(),
        (
            NODE,
            Frame::Ready {
                problems: problems.clone()
            }
        )
    );
    lab.connect();
    assert_eq!(lab.hear(), (NODE, hello));
    assert_eq!(lab.hear(), (NODE, Frame::Ready { problems }));
}

#[test]
fn a_command_s_streams_status_and_environment() {
    let mut lab = Lab::greeted();
    let script = "pwd; echo $HOME $MORE $PATH; echo oops >&2; exit 7";
    let argv = ["sh", "-c", script].map(|arg| arg.as_bytes().to_vec());
    lab.exec(5, argv.to_vec(), vec![(b"MORE".to_vec(), b"more".to_vec())]);
    let (stdout, stderr, last) = lab.session(5);
    assert_eq!(
        String::from_utf8(stdout).unwrap(),
        "/\n/root more /usr/sbin:/usr/bin:/sbin:/bin\n"
    );
    assert_eq!(stderr, b"oops\n");
    assert_eq!(last, Frame::Exited(Exit::Code(7)));

    lab.run(5, "kill -USR1 $$");
    assert_eq!(lab.session(5).2, Frame::Exited(Exit::Signal(10)));
}

#[test]
fn what_can_t_be_run_says_why() {
    let mut lab = Lab::greeted();
    for (program, errno) in [
        ("no-such-program", libc::ENOENT),
        ("/etc/passwd", libc::EACCES),
    ] {
        lab.exec(1, vec![program.into()], vec![]);
        let (_, _, last) = lab.session(1);
        assert!(
            matches!(&last, Frame::Failed { errno: it, message } if *it == errno && message.contains(program)),
            "{last:?}"
        );
    }
    lab.exec(2, vec![], vec![]);
    let (_, _, last) = lab.session(2);
    assert!(
        matches!(
            last,
            Frame::Failed {
                errno: libc::EINVAL,
                ..
            }
        ),
        "{last:?}"
    );
}

#[test]
fn input_of_many_windows_goes_through_on_credit() {
    let mut lab = Lab::greeted();
    lab.run(1, "sha256sum");
    let piece = vec![b'x'; MAX_DATA];
    let mut credit = WINDOW as usize;
    let mut left = 64;
    while left > 0 {
        if credit >= piece.len() {
            lab.say(1, Frame::Data(Stream::Stdin, piece.clone()));
            credit -= piece.len();
            left -= 1;
        } else {
            let (1, Frame::Credit(Stream::Stdin, bytes)) = lab.hear() else {
                panic!("credit was due");
            };
            credit += bytes as usize;
        }
    }
    lab.say(1, Frame::StdinEof);
    let (stdout, _, last) = lab.session(1);
    // Of 2 MiB of `x`.
    assert!(
        stdout.starts_with(b"6932fd31e5daf4739b9fa78ff777b283"),
        "{}",
        String::from_utf8_lossy(&stdout)
    );
    assert_eq!(last, Frame::Exited(Exit::Code(0)));
}

#[test]
fn input_that_nobody_reads_is_credited() {
    let mut lab = Lab::greeted();
    lab.run(1, "exec 0<&-; echo closed; while :; do sleep 1; done");
    assert_eq!(
        lab.hear(),
        (1, Frame::Data(Stream::Stdout, b"closed\n".to_vec()))
    );
    lab.say(1, Frame::Data(Stream::Stdin, vec![0; 1000]));
    assert_eq!(lab.hear(), (1, Frame::Credit(Stream::Stdin, 1000)));
    lab.say(1, Frame::Signal(libc::SIGTERM as u8));
    assert_eq!(lab.session(1).2, Frame::Exited(Exit::Signal(15)));
}

#[test]
fn output_stops_at_the_window_and_holds_up_nobody() {
    let mut lab = Lab::greeted();
    lab.run(1, "head -c 1000000 /dev/zero");
    let mut got = 0;
    while got < WINDOW as usize {
        let (1, Frame::Data(Stream::Stdout, data)) = lab.hear() else {
            panic!("output was due");
        };
        got += data.len();
    }
    assert_eq!(got, WINDOW as usize);
    lab.run(2, "echo other");
    let (stdout, _, last) = lab.session(2);
    assert_eq!(
        (&stdout[..], last),
        (&b"other\n"[..], Frame::Exited(Exit::Code(0)))
    );
    assert_eq!(lab.frame(), None);
    lab.say(1, Frame::Credit(Stream::Stdout, got as u32));
    let (stdout, _, last) = lab.session(1);
    assert_eq!(got + stdout.len(), 1_000_000);
    assert_eq!(last, Frame::Exited(Exit::Code(0)));
}

#[test]
fn what_a_command_leaves_behind_does_not_keep_its_session() {
    let mut lab = Lab::greeted();
    lab.run(1, "sleep 1000 & echo $!");
    let (stdout, _, last) = lab.session(1);
    assert_eq!(last, Frame::Exited(Exit::Code(0)));
    let left: i32 = String::from_utf8(stdout).unwrap().trim().parse().unwrap();
    let left = Pid::from_raw(left).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).expect("it runs");
}

#[test]
fn a_closed_session_s_group_ends_even_if_it_ignores_the_hang_up() {
    let mut lab = Lab::greeted();
    lab.run(1, "trap '' HUP; echo trapped; while :; do sleep 1000; done");
    assert_eq!(
        lab.hear(),
        (1, Frame::Data(Stream::Stdout, b"trapped\n".to_vec()))
    );
    let group = lab.agent.commands[&1].pid();
    lab.say(1, Frame::Close);
    lab.until("the end of the group", |_| {
        test_kill_process_group(group).is_err()
    });
    assert_eq!(lab.frame(), None, "nobody waits for an answer");
    lab.run(1, "echo again");
    assert_eq!(lab.session(1).0, b"again\n");
}

#[test]
fn sessions_end_with_the_connection() {
    let mut lab = Lab::greeted();
    lab.run(1, "sleep 1000");
    lab.until("the start", |lab| lab.agent.commands.contains_key(&1));
    let group = lab.agent.commands[&1].pid();
    lab.host = UnixStream::pair().unwrap().0;
    lab.until("the end of the group", |_| {
        test_kill_process_group(group).is_err()
    });
    assert!(lab.agent.commands.is_empty());
    lab.connect();
    assert!(matches!(lab.hear(), (NODE, Frame::Hello { .. })));
}

#[test]
fn files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string().into_encoded_bytes();
    std::fs::write(dir.path().join("small"), "text").unwrap();
    std::fs::write(dir.path().join("big"), vec![0; 1 << 20]).unwrap();
    let mut lab = Lab::greeted();
    lab.say(1, Frame::ReadFile(path("small")));
    assert_eq!(lab.hear(), (1, Frame::Content(b"text".to_vec())));
    for (name, errno) in [("none", libc::ENOENT), ("big", libc::EFBIG)] {
        lab.say(2, Frame::ReadFile(path(name)));
        let (id, answer) = lab.hear();
        assert!(
            matches!(&answer, Frame::Failed { errno: it, message } if *it == errno && message.contains(name)),
            "{answer:?}"
        );
        assert_eq!(id, 2);
    }
}

#[test]
fn a_host_that_breaks_the_protocol_is_not_heard_until_it_comes_again() {
    let breaks: [fn(&mut Lab); 3] = [
        |lab| lab.shout(&[0xff; 64]),
        |lab| lab.say(1, Frame::Pong),
        |lab| {
            lab.run(1, "sleep 1000");
            for _ in 0..2 * WINDOW as usize / MAX_DATA {
                lab.say(1, Frame::Data(Stream::Stdin, vec![0; MAX_DATA]));
            }
        },
    ];
    for break_it in breaks {
        let mut lab = Lab::greeted();
        break_it(&mut lab);
        lab.say(2, Frame::Ping);
        // Credit for what the pipe took may come first.
        let end = Instant::now() + Duration::from_millis(200);
        while Instant::now() < end {
            lab.turn();
            assert!(!matches!(lab.frame(), Some((_, Frame::Pong))));
        }
        assert!(lab.agent.commands.is_empty());
        lab.connect();
        assert!(matches!(lab.hear(), (NODE, Frame::Hello { .. })));
        lab.say(2, Frame::Ping);
        assert_eq!(lab.hear(), (2, Frame::Pong));
    }
}

#[test]
fn poweroff_is_noted_once() {
    let mut lab = Lab::greeted();
    assert!(!lab.agent.take_poweroff());
    lab.say(NODE, Frame::Poweroff);
    lab.until("the wish", |lab| lab.agent.take_poweroff());
    assert!(!lab.agent.take_poweroff());
}

#[test]
fn an_agent_is_idle_when_its_commands_have_ended_and_were_told_of() {
    let mut lab = Lab::greeted();
    assert!(lab.agent.is_idle());
    lab.run(1, "read line; echo $line");
    lab.until("the start", |lab| !lab.agent.is_idle());
    lab.say(1, Frame::Data(Stream::Stdin, b"bye\n".to_vec()));
    assert_eq!(lab.session(1).0, b"bye\n");
    lab.until("the rest", |lab| lab.agent.is_idle());
}
