// SPDX-License-Identifier: MIT OR Apache-2.0

//! A supervisor with its namespace, taps and QEMUs, on guests of a few bytes:
//! what happens when no cluster comes of it, and that nothing stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use podos_harness::{supervisor, Cluster, Error, Net, NodeState, Selector, Topology, Up};
use serde_json::json;

fn main() -> ExitCode {
    supervisor::enter();
    let trials = vec![
        Trial::test("a_panic_on_a_console_ends_it_at_once", panic_on_console),
        Trial::test("a_qemu_that_refuses_is_quoted", refused_by_qemu),
        Trial::test(
            "a_killed_supervisor_takes_its_nodes_along",
            killed_supervisor,
        ),
        Trial::test("faults_of_nodes_are_done", node_faults),
        Trial::test("a_key_is_in_no_command_line_and_no_log", key_is_secret),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A kernel by the multiboot specification, loaded at 1 MiB, that prints `text` on the serial
/// port and halts.
fn guest(text: &str) -> Vec<u8> {
    const BASE: u32 = 0x10_0000;
    const HEADER: u32 = 32;
    let code = [
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x03, // jz halt
        0xee, // out dx, al
        0xeb, 0xf8, // jmp next
        0xfa, 0xf4, 0xeb, 0xfc, // halt: cli; hlt; jmp halt
    ];
    let text_at = BASE + HEADER + 5 + code.len() as u32;
    let end = text_at + text.len() as u32 + 1;
    let (magic, addresses_given) = (0x1bad_b002_u32, 0x1_0000_u32);
    let checksum = 0_u32.wrapping_sub(magic).wrapping_sub(addresses_given);
    let header = [
        magic,
        addresses_given,
        checksum,
        BASE,
        BASE,
        end,
        end,
        BASE + HEADER,
    ];
    let mut image = header
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect::<Vec<_>>();
    image.push(0xbe); // mov esi, text_at
    image.extend(text_at.to_le_bytes());
    image.extend(code);
    image.extend(text.as_bytes());
    image.push(0);
    image
}

/// What starts two nodes of this kernel.
fn cluster(name: &str, folder: &Path, kernel: &[u8]) -> Result<Up, Failed> {
    fs::write(folder.join("bzImage"), kernel)?;
    fs::write(folder.join("initramfs.cpio.zst"), "nothing to unpack")?;
    fs::write(folder.join("manifest.toml"), "services = [\"agent\"]")?;
    let name = format!("{name}-{}", std::process::id());
    let topology = Topology {
        memory_mib: 64,
        ..Topology::nodes(2)
    };
    Ok(Up {
        keep_logs: Some(folder.join("logs")),
        ..Up::new(&name, folder, topology)
    })
}

fn ensure(holds: bool, what: &str) -> Result<(), Failed> {
    holds.then_some(()).ok_or_else(|| what.into())
}

/// Processes that have this in their command line, zombies aside.
fn processes(with: &str) -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        if line
            .windows(with.len())
            .any(|window| window == with.as_bytes())
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// Asks until it holds.
fn soon(what: &str, mut holds: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds()? {
        ensure(Instant::now() < deadline, &format!("never so: {what}"))?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn panic_on_console() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let line = "Kernel panic - not syncing: a test";
    let up = cluster(
        "panic",
        folder.path(),
        &guest(&format!("one\r\n{line}\r\ntwo\r\n")),
    )?;
    let started = Instant::now();
    match Cluster::up(&up) {
        Err(Error::Alarm(alarm)) => {
            ensure(alarm.line == line, &alarm.line)?;
            ensure(
                alarm.tail == ["one", line, "two"],
                &format!("{:?}", alarm.tail),
            )?;
            let log = fs::read_to_string(&alarm.console)?;
            ensure(
                alarm.console.starts_with(folder.path()),
                "the console was not kept",
            )?;
            ensure(log.contains(line), &log)?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    ensure(
        started.elapsed() < Duration::from_secs(20),
        "it waited for the boot's deadline",
    )?;
    ensure(!Cluster::down_named(&up.name)?, "a folder stays")?;
    ensure(processes(&up.name)?.is_empty(), "a process stays")
}

fn refused_by_qemu() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let up = cluster("refused", folder.path(), b"no kernel at all")?;
    match Cluster::up(&up) {
        Err(Error::NotReady { reason, .. }) => {
            ensure(reason.starts_with("QEMU of linus"), &reason)?;
            ensure(reason.contains("supervisor.log:\n  qemu"), &reason)?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    ensure(!Cluster::down_named(&up.name)?, "a folder stays")
}

fn killed_supervisor() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let up = cluster("killed", folder.path(), &guest("here\n"))?;
    let (name, image) = (up.name.clone(), folder.path().join("bzImage"));
    let image = image.to_string_lossy().into_owned();
    let waiting = std::thread::spawn(move || Cluster::up(&up).map(drop));
    soon("both nodes run", || Ok(processes(&image)?.len() == 2))?;
    // Its last argument is its folder; the nodes only have files in there.
    let supervisors = processes(&format!("/{name}\0"))?;
    let pid = supervisors
        .first()
        .and_then(|path| path.file_name())
        .ok_or("no supervisor")?;
    ensure(supervisors.len() == 1, &format!("{supervisors:?}"))?;
    ensure(
        Command::new("kill").arg("-9").arg(pid).status()?.success(),
        "kill",
    )?;
    soon("its nodes are gone", || Ok(processes(&image)?.is_empty()))?;
    let waited = waiting.join().map_err(|_| "up panicked")?;
    ensure(waited.is_err(), "it came up")?;
    ensure(!Cluster::down_named(&name)?, "a folder stays")
}

/// Starts two nodes that never get as far as an agent, on switches, and hands over the cluster.
fn on_switches(name: &str, act: fn(&Cluster) -> Result<(), Failed>) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut up = cluster(name, folder.path(), &guest("here\n"))?;
    up.topology.net = Net::Switch;
    let name = up.name.clone();
    let image = folder.path().join("bzImage");
    let image = image.to_string_lossy().into_owned();
    let waiting = std::thread::spawn(move || Cluster::up(&up).map(drop));
    soon("both nodes run", || Ok(processes(&image)?.len() == 2))?;
    let outcome = act(&Cluster::find(&name)?);
    Cluster::down_named(&name)?;
    let waited = waiting.join().map_err(|_| "up panicked")?;
    ensure(waited.is_err(), "it came up")?;
    outcome
}

fn node_faults() -> Result<(), Failed> {
    on_switches("faults", |cluster| {
        let one = cluster.node(1)?;
        let state = || Ok::<_, Failed>(cluster.status()?.nodes[0].clone());
        let qemu = || -> Result<String, Failed> {
            let status = one.qmp("query-status", json!({}))?;
            Ok(status["status"].as_str().unwrap_or_default().to_owned())
        };
        one.pause()?;
        ensure(state()?.state == NodeState::Paused, "not paused")?;
        ensure(qemu()? == "paused", "QEMU is not paused")?;
        one.resume()?;
        ensure(state()?.state == NodeState::Booting, "not resumed")?;
        ensure(qemu()? == "running", "QEMU does not run")?;
        let first = state()?;
        one.reset()?;
        let second = state()?;
        ensure(second.boots == first.boots + 1, "not another boot")?;
        ensure(second.qemu != first.qemu, "not another QEMU")?;
        one.kill()?;
        ensure(state()?.state == NodeState::Down, "not down")?;
        ensure(
            matches!(one.kill(), Err(Error::NodeDown(_))),
            "killed twice",
        )?;
        // Its carrier is gone when it boots, too.
        one.link_down(2)?;
        one.start()?;
        ensure(state()?.boots == 3, "not started")?;
        one.link_up(None)?;
        let refused = one.link_down(3).map_err(|error| error.to_string());
        let refused = refused.err().unwrap_or_default();
        ensure(refused.contains("--rail: there is no rail 3"), &refused)?;
        let refused = cluster.cut(Selector::node(3)).err();
        let refused = refused.map(|error| error.to_string()).unwrap_or_default();
        ensure(refused.contains("--node: there is no linus3"), &refused)?;
        ensure(cluster.switch()?.counters()?.len() == 6, "ports")?;
        let events = fs::read_to_string(cluster.folder().join("events.log"))?;
        for fault in ["pause", "resume", "kill", "rail 2 at linus1"] {
            ensure(events.contains(fault), &events)?;
        }
        Ok(())
    })
}

fn key_is_secret() -> Result<(), Failed> {
    on_switches("secret", |cluster| {
        let file = cluster.key_file(1).ok_or("no key")?;
        let key = fs::read_to_string(&file)?;
        ensure(key.len() == 65, "its length")?;
        let given = format!("name=opt/podos/cluster-key,file={}", file.display());
        ensure(processes(&given)?.len() == 2, "the nodes have it not")?;
        ensure(processes(key.trim())?.is_empty(), "it is in a command line")?;
        for entry in fs::read_dir(cluster.folder())? {
            let path = entry?.path();
            let text = fs::read(&path).unwrap_or_default();
            let told = String::from_utf8_lossy(&text).contains(key.trim());
            ensure(!told, &format!("it is in {}", path.display()))?;
        }
        let status = format!("{:?}", cluster.status()?);
        ensure(!status.contains(key.trim()), "it is in the status")
    })
}
