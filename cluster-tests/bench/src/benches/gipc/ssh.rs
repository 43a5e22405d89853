// SPDX-License-Identifier: MIT OR Apache-2.0

//! Dropbear's ssh on the nodes: the host's programs, with the libraries that they need, and keys
//! of this run alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{bail, ensure, Context, Result};

use super::{CLIENT, SERVER};
use crate::benches::stack::on_all;
use crate::lab::{Background, Lab};

const PROGRAMS: [&str; 2] = ["dropbear", "dbclient"];
/// Below the host's folder: a tree that is put over the nodes' own.
const TREE: &str = "ssh";
const HOST_KEY: &str = "etc/dropbear/host_key";
const CLIENT_KEY: &str = "root/.ssh/id";
const AUTHORIZED: &str = "root/.ssh/authorized_keys";

/// Puts what the nodes need into the folder that they share; which Dropbear it is.
pub fn prepare(share: &Path) -> Result<Vec<(String, String)>> {
    let tree = share.join(TREE);
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    for name in PROGRAMS {
        let program = find(name)?;
        put(&program, &tree.join("usr/bin").join(name))?;
        for library in libraries(&program)? {
            let below = library.strip_prefix("/").unwrap_or(&library);
            put(&library, &tree.join(below))?;
        }
    }
    make_key(&tree.join(HOST_KEY))?;
    let public = make_key(&tree.join(CLIENT_KEY))?;
    let authorized = tree.join(AUTHORIZED);
    fs::write(&authorized, public)
        .with_context(|| format!("cannot write {}", authorized.display()))?;
    let said = run(Command::new(find("dropbear")?).arg("-V"))?;
    let version = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Ok(vec![("ssh".to_owned(), version)])
}

/// The command line that has the server's node run `command`.
pub fn line(command: &[&str]) -> Vec<String> {
    let (key, server) = (format!("/{CLIENT_KEY}"), format!("root@10.80.0.{SERVER}"));
    // Whose key the server has is known: nobody is asked, and nothing is written down.
    let ssh = ["dbclient", "-y", "-y", "-i", &key, &server];
    ssh.iter().chain(command).map(|s| (*s).to_owned()).collect()
}

/// Has the server's node serve for as long as the value lives.
pub fn serve(lab: &Lab) -> Result<Background> {
    let install = format!(
        "cp -r /mnt/host/{TREE}/. / && chmod 755 / && \
         chmod 700 /root /root/.ssh && chmod 600 /{HOST_KEY} /{CLIENT_KEY} /{AUTHORIZED}"
    );
    on_all(lab, &[CLIENT, SERVER], |node| {
        node.shell(&install)?;
        Ok(())
    })
    .context("cannot put ssh on the nodes")?;
    let server = ["-F", "-E", "-s", "-P", "/tmp/dropbear.pid", "-r"];
    let host_key = format!("/{HOST_KEY}");
    let server = lab.background(SERVER, "dropbear", &[&server[..], &[&host_key]].concat())?;
    let until = format!(
        "tries=200\n\
         until {} >/tmp/ssh-said 2>&1; do\n\
           tries=$((tries - 1))\n\
           [ $tries -gt 0 ] || {{ cat /tmp/ssh-said >&2; exit 1; }}\n\
           usleep 50000\n\
         done",
        line(&["/bin/true"]).join(" ")
    );
    let answered = lab.node(CLIENT)?.shell(&until);
    answered.context("cannot reach the server by ssh")?;
    Ok(server)
}

fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    found.with_context(|| {
        format!(
            "{name} is not on this host, and bench gipc compares with it: `cargo xtask bench gipc` \
             installs it as root; else install Debian's package dropbear-bin"
        )
    })
}

/// What the dynamic linker loads for a program, itself included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let said = run(Command::new("ldd").arg(program))?;
    parse_ldd(&String::from_utf8_lossy(&said.stdout))
        .with_context(|| format!("cannot tell the libraries of {}", program.display()))
}

/// `NAME => /PATH (ADDRESS)`, or `/PATH (ADDRESS)`; what the kernel itself brings has no path.
fn parse_ldd(text: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.ends_with("not found") {
            bail!("{line}");
        }
        let file = line.split_once("=> ").map_or(line, |(_, file)| file);
        let file = file.split(" (").next().unwrap_or_default();
        if file.starts_with('/') {
            found.push(file.into());
        }
    }
    ensure!(!found.is_empty(), "it names no library: {text}");
    Ok(found)
}

/// A copy, not a link.
fn put(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(what)?;
    }
    fs::copy(from, to).with_context(what)?;
    Ok(())
}

/// Makes a key; the line with its public part.
fn make_key(path: &Path) -> Result<String> {
    let cannot = || format!("cannot make the key {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let made = run(Command::new(find("dropbearkey")?)
        .args(["-t", "ed25519", "-f"])
        .arg(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(cannot)?;
    let text = String::from_utf8_lossy(&made.stdout);
    let public = text.lines().find(|line| line.starts_with("ssh-"));
    let public = public
        .with_context(|| format!("cannot find the public key in what dropbearkey says: {text}"))?;
    Ok(format!("{public}\n"))
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        said.trim()
    );
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_linker_says() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n";
        let files = parse_ldd(text).unwrap();
        let files: Vec<_> = files.iter().map(|f| f.to_str().unwrap()).collect();
        assert_eq!(
            files,
            [
                "/lib/x86_64-linux-gnu/libz.so.1",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
        let error = parse_ldd("\tlibq.so.3 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libq.so.3"));
        assert!(parse_ldd("\tnot a dynamic executable\n").is_err());
    }

    #[test]
    fn a_program_that_nobody_has_is_told_of() {
        let error = find("no-such-program").unwrap_err().to_string();
        assert!(error.contains("dropbear-bin"), "{error}");
    }
}
