// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for the kernel objects that remote execution touches.
//!
//! All of gipc's `unsafe` code is here: one C object, one file.

mod credentials;
pub(crate) mod fences;
mod limits;
mod log;
mod pid;
mod process;
mod stream_file;
mod string_list;
mod umask;

pub(crate) use credentials::of_caller as credentials_of_caller;
pub(crate) use limits::of_caller as limits_of_caller;
pub(crate) use log::has_room as log_has_room;
pub(crate) use pid::Pid;
pub(crate) use process::{run, Child, Setup};
pub(crate) use stream_file::{adopt, open_root, raise_sigpipe, Mode, OpeningFile, StreamFile};
pub(crate) use string_list::StringList;
pub(crate) use umask::of_caller as umask_of_caller;
