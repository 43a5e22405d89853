-- SPDX-License-Identifier: MIT OR Apache-2.0

-- Wireshark dissector of PODOS frames, after docs/wire-protocol.md.
--
--   tshark -X lua_script:tools/wireshark/podos.lua -r capture.pcap
--
-- In Wireshark: put this file and the folder `podos` beside it into the personal plugin folder
-- (Help, About, Folders). What is encrypted is shown when the preference "Session keys" names a file
-- as /sys/kernel/debug/podos/session_keys of a node is (podos_cm loaded with reveal_keys=1): a line
-- for each key,
--
--   FROM TO ID KEY
--
-- sender's and receiver's node as 16 hexadecimal digits (receiver 0: the key of what the sender
-- says to all), the id in the header, 2 digits, and the key, 64 digits. Of each message the
-- beginning is taken apart, as far as it lies in its first frame.

local here = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or "./"
local function part(name) return dofile(here .. "podos/" .. name .. ".lua") end
local aead, messages = part("aead"), part("messages")

local podos = Proto("podos", "PODOS Communication Manager")

local ETHERTYPE, VERSION = 0x88b5, 2
local HEADER, COUNTER, TAG = 48, 8, 16
local HELLO, DATA, RESET, HANDSHAKE, EPHEMERAL = 2, 3, 5, 6, 1
local NOBODY = 0xffff

local FLAGS = {
  { "open", "OPEN", 0x0001 }, { "end", "END", 0x0002 }, { "fin", "FIN", 0x0004 },
  { "to_passive", "TO_PASSIVE", 0x0008 }, { "ack_valid", "ACK_VALID", 0x0010 },
  { "probe", "PROBE", 0x0020 }, { "more", "MORE", 0x0040 }, { "sealed", "SEALED", 0x4000 },
  { "auth", "AUTH", 0x8000 },
}

-- Fields -----------------------------------------------------------------------------------------

local fields = {}

local function field(name, new, ...)
  fields[name] = new("podos." .. name, ...)
end

field("version", ProtoField.uint8, "Version")
field("kind", ProtoField.uint8, "Kind", base.DEC, messages.kinds)
field("flags", ProtoField.uint16, "Flags", base.HEX)
for _, flag in ipairs(FLAGS) do
  field("flags." .. flag[1], ProtoField.bool, flag[2], 16, nil, flag[3])
end
local class_names = {}
for number, class in pairs(messages.classes) do class_names[number] = class.name end
field("ctrl_info", ProtoField.uint8, "Class and operation", base.HEX)
field("class", ProtoField.uint8, "Class", base.DEC, class_names, 0x07)
field("op", ProtoField.uint8, "Operation", base.DEC, nil, 0xf8)
field("op.name", ProtoField.string, "Operation")
field("key_id", ProtoField.uint8, "Key id", base.HEX)
field("length", ProtoField.uint16, "Length")
for _, name in ipairs({ "from", "to" }) do
  local title = name == "from" and "From" or "To"
  field(name, ProtoField.uint64, title, base.HEX)
  field(name .. ".host", ProtoField.uint32, "Host id")
  field(name .. ".boot", ProtoField.uint16, "Boot sequence")
  field(name .. ".pid", ProtoField.uint16, "Process id")
end
field("active", ProtoField.uint32, "Active index", base.HEX)
field("passive", ProtoField.uint32, "Passive index", base.HEX)
field("seq", ProtoField.uint32, "Segment")
field("reason", ProtoField.uint32, "Reason", base.DEC, messages.reset_reasons)
field("ack", ProtoField.uint32, "Acknowledgement")
field("open_seq", ProtoField.uint32, "Open sequence")
field("sack", ProtoField.uint32, "Selective acknowledgement", base.HEX)
field("window", ProtoField.uint16, "Window")
field("offset", ProtoField.uint16, "Offset in segment")
field("counter", ProtoField.uint64, "Counter")
field("tag", ProtoField.bytes, "Tag")
field("tag.status", ProtoField.string, "Tag is")
field("sealed", ProtoField.bytes, "Encrypted data")
field("data", ProtoField.bytes, "Data")
field("continues", ProtoField.bytes, "Continuation of a message")
field("path", ProtoField.string, "Path")
field("second", ProtoField.string, "New path or target")
field("target", ProtoField.string, "Target")
field("name", ProtoField.string, "Name")
field("argument", ProtoField.string, "String")

-- How a type is shown: its field, its bytes, and how it is added to a tree if not plainly.
local TYPES = {
  u8 = { ProtoField.uint8, 1 }, u16 = { ProtoField.uint16, 2 }, u32 = { ProtoField.uint32, 4 },
  u64 = { ProtoField.uint64, 8 }, i32 = { ProtoField.int32, 4 },
  h8 = { ProtoField.uint8, 1, base.HEX }, h32 = { ProtoField.uint32, 4, base.HEX },
  h64 = { ProtoField.uint64, 8, base.HEX }, oct = { ProtoField.uint32, 4, base.OCT },
  gpid = { ProtoField.uint64, 8, base.HEX },
  time = {
    ProtoField.absolute_time, 12, base.UTC,
    function(range) return NSTime.new(range(0, 8):int64():tonumber(), range(8, 4):uint()) end,
  },
  load = { ProtoField.double, 4, nil, function(range) return range:uint() / 2048 end },
}

for struct, members in pairs(messages.structs) do
  for _, member in ipairs(members) do
    local name, kind = member[1], member[2]
    local key = struct .. "." .. name
    if type(kind) == "string" then
      local new, _, shown = table.unpack(TYPES[kind])
      if shown then field(key, new, name, shown) else field(key, new, name) end
    elseif kind.bytes then
      field(key, ProtoField.bytes, name)
    elseif kind.text then
      field(key, ProtoField.string, name)
    elseif kind.macs then
      field(key, ProtoField.ether, name)
    end
  end
end

local list = {}
for _, one in pairs(fields) do list[#list + 1] = one end
podos.fields = list

local malformed = ProtoExpert.new("podos.malformed", "Malformed frame", expert.group.MALFORMED, expert.severity.ERROR)
local forged = ProtoExpert.new("podos.forged", "The tag is wrong", expert.group.SECURITY, expert.severity.WARN)
podos.experts = { malformed, forged }

-- Keys -------------------------------------------------------------------------------------------

podos.prefs.keys = Pref.string("Session keys", "", "A file as /sys/kernel/debug/podos/session_keys is")

-- By sender and receiver node and key id: the keys that had this id.
local keys = {}

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- The upper 48 bits of a GPID: its node.
local function node_of(gpid) return gpid:lower():sub(1, 12) end

local function load_keys(path)
  keys = {}
  if path == "" then return end
  local file, why = io.open(path, "r")
  if not file then
    report_failure("PODOS session keys: " .. why)
    return
  end
  local number = 0
  for line in file:lines() do
    number = number + 1
    local from, to, id, key = line:match("^(%x+)%s+(%x+)%s+(%x+)%s+(%x+)%s*$")
    if from and #from == 16 and #to == 16 and #id == 2 and #key == 64 then
      local name = node_of(from) .. node_of(to) .. id:lower()
      keys[name] = keys[name] or {}
      table.insert(keys[name], unhex(key))
    elseif not line:match("^%s*$") and not line:match("^#") then
      report_failure(("PODOS session keys: %s:%d is no line `FROM TO ID KEY`"):format(path, number))
    end
  end
  file:close()
end

function podos.prefs_changed() load_keys(podos.prefs.keys) end

-- Messages ---------------------------------------------------------------------------------------

-- By direction of a circuit: the segments with which a message ends.
local ends = {}

function podos.init()
  ends = {}
  load_keys(podos.prefs.keys)
end

local function add_struct(tree, name, range)
  local at = 0
  for _, member in ipairs(messages.structs[name]) do
    local key, kind = name .. "." .. member[1], member[2]
    if type(kind) == "string" then
      local _, size, _, value = table.unpack(TYPES[kind])
      local span = range(at, size)
      if value then tree:add(fields[key], span, value(span)) else tree:add(fields[key], span) end
      at = at + size
    elseif kind.struct then
      local size = messages.size(kind.struct)
      add_struct(tree:add(range(at, size), member[1]), kind.struct, range(at, size))
      at = at + size
    elseif kind.macs then
      for _ = 1, kind.macs do
        if range(at, 6):bytes():tohex() ~= "000000000000" then tree:add(fields[key], range(at, 6)) end
        at = at + 6
      end
    elseif kind.text then
      tree:add(fields[key], range(at, kind.text), range(at, kind.text):stringz())
      at = at + kind.text
    elseif kind.bytes then
      tree:add(fields[key], range(at, kind.bytes))
      at = at + kind.bytes
    else
      at = at + kind.skip
    end
  end
end

-- Takes the beginning of a message apart, as far as `data` goes. `parts` as in messages.lua.
local function add_parts(tree, parts, data)
  local at, lengths, count = 0, {}, 0
  local left = function() return data:len() - at end
  local function text(name, len)
    if len > 0 then tree:add(fields[name], data(at, len), data(at, len):string()) end
    at = at + len
  end
  for _, name in ipairs(parts) do
    if messages.structs[name] then
      local size = messages.size(name)
      if left() < size then return at end
      local range = data(at, size)
      add_struct(tree:add(range, name), name, range)
      at = at + size
      if name == "path_args" then
        local creds = messages.size("creds")
        lengths = { path = range(creds, 2):uint(), second = range(creds + 2, 2):uint() }
      elseif name == "readdir_reply" then
        count = range(0, 4):uint()
      elseif name == "reply" and range:int() ~= 0 then
        return at
      end
    elseif name == "path" or name == "second" then
      local len = lengths[name] or 0
      if left() < len then return at end
      text(name, len)
    elseif name == "target" then
      text(name, left())
    elseif name == "entries" then
      for _ = 1, count do
        if left() < messages.size("dirent") then return at end
        local size = messages.size("dirent") + data(at + 18, 2):uint()
        if left() < size then return at end
        local entry = tree:add(data(at, size), "dirent")
        add_struct(entry, "dirent", data(at, messages.size("dirent")))
        entry:add(fields.name, data(at + 20, size - 20), data(at + 20, size - 20):string())
        at = at + size
      end
    elseif name == "command" then
      while left() > 0 do
        local range = data(at)
        local len = (range:bytes():raw():find("\0", 1, true) or range:len() + 1) - 1
        tree:add(fields.argument, data(at, math.min(len + 1, left())), len > 0 and data(at, len):string() or "")
        at = math.min(at + len + 1, data:len())
      end
    end
  end
  return at
end

-- Whether the frame's segment begins a message, as far as the capture tells.
local function begins_message(frame, visited)
  if frame.kind ~= DATA then return true end
  local direction = table.concat({ frame.from, frame.to, frame.class, frame.active, frame.to_passive and "p" or "a" }, " ")
  local last = ends[direction] or {}
  if frame.ends and not visited then
    last[frame.seq] = true
    ends[direction] = last
  end
  return frame.offset == 0 and (frame.seq == 0 or last[(frame.seq - 1) % 0x100000000] == true)
end

local function add_body(tree, frame, data, visited)
  local begins = begins_message(frame, visited)
  if data:len() == 0 then return end
  if not begins then
    tree:add(fields.continues, data)
    return
  end
  local parts
  if frame.kind == HELLO then
    parts = { "hello" }
  elseif frame.kind == HANDSHAKE then
    parts = { "handshake" }
  elseif frame.operation then
    local answer = frame.kind == DATA and not frame.to_passive
    parts = answer and frame.operation.reply or not answer and frame.operation.request
  end
  local at = add_parts(tree, parts or {}, data)
  if at < data:len() then tree:add(fields.data, data(at)) end
end

-- Frames -----------------------------------------------------------------------------------------

-- The plain data of an authenticated frame, or nil, and what is to be said of its tag.
local function open(frame, packet)
  -- What is said to all, or before there is a session, has the key of the sender alone.
  local pair = frame.kind ~= HELLO and frame.kind ~= HANDSHAKE and frame.kind ~= EPHEMERAL
  local to = pair and node_of(frame.to) or ("0"):rep(12)
  local known = keys[node_of(frame.from) .. to .. ("%02x"):format(frame.key_id)]
  if not known then return nil, "not checked: no key" end
  local before = HEADER + COUNTER
  local head, data = packet(0, before):bytes():raw(), frame.length > 0 and packet(before, frame.length):bytes():raw() or ""
  local tag = packet(before + frame.length, TAG):bytes():raw()
  local nonce = "\0\0\0\0" .. packet(HEADER, COUNTER):bytes():raw():reverse()
  for _, key in ipairs(known) do
    if frame.sealed then
      local plain = aead.open(key, nonce, head, data, tag)
      if plain then return plain, "right" end
    elseif aead.open(key, nonce, head .. data, "", tag) then
      return data, "right"
    end
  end
  return nil, "wrong"
end

local function add_gpid(tree, name, range)
  local item = tree:add(fields[name], range)
  item:add(fields[name .. ".host"], range(0, 4))
  item:add(fields[name .. ".boot"], range(4, 2))
  item:add(fields[name .. ".pid"], range(6, 2))
  return range:bytes():tohex(true), range(0, 4):uint(), range(6, 2):uint()
end

local function process(host, pid)
  if host == 0 then return "all" end
  return pid == 0 and ("linus%d"):format(host) or ("linus%d:%d"):format(host, pid)
end

local function add_index(tree, name, range)
  local item = tree:add(fields[name], range)
  if range(2, 2):uint() == NOBODY then item:append_text(" (none)") end
  return range:uint()
end

-- Adds the header; what the rest needs to know of it, or nil if it is none.
local function add_header(tree, packet)
  local bits, flags = packet(2, 2):uint(), {}
  local frame = { kind = packet(1, 1):uint(), class = packet(4, 1):bitfield(5, 3) }
  tree:add(fields.version, packet(0, 1))
  tree:add(fields.kind, packet(1, 1))
  local item = tree:add(fields.flags, packet(2, 2))
  for _, flag in ipairs(FLAGS) do
    item:add(fields["flags." .. flag[1]], packet(2, 2))
    if math.floor(bits / flag[3]) % 2 == 1 then
      flags[flag[1]] = true
      frame.flags = (frame.flags and frame.flags .. " " or "") .. flag[2]
    end
  end
  item:append_text(" " .. (frame.flags or "none"))
  frame.to_passive, frame.auth, frame.sealed = flags.to_passive, flags.auth, flags.sealed
  frame.ends = flags["end"]

  local class = messages.classes[frame.class]
  local op = packet(4, 1):bitfield(0, 5)
  frame.operation = class and class.ops[op]
  frame.title = frame.operation and frame.operation.name or ("op %d"):format(op)
  frame.class_name = class and class.name or ("class %d"):format(frame.class)
  item = tree:add(fields.ctrl_info, packet(4, 1))
  item:add(fields.class, packet(4, 1))
  item:add(fields.op, packet(4, 1))
  if frame.title ~= "" then item:add(fields["op.name"], packet(4, 1), frame.title) end

  tree:add(fields.key_id, packet(5, 1))
  tree:add(fields.length, packet(6, 2))
  frame.key_id, frame.length = packet(5, 1):uint(), packet(6, 2):uint()
  local host, pid
  frame.from, host, pid = add_gpid(tree, "from", packet(8, 8))
  frame.sender = process(host, pid)
  frame.to, host, pid = add_gpid(tree, "to", packet(16, 8))
  frame.receiver = process(host, pid)
  frame.active = add_index(tree, "active", packet(24, 4))
  frame.passive = add_index(tree, "passive", packet(28, 4))
  frame.seq, frame.ack = packet(32, 4):uint(), packet(36, 4):uint()
  tree:add(frame.kind == RESET and fields.reason or fields.seq, packet(32, 4))
  tree:add(flags.open and fields.open_seq or fields.ack, packet(36, 4))
  tree:add(fields.sack, packet(40, 4))
  tree:add(fields.window, packet(44, 2))
  tree:add(fields.offset, packet(46, 2))
  frame.offset = packet(46, 2):uint()
  return frame
end

local function summary(frame)
  local words = { messages.kinds[frame.kind] or ("kind %d"):format(frame.kind) }
  if frame.kind == DATA or frame.kind == EPHEMERAL then
    words[#words + 1] = frame.class_name .. " " .. frame.title
  end
  if frame.kind == DATA then words[#words + 1] = ("seq=%d"):format(frame.seq) end
  if frame.offset > 0 then words[#words + 1] = ("offset=%d"):format(frame.offset) end
  if frame.kind == RESET then
    words[#words + 1] = messages.reset_reasons[frame.seq] or ("reason %d"):format(frame.seq)
  end
  if frame.length > 0 then words[#words + 1] = ("len=%d"):format(frame.length) end
  if frame.flags then words[#words + 1] = "[" .. frame.flags .. "]" end
  return ("%s > %s  %s"):format(frame.sender, frame.receiver, table.concat(words, " "))
end

function podos.dissector(buffer, pinfo, root)
  pinfo.cols.protocol = "PODOS"
  local packet = buffer()
  local tree = root:add(podos, packet)
  local function bad(why)
    tree:add_proto_expert_info(malformed, why)
    pinfo.cols.info = "Malformed: " .. why
    return buffer:len()
  end
  if packet:len() < HEADER then return bad("shorter than a header") end
  if packet(0, 1):uint() ~= VERSION then
    tree:add(fields.version, packet(0, 1))
    return bad(("version %d"):format(packet(0, 1):uint()))
  end
  local frame = add_header(tree, packet)
  local around = frame.auth and COUNTER + TAG or 0
  local len = HEADER + frame.length + around
  if packet:len() < len then return bad("the length is more than the frame has") end
  tree:set_len(len)
  pinfo.cols.info = summary(frame)

  local before = HEADER + (frame.auth and COUNTER or 0)
  local data = frame.length > 0 and packet(before, frame.length)
  if frame.auth then
    tree:add(fields.counter, packet(HEADER, COUNTER))
    local tag = packet(before + frame.length, TAG)
    local item = tree:add(fields.tag, tag)
    local plain, status = open(frame, packet)
    item:add(fields["tag.status"], tag, status):set_generated()
    if status == "wrong" then item:add_proto_expert_info(forged) end
    if frame.sealed and data then
      tree:add(fields.sealed, data)
      data = plain and ByteArray.new(plain, true):tvb("Decrypted data")()
    end
  end
  if data then
    add_body(tree, frame, data, pinfo.visited)
  else
    begins_message(frame, pinfo.visited)
  end
  return len
end

--- Bytes of a structure.
function messages.size(name)
  local size = 0
  for _, member in ipairs(messages.structs[name]) do
    local kind = member[2]
    if type(kind) == "string" then
      size = size + TYPES[kind][2]
    elseif kind.struct then
      size = size + messages.size(kind.struct)
    elseif kind.macs then
      size = size + 6 * kind.macs
    else
      size = size + (kind.bytes or kind.text or kind.skip)
    end
  end
  return size
end

DissectorTable.get("ethertype"):add(ETHERTYPE, podos)
