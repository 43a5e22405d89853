// SPDX-License-Identifier: GPL-2.0-only

//! Turning a process into the program that a caller named.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{Arc, Mutex};
use podos_proto::gipc::{Command, Limit, OpenRequest, ProcessCreds, LIMITS};

use crate::execution::Execution;
use crate::sys::{Child, Setup, StreamFile, StringList};

/// Where a program without a slash in its name is looked for, if the caller does not say.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The variables that tell a program of its caller (paper, section 5.4.3).
const OWN_VARIABLES: [&[u8]; 2] = [b"GIPC_CDT=", b"GIPC_GPID="];

/// A command, and what its process is to be like.
#[pin_data]
pub(crate) struct Launch {
    execution: Arc<Execution>,
    creds: ProcessCreds,
    umask: u32,
    limits: [Limit; LIMITS],
    /// Before the program's path: the directory of the caller's node, or nothing.
    prefix: CString,
    argv: StringList,
    envp: StringList,
    directory: Path,
    /// The program's descriptors, until it has them.
    #[pin]
    streams: Mutex<Option<[StreamFile; 3]>>,
}

impl Launch {
    /// Takes a command and its caller's request.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the program's file is at the caller's node and its name is no full path,
    /// `ENOMEM`, `ENFILE`.
    pub(crate) fn new(
        execution: Arc<Execution>,
        request: &OpenRequest,
        command: &Command<'_>,
    ) -> Result<Arc<Self>> {
        let at_caller = request.flags.get() & OpenRequest::PROGRAM_AT_CALLER != 0;
        let prefix = match at_caller && !names_node(command.program()) {
            true => CString::try_from_fmt(fmt!("/linus{}", request.caller().host().raw()))?,
            false => CString::try_from_fmt(fmt!(""))?,
        };
        if at_caller && command.program().contains(&b'/') && command.program()[0] != b'/' {
            return Err(EINVAL);
        }
        let mut argv = StringList::new();
        for arg in command.argv() {
            argv.push(&[arg])?;
        }
        let mut directory = Path::new();
        directory.set(&[command.cwd().unwrap_or(b"/")])?;
        let envp = environment(&execution, request, command)?;
        let streams = Some(execution.open_streams()?);
        let (creds, umask, limits) = (request.creds, request.umask.get(), request.limits);
        Arc::pin_init(
            pin_init!(Self {
                execution,
                creds,
                umask,
                limits,
                prefix,
                argv,
                envp,
                directory,
                streams <- new_mutex!(streams, "podos_gipc_streams"),
            }),
            GFP_KERNEL,
        )
    }

    /// The arguments.
    pub(crate) fn argv(&self) -> &StringList {
        &self.argv
    }

    /// The environment.
    pub(crate) fn envp(&self) -> &StringList {
        &self.envp
    }

    /// The limits of the process's resources.
    pub(crate) fn limits(&self) -> &[Limit; LIMITS] {
        &self.limits
    }

    /// Finds the program and has the process become it, as `execvp(3)` does.
    fn set_program(&self, child: &mut Child) -> Result {
        let program = self.argv.iter().next().ok_or(EINVAL)?;
        let prefix = self.prefix.to_bytes();
        let mut path = Path::new();
        if program.contains(&b'/') {
            path.set(&[prefix, program])?;
            return child.set_program(path.get()?);
        }
        let mut error = ENOENT;
        for directory in self.search_path().split(|&byte| byte == b':') {
            match directory {
                // By tradition an empty entry is the working directory.
                b"" => path.set(&[b"./", program])?,
                _ => path.set(&[prefix, directory, b"/", program])?,
            }
            match child.check_program(path.get()?) {
                Ok(()) => return child.set_program(path.get()?),
                // What can't be run is passed over, but remembered.
                Err(e) if e == EACCES => error = e,
                Err(e) if e == ENOENT || e == ENOTDIR => {}
                Err(e) => return Err(e),
            }
        }
        Err(error)
    }

    fn search_path(&self) -> &[u8] {
        let mut given = self.envp.iter().filter_map(|v| v.strip_prefix(b"PATH="));
        given.next().unwrap_or(DEFAULT_PATH)
    }
}

impl Setup for Launch {
    fn prepare(&self, child: &mut Child) -> Result {
        child.new_session()?;
        child.assume(&self.creds)?;
        child.set_umask(self.umask);
        let streams = self.streams.lock().take().ok_or(EINVAL)?;
        for (fd, stream) in (0..).zip(&streams) {
            child.install(fd, stream)?;
        }
        child.change_directory(self.directory.get()?)?;
        self.set_program(child)?;
        self.execution.start()
    }
}

/// Whether a path begins with a node's directory, as in the paper's `/linus3/a.out`.
fn names_node(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/linus") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'/')
}

/// The program's environment: the caller's or a default one, and where the program came from.
fn environment(
    execution: &Execution,
    request: &OpenRequest,
    command: &Command<'_>,
) -> Result<StringList> {
    let mut envp = StringList::new();
    let mut given = command.env().peekable();
    if given.peek().is_none() {
        envp.push(&[b"PATH=", DEFAULT_PATH])?;
        envp.push(&[b"HOME=/"])?;
    }
    let [cdt, gpid] = OWN_VARIABLES;
    for variable in given {
        if !OWN_VARIABLES.iter().any(|own| variable.starts_with(own)) {
            envp.push(&[variable])?;
        }
    }
    let index = CString::try_from_fmt(fmt!("{}", execution.circuit.index().raw()))?;
    envp.push(&[cdt, index.to_bytes()])?;
    let caller = CString::try_from_fmt(fmt!("{:016x}", request.caller().raw()))?;
    envp.push(&[gpid, caller.to_bytes()])?;
    Ok(envp)
}

/// A null-terminated path that is put together from pieces.
struct Path(KVec<u8>);

impl Path {
    fn new() -> Self {
        Self(KVec::new())
    }

    fn set(&mut self, parts: &[&[u8]]) -> Result {
        self.0.clear();
        for part in parts {
            self.0.extend_from_slice(part, GFP_KERNEL)?;
        }
        self.0.push(0, GFP_KERNEL)?;
        Ok(())
    }

    fn get(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(&self.0).map_err(|_| EINVAL)
    }
}
