-- SPDX-License-Identifier: MIT OR Apache-2.0

-- What the layers say: docs/wire-protocol.md, sections 4 and 7 to 11, as tables.
--
-- A structure is a list of {name, type}. Types: u8, u16, u32, u64, i32, i64 (big-endian numbers),
-- h8 to h64 (numbers that are read in hexadecimal), oct (permission bits), gpid, time (12 bytes
-- since 1970), ms32 and ms64 (milliseconds), {bytes = N}, {text = N} (up to a NUL), {macs = N},
-- {struct = name}, and {skip = N} for what is reserved.

local messages = {}

messages.structs = {
  hello = {
    { "rail", "u8" }, { "rails", "u8" }, { "flags", "h8" }, { "epoch", "u8" },
    { "incarnation", "u32" }, { "interval_ms", "u16" }, { "mtu", "u16" },
    { "nonce", { bytes = 32 } }, { "fingerprint", { bytes = 4 } },
  },
  handshake = {
    { "flags", "h8" }, { "epoch", "u8" }, { "reserved", { skip = 2 } }, { "incarnation", "u32" },
    { "fingerprint", { bytes = 4 } }, { "nonce", { bytes = 32 } }, { "echo", { bytes = 32 } },
  },
  heard = { { "rails", "h8" }, { "reserved", { skip = 1 } }, { "valid_ms", "u16" } },
  beacon = {
    { "seq", "u32" }, { "hostname", { text = 20 } }, { "interface_count", "u8" },
    { "reserved", { skip = 1 } }, { "cpus", "u16" }, { "interfaces", { macs = 8 } },
    { "nr_running", "u32" }, { "nr_tasks", "u32" },
    { "load1", "load" }, { "load5", "load" }, { "load15", "load" }, { "load", "load" },
    { "interval_ms", "u32" }, { "idle_time_ms", "u64" }, { "mem_free", "u64" },
    { "mem_total", "u64" }, { "uptime_ms", "u64" },
  },
  groups = { { "ngroups", "u32" }, { "groups", { bytes = 64 } } },
  creds = {
    { "fsuid", "u32" }, { "fsgid", "u32" }, { "effective", "h64" }, { "groups", { struct = "groups" } },
  },
  path_args = { { "creds", { struct = "creds" } }, { "path_len", "u16" }, { "second_len", "u16" } },
  open_args = { { "flags", "oct" }, { "mode", "oct" }, { "first", "u32" }, { "reserved", { skip = 4 } } },
  create_args = { { "mode", "oct" }, { "flags", "h32" }, { "rdev_major", "u32" }, { "rdev_minor", "u32" } },
  set_attr = {
    { "valid", "h32" }, { "mode", "oct" }, { "uid", "u32" }, { "gid", "u32" }, { "size", "u64" },
    { "atime", "time" }, { "mtime", "time" },
  },
  readdir_args = { { "cursor", "u64" }, { "max", "u32" }, { "reserved", { skip = 4 } } },
  rename_args = { { "flags", "h32" }, { "reserved", { skip = 4 } } },
  read_args = { { "offset", "u64" }, { "len", "u32" }, { "reserved", { skip = 4 } } },
  write_args = { { "offset", "u64" }, { "len", "u32" }, { "flags", "h32" } },
  fsync_args = { { "datasync", "u32" } },
  truncate_args = { { "size", "u64" } },
  reply = { { "status", "i32" } },
  attr = {
    { "ino", "u64" }, { "dev", "h64" }, { "size", "u64" }, { "blocks", "u64" }, { "generation", "u32" },
    { "mode", "oct" }, { "nlink", "u32" }, { "uid", "u32" }, { "gid", "u32" }, { "rdev_major", "u32" },
    { "rdev_minor", "u32" }, { "blksize", "u32" }, { "atime", "time" }, { "mtime", "time" },
    { "ctime", "time" }, { "btime", "time" }, { "mount_flags", "h32" },
  },
  statfs = {
    { "fs_type", "h64" }, { "blocks", "u64" }, { "bfree", "u64" }, { "bavail", "u64" }, { "files", "u64" },
    { "ffree", "u64" }, { "bsize", "u32" }, { "frsize", "u32" }, { "namelen", "u32" }, { "flags", "h32" },
  },
  open_reply = { { "attr", { struct = "attr" } }, { "flags", "h32" }, { "reserved", { skip = 4 } } },
  write_reply = {
    { "offset", "u64" }, { "written", "u32" }, { "reserved", { skip = 4 } }, { "size", "u64" },
    { "mtime", "time" }, { "ctime", "time" },
  },
  readdir_reply = { { "count", "u32" }, { "flags", "h32" } },
  dirent = {
    { "ino", "u64" }, { "next", "u64" }, { "kind", "u8" }, { "reserved", { skip = 1 } }, { "name_len", "u16" },
  },
  process_creds = {
    { "uid", "u32" }, { "gid", "u32" }, { "euid", "u32" }, { "egid", "u32" }, { "fsuid", "u32" },
    { "fsgid", "u32" }, { "securebits", "h32" }, { "flags", "h32" }, { "inheritable", "h64" },
    { "permitted", "h64" }, { "effective", "h64" }, { "bounding", "h64" }, { "ambient", "h64" },
    { "groups", { struct = "groups" } },
  },
  limit = { { "soft", "h64" }, { "hard", "h64" } },
  limits = {
    { "cpu", { struct = "limit" } }, { "fsize", { struct = "limit" } }, { "data", { struct = "limit" } },
    { "stack", { struct = "limit" } }, { "core", { struct = "limit" } }, { "rss", { struct = "limit" } },
    { "nproc", { struct = "limit" } }, { "nofile", { struct = "limit" } },
    { "memlock", { struct = "limit" } }, { "as", { struct = "limit" } }, { "locks", { struct = "limit" } },
    { "sigpending", { struct = "limit" } }, { "msgqueue", { struct = "limit" } },
    { "nice", { struct = "limit" } }, { "rtprio", { struct = "limit" } }, { "rttime", { struct = "limit" } },
  },
  gipc_open = {
    { "creds", { struct = "process_creds" } }, { "flags", "h32" }, { "caller_host", "u32" },
    { "caller", "gpid" }, { "umask", "oct" }, { "limits", { struct = "limits" } },
  },
  signal = { { "target", "gpid" }, { "signo", "i32" } },
  started = { { "gpid", "gpid" } },
  exit = { { "wait_status", "i32" } },
  failed = { { "status", "i32" } },
}

-- The operations of each class: name, then the parts of what goes to the passive end and of what
-- comes back. A part is the name of a structure, or
--   path, second   as many bytes as the PathArgs before said
--   target         all the rest, as text
--   entries        as many directory entries as the ReaddirReply before said
--   command        strings, each ended by a NUL
--   rest           whatever else there is
local function pdfs(name, request, reply)
  table.insert(reply, 1, "reply")
  return { name = name, request = request, reply = reply }
end

messages.classes = {
  [0] = { name = "CM", ops = { [0] = { name = "" }, { name = "Heard", request = { "heard" } } } },
  [1] = {
    name = "PDFS",
    ops = {
      pdfs("Lookup", { "path_args", "path" }, { "attr" }),
      pdfs("Getattr", { "path_args", "path" }, { "attr" }),
      pdfs("Setattr", { "path_args", "set_attr", "path" }, { "attr" }),
      pdfs("Readdir", { "path_args", "readdir_args", "path" }, { "readdir_reply", "entries" }),
      pdfs("Readlink", { "path_args", "path" }, { "target" }),
      pdfs("Statfs", { "path_args", "path" }, { "statfs" }),
      pdfs("Create", { "path_args", "create_args", "path" }, { "attr" }),
      pdfs("Mkdir", { "path_args", "create_args", "path" }, { "attr" }),
      pdfs("Mknod", { "path_args", "create_args", "path" }, { "attr" }),
      pdfs("Symlink", { "path_args", "path", "second" }, { "attr" }),
      pdfs("Link", { "path_args", "path", "second" }, { "attr" }),
      pdfs("Unlink", { "path_args", "path" }, {}),
      pdfs("Rmdir", { "path_args", "path" }, {}),
      pdfs("Rename", { "path_args", "rename_args", "path", "second" }, {}),
      pdfs("Fsyncdir", { "path_args", "fsync_args", "path" }, {}),
      [16] = pdfs("Open", { "path_args", "open_args", "path" }, { "open_reply", "rest" }),
      [17] = pdfs("Read", { "read_args" }, { "rest" }),
      [18] = pdfs("Write", { "write_args", "rest" }, { "write_reply" }),
      [19] = pdfs("Fsync", { "fsync_args" }, {}),
      [20] = pdfs("Truncate", { "truncate_args" }, { "attr" }),
      [21] = pdfs("Fgetattr", {}, { "attr" }),
      [22] = pdfs("Fsetattr", { "set_attr" }, { "attr" }),
      [23] = pdfs("Close", {}, {}),
      [31] = pdfs("Cut", { "rest" }, {}),
    },
  },
  [2] = { name = "RM", ops = { { name = "Beacon", request = { "beacon" } } } },
  [3] = {
    name = "GIPC",
    ops = {
      { name = "Open", request = { "gipc_open" } },
      { name = "Exec", request = { "command" } },
      { name = "Stdin", request = { "rest" } },
      { name = "StdinEof", request = {} },
      { name = "Signal", request = { "signal" } },
      { name = "StdinFailed", request = { "failed" } },
      [8] = { name = "Started", reply = { "started" } },
      [9] = { name = "Stdout", reply = { "rest" } },
      [10] = { name = "Stderr", reply = { "rest" } },
      [11] = { name = "Exit", reply = { "exit" } },
      [12] = { name = "Failed", reply = { "failed" } },
    },
  },
  [4] = { name = "kDDM", ops = {} },
  [5] = { name = "DIPC", ops = {} },
  [7] = { name = "Test", ops = {} },
}

messages.kinds = {
  [1] = "Ephemeral", [2] = "Hello", [3] = "Data", [4] = "Ack", [5] = "Reset", [6] = "Handshake",
}

messages.reset_reasons = {
  [1] = "NoCircuit", [2] = "Refused", [3] = "Full", [4] = "Aborted", [5] = "Protocol",
  [6] = "TimedOut", [7] = "PeerDown",
}

return messages
