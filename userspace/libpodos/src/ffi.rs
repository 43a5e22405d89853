// SPDX-License-Identifier: MIT OR Apache-2.0

//! The C interface, described in `include/podos.h`.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr, OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{read, write, Errno};

use crate::{abi, ioctl, Caller, Error, Program, ProgramAt, Record, Remote, RECORD_HEADER};

const PROGRAM_AT_CALLER: c_uint = 1;

/// Gives C a result: the value, or a negative `errno`.
fn give<T: From<c_int>>(result: Result<T, i32>) -> T {
    result.unwrap_or_else(|errno| T::from(-errno))
}

fn errno(error: Error) -> i32 {
    error.errno()
}

fn raw(error: Errno) -> i32 {
    error.raw_os_error()
}

fn os(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A C caller's descriptor for the time of a call.
fn borrow<'a>(fd: c_int) -> Result<BorrowedFd<'a>, i32> {
    if fd < 0 {
        return Err(libc::EBADF);
    }
    // SAFETY: `fd` is not -1. That it stays open during the call is the C caller's affair, as
    // with every function that takes a descriptor; a closed one gives `EBADF`.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// A C string's bytes; `None` for a null pointer.
///
/// # Safety
///
/// `string` is null or a null-terminated string that lives and is not written for `'a`.
unsafe fn text<'a>(string: *const c_char) -> Option<&'a OsStr> {
    if string.is_null() {
        return None;
    }
    // SAFETY: By the safety requirement.
    let string = unsafe { CStr::from_ptr(string) };
    Some(OsStr::from_bytes(string.to_bytes()))
}

/// The strings of a null-terminated array; none for a null pointer.
///
/// # Safety
///
/// `array` is null or an array of null-terminated strings, itself ended by a null pointer.
unsafe fn list(array: *const *const c_char) -> Vec<OsString> {
    let mut strings = Vec::new();
    if array.is_null() {
        return strings;
    }
    loop {
        // SAFETY: No null pointer was met so far, so this element is inside the array.
        let element = unsafe { *array.add(strings.len()) };
        // SAFETY: By the safety requirement it is null or a string.
        match unsafe { text(element) } {
            Some(string) => strings.push(string.to_owned()),
            None => return strings,
        }
    }
}

/// A C caller's buffer.
///
/// # Safety
///
/// `buffer` is valid for writes of `size` bytes for `'a`, and nobody else uses it.
unsafe fn bytes_mut<'a>(buffer: *mut c_void, size: usize) -> Result<&'a mut [u8], i32> {
    if size == 0 {
        return Ok(&mut []);
    }
    if buffer.is_null() || size > isize::MAX as usize {
        return Err(libc::EFAULT);
    }
    // SAFETY: By the safety requirement; bytes that C left uninitialised are only written: they
    // go to read(2), and no more of them is looked at than it says it wrote.
    Ok(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), size) })
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `node` is null or a null-terminated string.
#[no_mangle]
pub unsafe extern "C" fn podos_open(node: *const c_char, flags: c_uint) -> c_int {
    // SAFETY: By the safety requirement.
    let node = unsafe { text(node) };
    let open = || {
        let program_at = match flags {
            0 => ProgramAt::Remote,
            PROGRAM_AT_CALLER => ProgramAt::Caller,
            _ => return Err(libc::EINVAL),
        };
        let node = node.and_then(OsStr::to_str).ok_or(libc::EINVAL)?;
        let node = node.parse().map_err(errno)?;
        let remote = Remote::open_with(node, program_at).map_err(errno)?;
        Ok(OwnedFd::from(remote).into_raw_fd())
    };
    give(open())
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `argv` and `envp` are null or arrays of null-terminated strings that end with a null pointer;
/// `cwd` is null or a null-terminated string.
#[no_mangle]
pub unsafe extern "C" fn podos_exec(
    fd: c_int,
    argv: *const *const c_char,
    envp: *const *const c_char,
    cwd: *const c_char,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (args, env, cwd) = unsafe { (list(argv), list(envp), text(cwd)) };
    let exec = || {
        let env: Option<Vec<_>> = env.iter().map(|variable| split(variable)).collect();
        let program = Program {
            args,
            env: env.ok_or(libc::EINVAL)?,
            cwd: cwd.map(OsStr::to_owned),
        };
        let mut command = program.encode().map_err(errno)?;
        while !command.is_empty() {
            let written = write(borrow(fd)?, &command).map_err(raw)?;
            command.drain(..written);
        }
        Ok(0)
    };
    give(exec())
}

/// `NAME=VALUE` in two.
fn split(variable: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = variable.as_bytes();
    let equals = bytes.iter().position(|&b| b == b'=')?;
    let (name, value) = (&bytes[..equals], &bytes[equals + 1..]);
    let own = |bytes| OsStr::from_bytes(bytes).to_owned();
    Some((own(name), own(value)))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `buffer` is valid for writes of `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn podos_read(fd: c_int, buffer: *mut c_void, size: usize) -> isize {
    // SAFETY: By the safety requirement.
    let buffer = unsafe { bytes_mut(buffer, size) };
    let read = || {
        let len = read(borrow(fd)?, buffer?).map_err(raw)?;
        isize::try_from(len).map_err(|_| libc::EOVERFLOW)
    };
    read().unwrap_or_else(|errno| -(errno as isize))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `bytes` is valid for reads of `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn podos_write(fd: c_int, bytes: *const c_void, size: usize) -> isize {
    let write = || {
        if size == 0 {
            return Ok(0);
        }
        if bytes.is_null() || size > isize::MAX as usize {
            return Err(libc::EFAULT);
        }
        // SAFETY: By the safety requirement.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), size) };
        let len = write(borrow(fd)?, bytes).map_err(raw)?;
        isize::try_from(len).map_err(|_| libc::EOVERFLOW)
    };
    write().unwrap_or_else(|errno| -(errno as isize))
}

/// See `include/podos.h`.
#[no_mangle]
pub extern "C" fn podos_use_records(fd: c_int) -> c_int {
    let call = || ioctl::call::<{ abi::RECORDS }>(borrow(fd)?).map_err(os);
    give(call().map(|()| 0))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `stream` is null or valid for a write, and `buffer` is valid for writes of `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn podos_read_record(
    fd: c_int,
    stream: *mut c_int,
    buffer: *mut c_void,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirement.
    let buffer = unsafe { bytes_mut(buffer, size) };
    let read = || -> Result<(c_int, usize), i32> {
        let buffer = buffer?;
        let len = read(borrow(fd)?, &mut *buffer).map_err(raw)?;
        if len == 0 {
            return Ok((0, 0));
        }
        let stream = match Record::parse(&buffer[..len]).map_err(|_| libc::EPROTO)? {
            Record::Stdout(_) => 1,
            Record::Stderr(_) => 2,
            Record::Exit(_) => 3,
        };
        buffer.copy_within(RECORD_HEADER..len, 0);
        if stream == 3 {
            let status: [u8; 4] = buffer[..4].try_into().map_err(|_| libc::EPROTO)?;
            buffer[..4].copy_from_slice(&i32::from_le_bytes(status).to_ne_bytes());
        }
        Ok((stream, len - RECORD_HEADER))
    };
    match read() {
        Ok((kind, len)) => {
            if !stream.is_null() {
                // SAFETY: By the safety requirement.
                unsafe { stream.write(kind) };
            }
            len as isize
        }
        Err(errno) => -(errno as isize),
    }
}

/// See `include/podos.h`.
#[no_mangle]
pub extern "C" fn podos_end_input(fd: c_int) -> c_int {
    let call = || ioctl::call::<{ abi::END_OF_INPUT }>(borrow(fd)?).map_err(os);
    give(call().map(|()| 0))
}

/// See `include/podos.h`.
#[no_mangle]
pub extern "C" fn podos_fail_input(fd: c_int, error: c_int) -> c_int {
    let set = || ioctl::set::<{ abi::FAIL_INPUT }, i32>(borrow(fd)?, error).map_err(os);
    give(set().map(|()| 0))
}

/// See `include/podos.h`.
#[no_mangle]
pub extern "C" fn podos_signal(fd: c_int, signal: c_int) -> c_int {
    let set = || ioctl::set::<{ abi::SIGNAL }, i32>(borrow(fd)?, signal).map_err(os);
    give(set().map(|()| 0))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `status` is null or valid for a write.
#[no_mangle]
pub unsafe extern "C" fn podos_status(fd: c_int, status: *mut c_int) -> c_int {
    let get = || ioctl::get::<{ abi::STATUS }, i32>(borrow(fd)?).map_err(os);
    // SAFETY: By the safety requirement.
    give(get().map(|value| unsafe { store(status, value) }))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `gpid` is null or valid for a write.
#[no_mangle]
pub unsafe extern "C" fn podos_gpid(fd: c_int, gpid: *mut u64) -> c_int {
    let get = || ioctl::get::<{ abi::GPID }, u64>(borrow(fd)?).map_err(os);
    // SAFETY: By the safety requirement.
    give(get().map(|value| unsafe { store(gpid, value) }))
}

/// See `include/podos.h`.
///
/// # Safety
///
/// `gpid` and `circuit` are null or valid for a write.
#[no_mangle]
pub unsafe extern "C" fn podos_caller(gpid: *mut u64, circuit: *mut u32) -> c_int {
    let Some(caller) = Caller::of_this_process() else {
        return -libc::ENOENT;
    };
    // SAFETY: By the safety requirement.
    unsafe { store(gpid, caller.gpid.raw()) };
    // SAFETY: By the safety requirement.
    unsafe { store(circuit, caller.circuit) }
}

/// Writes a result to where C wants it, and gives C's "no error".
///
/// # Safety
///
/// `place` is null or valid for a write.
unsafe fn store<T>(place: *mut T, value: T) -> c_int {
    if !place.is_null() {
        // SAFETY: By the safety requirement.
        unsafe { place.write(value) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::os::fd::AsRawFd;

    #[test]
    fn exec_writes_the_command() {
        let (reader, writer) = pipe().unwrap();
        let argv = [c"sh".as_ptr(), c"-c".as_ptr(), std::ptr::null()];
        let envp = [
            c"A=b=c".as_ptr(),
            c"PATH=/bin".as_ptr(),
            c"HOME=/".as_ptr(),
            std::ptr::null(),
        ];
        // SAFETY: Both arrays end with a null pointer and hold literals.
        let result = unsafe {
            podos_exec(
                writer.as_raw_fd(),
                argv.as_ptr(),
                envp.as_ptr(),
                c"/tmp".as_ptr(),
            )
        };
        assert_eq!(result, 0);
        let mut buffer = [0; 100];
        let len = read(&reader, &mut buffer).unwrap();
        assert_eq!(
            &buffer[..len],
            b"sh\0-c\0\0A=b=c\0PATH=/bin\0HOME=/\0\0/tmp\0"
        );
    }

    #[test]
    fn records_lose_their_header() {
        let (reader, writer) = pipe().unwrap();
        let record = [&2u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"err"].concat();
        write(&writer, &record).unwrap();
        let (mut stream, mut buffer) = (0, [0u8; 64]);
        // SAFETY: `stream` and `buffer` are variables of this frame.
        let len = unsafe {
            podos_read_record(
                reader.as_raw_fd(),
                &mut stream,
                buffer.as_mut_ptr().cast(),
                64,
            )
        };
        assert_eq!((stream, len, &buffer[..3]), (2, 3, &b"err"[..]));
        drop(writer);
        // SAFETY: As above.
        let len = unsafe {
            podos_read_record(
                reader.as_raw_fd(),
                &mut stream,
                buffer.as_mut_ptr().cast(),
                64,
            )
        };
        assert_eq!((stream, len), (0, 0));
    }

    #[test]
    fn the_header_declares_what_is_defined() {
        fn names<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
            let found = text.split(before).skip(1);
            let name = |rest: &'a str| rest.split('(').next().unwrap_or(rest);
            let mut names: Vec<_> = found.map(name).collect();
            names.sort_unstable();
            names
        }
        let defined = names(include_str!("ffi.rs"), concat!("extern \"C\" ", "fn "));
        let header = include_str!("../include/podos.h");
        let mut declared = names(header, "\nint podos_");
        declared.extend(names(header, "\nssize_t podos_"));
        declared.sort_unstable();
        let defined: Vec<_> = defined.iter().map(|name| &name["podos_".len()..]).collect();
        assert_eq!(declared, defined);
    }

    #[test]
    fn errors_are_negative() {
        let null = std::ptr::null();
        // SAFETY: Null pointers are allowed everywhere.
        unsafe {
            assert_eq!(podos_open(null, 0), -libc::EINVAL);
            assert_eq!(podos_open(c"linus2".as_ptr(), 8), -libc::EINVAL);
            assert_eq!(podos_open(c"nowhere".as_ptr(), 0), -libc::EINVAL);
            assert_eq!(
                podos_exec(1, std::ptr::null(), std::ptr::null(), null),
                -libc::EINVAL
            );
            assert_eq!(
                podos_read(-1, std::ptr::null_mut(), 0),
                -(libc::EBADF as isize)
            );
        }
        assert_eq!(podos_end_input(-1), -libc::EBADF);
        assert_eq!(podos_fail_input(-1, libc::EIO), -libc::EBADF);
    }
}
