// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's source: the Debian package, or what `--kernel-source` names.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context as _, Result};
use sha2::{Digest, Sha256};

use crate::definitions::KernelPackage;
use crate::engine::key::{digest_bytes, digest_file, list_files};
use crate::engine::{Inputs, Job, Key, Output, Sandbox, Step};
use crate::fs;
use crate::lock::{KernelPin, Lock, Unlocked};

/// File of the output: what the source is.
const PIN: &str = "source.toml";
/// The name in the lock's place for a source that is no package.
const LOCAL: &str = "--kernel-source";

/// Makes `tree/`, the pristine kernel source.
#[derive(Debug)]
pub struct Source<'a> {
    /// Its apt fetches the package.
    pub root: &'a Output,
    /// The package.
    pub package: &'a KernelPackage,
    /// What was proven.
    pub lock: &'a Lock,
    /// A source of the user's own.
    pub local: Option<&'a Path>,
}

impl Source<'_> {
    /// The output with its version, to be compared with the lock.
    pub fn unlocked(&self, output: Output) -> Result<Unlocked> {
        let pin = pin(&output.dir)?;
        let locked = self.lock.kernel_versions(&self.package.package);
        Ok(Unlocked {
            output,
            versions: [(pin.package, pin.version)].into(),
            locked,
        })
    }

    fn locked_pin(&self) -> Option<&KernelPin> {
        self.lock
            .kernel
            .as_ref()
            .filter(|pin| pin.package == self.package.package)
    }
}

/// What a finished source is.
pub fn pin(out: &Path) -> Result<KernelPin> {
    let text = fs::read_to_string(out.join(PIN))
        .context("cannot use the cache (`cargo xtask clean --cache` empties it)")?;
    Ok(toml::from_str(&text)?)
}

impl Step for Source<'_> {
    const NAME: &'static str = "source";
    const NETWORK: bool = true;
    const KEEP: usize = 2;

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.value("recipe", 1);
        if let Some(path) = self.local {
            inputs.value(LOCAL, signature(path)?);
            return Ok(inputs);
        }
        inputs
            .value("package", &self.package.package)
            .value("suite", &self.package.suite);
        if let Some(pin) = self.locked_pin() {
            inputs
                .value("locked version", &pin.version)
                .value("locked digest", &pin.sha256);
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let tree = job.out().join("tree");
        fs::create_dir(&tree)?;
        let pin = match self.local {
            Some(path) => self.take_local(job, path, &tree)?,
            None => self.fetch(job, &tree)?,
        };
        kernel_version(&tree)?;
        fs::write(job.out().join(PIN), toml::to_string(&pin)?)?;
        Ok(())
    }

    fn identity(&self, _key: &Key, out: &Path) -> Result<String> {
        Ok(pin(out)?.sha256)
    }

    fn advice(&self) -> String {
        match self.local {
            Some(path) => format!(
                "give --kernel-source a clean kernel tree, a git checkout or a tarball; {} is none",
                path.display()
            ),
            None => "see that the Debian archive can be reached, or build another source with \
                     `--kernel-source PATH`"
                .into(),
        }
    }
}

impl Source<'_> {
    fn fetch(&self, job: &mut Job<'_>, tree: &Path) -> Result<KernelPin> {
        let KernelPackage { package, suite } = self.package;
        let scratch = job.scratch();
        for dir in ["lists", "cache", "source"] {
            fs::create_dir(scratch.join(dir))?;
        }
        let sandbox = Sandbox::new(self.root)
            .network()
            .writable(&scratch.join("lists"), "/var/lib/apt/lists")
            .writable(&scratch.join("cache"), "/var/cache/apt")
            .writable(&scratch.join("source"), "/build/source")
            .writable(tree, "/build/tree");
        let as_root = ["-o", "APT::Sandbox::User=root"];
        let update = sandbox.command(
            ["apt-get", "update"]
                .iter()
                .chain(&as_root)
                .chain(&["-o", "APT::Update::Error-Mode=any"]),
        );
        job.run("apt-get update", &update)?;

        let names = sandbox.command(["apt-cache", "pkgnames", "linux-source-"]);
        let names = job.read("apt-cache pkgnames linux-source-", &names)?;
        if !names.lines().any(|name| name == package) {
            bail!("{}", series_gone(package, suite, &names));
        }
        let madison = sandbox.command(["apt-cache", "madison", package]);
        let madison = job.read(&format!("apt-cache madison {package}"), &madison)?;
        let wanted = self.locked_pin().map(|pin| pin.version.as_str());
        let choice = match wanted.filter(|version| offers(&madison, version)) {
            Some(version) => format!("{package}={version}"),
            None => format!("{package}/{suite}"),
        };
        let download = format!(
            "cd /build/source && apt-get -q download {} '{choice}'",
            as_root.join(" ")
        );
        job.run(
            &format!("apt-get download {choice}"),
            &sandbox.command(["sh", "-c", &download]),
        )?;
        let deb = single_file(&scratch.join("source"), "deb")?;
        let field = sandbox.command([
            "dpkg-deb".to_owned(),
            "--field".to_owned(),
            format!("/build/source/{deb}"),
            "Version".to_owned(),
        ]);
        let version = job
            .read("dpkg-deb --field Version", &field)?
            .trim()
            .to_owned();
        let sha256 = digest_file(&scratch.join("source").join(&deb))?;
        job.say(&format!("{package} {version} sha256 {sha256}"));
        let pin = KernelPin {
            package: package.clone(),
            version,
            sha256,
        };
        check_digest(&pin, self.locked_pin())?;

        let unpack = format!(
            "cd /build/source && dpkg-deb --fsys-tarfile '{deb}' | \
             tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | \
             tar -xJ --strip-components=1 --no-same-owner -C /build/tree"
        );
        job.run(
            "unpack the kernel",
            &sandbox.command(["bash", "-ec", &format!("set -o pipefail; {unpack}")]),
        )?;
        Ok(pin)
    }

    fn take_local(&self, job: &mut Job<'_>, path: &Path, tree: &Path) -> Result<KernelPin> {
        let signature = signature(path)?;
        if path.is_file() {
            let unpack = duct::cmd!(
                "tar",
                "-x",
                "--strip-components=1",
                "--no-same-owner",
                "-C",
                tree,
                "-f",
                path
            );
            job.run(&format!("unpack {}", path.display()), &unpack)?;
        } else {
            if !path.join(".git").exists() {
                for built in [".config", "vmlinux", "include/config"] {
                    if path.join(built).exists() {
                        bail!(
                            "{} is no clean tree ({built} is there); `make mrproper` in it",
                            path.display()
                        );
                    }
                }
            }
            let list: Vec<u8> = list_files(path, ".")?
                .iter()
                .flat_map(|name| [name.as_os_str().as_encoded_bytes(), &[0]].concat())
                .collect();
            let pack = duct::cmd!(
                "tar",
                "-c",
                "-C",
                path,
                "--null",
                "--verbatim-files-from",
                "-T",
                "-"
            )
            .stdin_bytes(list);
            let copy = pack.pipe(duct::cmd!("tar", "-x", "--no-same-owner", "-C", tree));
            job.run(&format!("copy {}", path.display()), &copy)?;
        }
        let version = kernel_version(tree)?;
        Ok(KernelPin {
            package: LOCAL.into(),
            version,
            sha256: signature,
        })
    }
}

/// The same version must be the same bytes.
fn check_digest(found: &KernelPin, locked: Option<&KernelPin>) -> Result<()> {
    match locked {
        Some(locked) if locked.version == found.version && locked.sha256 != found.sha256 => bail!(
            "{} {} has digest {}, podos.lock has {}: it is not the package that was proven",
            found.package,
            found.version,
            found.sha256,
            locked.sha256
        ),
        _ => Ok(()),
    }
}

/// Whether `apt-cache madison` lists `version`.
fn offers(madison: &str, version: &str) -> bool {
    madison.lines().any(|line| {
        line.split('|')
            .nth(1)
            .is_some_and(|field| field.trim() == version)
    })
}

fn series_gone(package: &str, suite: &str, names: &str) -> String {
    let mut there: Vec<_> = names
        .lines()
        .filter(|name| {
            let series = name.trim_start_matches("linux-source-");
            series.starts_with(|c: char| c.is_ascii_digit())
        })
        .collect();
    there.sort_unstable();
    let there = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    format!(
        "{package} is no longer in the archive ({suite}); kernel series that are there: {there}; \
         name one in rootfs/build-root.toml (kernel-source.package) and see that the patches apply"
    )
}

fn single_file(dir: &Path, extension: &str) -> Result<String> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(&format!(".{extension}")) {
            return Ok(name);
        }
    }
    bail!("apt left no .{extension} file in {}", dir.display())
}

/// What stands for a source of the user's own in a key: a tarball's digest; for a directory the
/// names, sizes, times and inodes of its files, so that its 90,000 files need not be read.
fn signature(path: &Path) -> Result<String> {
    if path.is_file() {
        return digest_file(path);
    }
    let mut hash = Sha256::new();
    for name in list_files(path, ".")? {
        let file: PathBuf = path.join(&name);
        let meta = fs::symlink_metadata(&file)?;
        hash.update(format!(
            "{}\0{} {} {} {}\n",
            name.display(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ino()
        ));
    }
    Ok(digest_bytes(hash.finalize()))
}

/// `VERSION.PATCHLEVEL.SUBLEVEL` of the kernel in `tree`.
pub fn kernel_version(tree: &Path) -> Result<String> {
    let path = tree.join("Makefile");
    let makefile = fs::read_to_string(&path).context("cannot tell the kernel's version")?;
    let field = |name: &str| {
        makefile.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    match (field("VERSION"), field("PATCHLEVEL"), field("SUBLEVEL")) {
        (Some(a), Some(b), Some(c)) => Ok(format!("{a}.{b}.{c}")),
        _ => bail!(
            "cannot tell the kernel's version: {} has no VERSION",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_is_gone_lists_those_that_are_there() {
        let names = "linux-source-7.5\nlinux-source-6.12\nlinux-source-rt\n";
        let message = series_gone("linux-source-7.3", "trixie-backports", names);
        assert!(message.contains("linux-source-7.3 is no longer in the archive (trixie-backports)"));
        assert!(
            message.contains("there: linux-source-6.12, linux-source-7.5; "),
            "{message}"
        );
    }

    #[test]
    fn madison_tells_the_versions() {
        let madison = " linux-source-7.3 | 7.3.4-1~bpo13+1 | an archive trixie-backports/main\n";
        assert!(offers(madison, "7.3.4-1~bpo13+1"));
        assert!(!offers(madison, "7.3.4"));
    }

    #[test]
    fn another_digest_for_a_locked_version_is_an_error() {
        let pin = |version: &str, sha256: &str| KernelPin {
            package: "linux-source-7.3".into(),
            version: version.into(),
            sha256: sha256.into(),
        };
        let locked = pin("7.3.4-1", "aa");
        assert!(check_digest(&pin("7.3.4-1", "aa"), Some(&locked)).is_ok());
        assert!(check_digest(&pin("7.3.5-1", "bb"), Some(&locked)).is_ok());
        assert!(check_digest(&pin("7.3.4-1", "bb"), None).is_ok());
        let error = check_digest(&pin("7.3.4-1", "bb"), Some(&locked)).expect_err("not the same");
        assert!(
            error
                .to_string()
                .contains("has digest bb, podos.lock has aa"),
            "{error}"
        );
    }

    #[test]
    fn a_tree_tells_its_version_and_notices_a_touched_file() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let makefile = dir.path().join("Makefile");
        assert!(kernel_version(dir.path()).is_err());
        fs::write(
            &makefile,
            "# SPDX\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n",
        )?;
        assert_eq!(kernel_version(dir.path())?, "7.3.4");
        let before = signature(dir.path())?;
        assert_eq!(signature(dir.path())?, before);
        fs::write(dir.path().join("file"), "new")?;
        assert_ne!(signature(dir.path())?, before);
        Ok(())
    }
}
