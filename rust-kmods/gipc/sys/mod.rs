// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for the kernel objects that remote execution touches.
//!
//! All of gipc's `unsafe` code is here: one C object, one file.

mod credentials;
mod pid;
mod stream_file;
mod string_list;
mod usermode_helper;

pub(crate) use credentials::caller_credentials;
pub(crate) use pid::Pid;
pub(crate) use stream_file::{adopt, open_root, raise_sigpipe, Mode, OpeningFile, StreamFile};
pub(crate) use string_list::StringList;
pub(crate) use usermode_helper::{run, Child, Helper};
