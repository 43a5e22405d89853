// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node's QEMU asked through its monitor.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

/// How long QEMU's main loop may be busy with something else.
const ANSWER: Duration = Duration::from_secs(10);
/// Time between two looks whether a machine is written.
const SAVE_PAUSE: Duration = Duration::from_millis(50);

/// The monitor of one QEMU.
pub(crate) struct Qmp(Mutex<Connection>);

struct Connection {
    stream: BufReader<UnixStream>,
    /// The monitor takes commands.
    ready: bool,
}

impl Qmp {
    /// Takes over a connected monitor; says nothing yet, for QEMU may still be starting.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self(Mutex::new(Connection {
            stream: BufReader::new(stream),
            ready: false,
        })))
    }

    /// Lets the processor and the clock stand still.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.execute("stop", &json!({})).map(drop)
    }

    /// Ends that.
    pub(crate) fn cont(&self) -> io::Result<()> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// Gives the interface on a rail its carrier, or takes it away.
    pub(crate) fn set_link(&self, rail: u8, up: bool) -> io::Result<()> {
        let arguments = json!({ "name": format!("rail{rail}"), "up": up });
        self.execute("set_link", &arguments).map(drop)
    }

    /// Has the whole machine written to where `uri` says, and waits for that. It stands still then.
    pub(crate) fn save(&self, uri: &str, limit: Duration) -> io::Result<()> {
        self.execute("migrate", &json!({ "uri": uri }))?;
        let deadline = Instant::now() + limit;
        loop {
            let state = self.execute("query-migrate", &json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some(over @ ("failed" | "cancelled")) => {
                    let why = state["error-desc"].as_str().unwrap_or("no reason given");
                    return Err(io::Error::other(format!("migrate {over}: {why}")));
                }
                _ if Instant::now() > deadline => {
                    let reason = format!("migrate is not over after {limit:?}: {state}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
                }
                _ => std::thread::sleep(SAVE_PAUSE),
            }
        }
    }

    /// Has a command carried out; what QEMU returns.
    pub(crate) fn execute(&self, command: &str, arguments: &Value) -> io::Result<Value> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.ready {
            connection.execute("qmp_capabilities", &json!({}))?;
            connection.ready = true;
        }
        connection.execute(command, arguments)
    }
}

impl Connection {
    fn execute(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        let mut line = request.to_string();
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut answer = serde_json::from_str::<Value>(&line)?;
            if let Some(error) = answer.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason given");
                return Err(io::Error::other(format!("{command}: {why}")));
            }
            // The greeting and events come in between.
            if let Some(returned) = answer.get_mut("return") {
                return Ok(returned.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A monitor that answers each command with the next of these, and gives back the commands.
    fn monitor(answers: &'static [&'static str]) -> (Qmp, std::thread::JoinHandle<Vec<String>>) {
        let (ours, qemu) = UnixStream::pair().unwrap();
        let talk = move || {
            let mut reader = BufReader::new(qemu);
            writeln!(reader.get_mut(), r#"{{"QMP": {{"version": {{}}}}}}"#).unwrap();
            let mut heard = Vec::new();
            for answer in answers {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                heard.push(line.trim().to_owned());
                writeln!(reader.get_mut(), "{answer}").unwrap();
            }
            heard
        };
        (Qmp::new(ours).unwrap(), std::thread::spawn(talk))
    }

    #[test]
    fn capabilities_come_first_and_events_are_passed_over() {
        let (qmp, qemu) = monitor(&[
            r#"{"return": {}}"#,
            "{\"event\": \"STOP\", \"data\": {}}\n{\"return\": {}}",
            r#"{"return": {}}"#,
        ]);
        qmp.stop().unwrap();
        qmp.set_link(2, false).unwrap();
        let heard = qemu.join().unwrap();
        assert!(heard[0].contains("qmp_capabilities") && heard[1].contains("stop"));
        let words = serde_json::from_str::<Value>(&heard[2]).unwrap();
        assert_eq!(words["arguments"], json!({ "name": "rail2", "up": false }));
    }

    #[test]
    fn a_machine_is_saved_when_qemu_says_so() {
        let (qmp, qemu) = monitor(&[
            r#"{"return": {}}"#,
            r#"{"return": {}}"#,
            r#"{"return": {"status": "active"}}"#,
            r#"{"return": {"status": "completed"}}"#,
            r#"{"return": {}}"#,
            r#"{"return": {"status": "failed", "error-desc": "no room"}}"#,
        ]);
        qmp.save("exec:cat >x", Duration::from_secs(60)).unwrap();
        let error = qmp.save("exec:cat >x", Duration::from_secs(60));
        assert_eq!(error.unwrap_err().to_string(), "migrate failed: no room");
        assert!(qemu.join().unwrap()[1].contains("exec:cat >x"));
    }

    #[test]
    fn a_refusal_is_quoted_and_an_end_is_an_error() {
        let (qmp, qemu) = monitor(&[
            r#"{"return": {}}"#,
            r#"{"error": {"class": "GenericError", "desc": "no such device"}}"#,
        ]);
        let error = qmp.set_link(9, true).unwrap_err().to_string();
        assert_eq!(error, "set_link: no such device");
        qemu.join().unwrap();
        assert!(qmp.cont().is_err());
    }
}
