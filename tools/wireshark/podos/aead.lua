-- SPDX-License-Identifier: MIT OR Apache-2.0

-- ChaCha20-Poly1305 (RFC 8439) for the dissector: Wireshark gives its scripts no cryptography.
--
-- Strings in, strings out. Numbers never pass 2^53, so that Lua 5.2, which has doubles only, gets
-- the same as a Lua with integers. Times are as Lua takes them: this hides nothing from anybody.

local bits = bit32 or load([[
  return {
    bxor = function(a, b) return (a ~ b) & 0xffffffff end,
    lrotate = function(a, n) return ((a << n) | (a >> (32 - n))) & 0xffffffff end,
  }
]])()
local bxor, lrotate = bits.bxor, bits.lrotate
local byte, char = string.byte, string.char

local aead = {}

-- The little-endian 32-bit words of a string.
local function words(text)
  local list = {}
  for at = 1, #text, 4 do
    local a, b, c, d = byte(text, at, at + 3)
    list[#list + 1] = a + b * 0x100 + c * 0x10000 + d * 0x1000000
  end
  return list
end

-- A quarter round on the state `x` (section 2.1).
local function quarter(x, a, b, c, d)
  local xa, xb, xc, xd = x[a], x[b], x[c], x[d]
  xa = (xa + xb) % 0x100000000
  xd = lrotate(bxor(xd, xa), 16)
  xc = (xc + xd) % 0x100000000
  xb = lrotate(bxor(xb, xc), 12)
  xa = (xa + xb) % 0x100000000
  xd = lrotate(bxor(xd, xa), 8)
  xc = (xc + xd) % 0x100000000
  xb = lrotate(bxor(xb, xc), 7)
  x[a], x[b], x[c], x[d] = xa, xb, xc, xd
end

-- A block of the key stream, as sixteen words (section 2.3).
local function block(key, counter, nonce)
  local start = {
    0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
    key[1], key[2], key[3], key[4], key[5], key[6], key[7], key[8],
    counter, nonce[1], nonce[2], nonce[3],
  }
  local x = {}
  for i = 1, 16 do x[i] = start[i] end
  for _ = 1, 10 do
    quarter(x, 1, 5, 9, 13)
    quarter(x, 2, 6, 10, 14)
    quarter(x, 3, 7, 11, 15)
    quarter(x, 4, 8, 12, 16)
    quarter(x, 1, 6, 11, 16)
    quarter(x, 2, 7, 12, 13)
    quarter(x, 3, 8, 9, 14)
    quarter(x, 4, 5, 10, 15)
  end
  for i = 1, 16 do x[i] = (x[i] + start[i]) % 0x100000000 end
  return x
end

-- The bytes of a word.
local function bytes(word)
  local a = word % 0x100
  word = (word - a) / 0x100
  local b = word % 0x100
  word = (word - b) / 0x100
  local c = word % 0x100
  return a, b, c, (word - c) / 0x100
end

-- The text, encrypted or decrypted (section 2.4).
local function chacha20(key, nonce, text)
  local parts = {}
  for start = 1, #text, 64 do
    local stream = block(key, (start - 1) / 64 + 1, nonce)
    local chunk = text:sub(start, start + 63)
    local padded = words(chunk .. ("\0"):rep(-#chunk % 4))
    local out = {}
    for i = 1, #padded do out[i] = char(bytes(bxor(padded[i], stream[i]))) end
    parts[#parts + 1] = table.concat(out):sub(1, #chunk)
  end
  return table.concat(parts)
end

-- Poly1305's numbers are ten limbs of 13 bits, so that no sum of products passes 2^32.
local LIMBS, BASE = 10, 0x2000

-- The limbs of a little-endian number of `count` bytes of `text` from `at` on, and a bit above it.
local function limbs(text, at, count)
  local list, carry, scale = {}, 0, 1
  for i = 0, count do
    carry = carry + (i < count and byte(text, at + i) or 1) * scale
    scale = scale * 0x100
    while scale >= BASE do
      list[#list + 1] = carry % BASE
      carry = (carry - carry % BASE) / BASE
      scale = scale / BASE
    end
  end
  list[#list + 1] = carry
  for i = #list + 1, LIMBS do list[i] = 0 end
  return list
end

-- Brings every limb below its base, modulo 2^130 - 5.
local function normal(h)
  local carry = 0
  for i = 1, LIMBS do
    local sum = h[i] + carry
    h[i] = sum % BASE
    carry = (sum - h[i]) / BASE
  end
  h[1] = h[1] + carry * 5
end

-- The one-time authenticator (section 2.5); `otk` has 32 bytes.
local function poly1305(otk, message)
  local clamp = {
    0xff, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0x0f,
  }
  local clamped = {}
  for i = 1, 16 do
    local value = byte(otk, i)
    -- Of the masks each keeps the low four bits, or drops the low two, or changes nothing.
    if clamp[i] == 0x0f then value = value % 0x10 end
    if clamp[i] == 0xfc then value = value - value % 4 end
    clamped[i] = char(value)
  end
  local r = limbs(table.concat(clamped), 1, 16)
  -- The bit above is for blocks of the message only.
  r[LIMBS] = r[LIMBS] - 0x800
  local h = {}
  for i = 1, LIMBS do h[i] = 0 end
  for start = 1, #message, 16 do
    local part = limbs(message, start, math.min(16, #message - start + 1))
    for i = 1, LIMBS do h[i] = h[i] + part[i] end
    local product = {}
    for i = 1, LIMBS do
      local sum = 0
      for j = 1, LIMBS do
        if j <= i then
          sum = sum + h[j] * r[i - j + 1]
        else
          sum = sum + h[j] * r[i - j + 1 + LIMBS] * 5
        end
      end
      product[i] = sum
    end
    h = product
    normal(h)
  end
  normal(h)
  normal(h)
  -- h - p, if that is not negative: h + 5 then passes 2^130.
  local less, carry = {}, 5
  for i = 1, LIMBS do
    local sum = h[i] + carry
    less[i] = sum % BASE
    carry = (sum - less[i]) / BASE
  end
  if carry > 0 then h = less end
  -- h + s modulo 2^128, byte by byte.
  local tag, pool, scale, limb = {}, 0, 1, 1
  carry = 0
  for i = 1, 16 do
    while scale < 0x100 and limb <= LIMBS do
      pool = pool + h[limb] * scale
      scale = scale * BASE
      limb = limb + 1
    end
    local sum = pool % 0x100 + byte(otk, 16 + i) + carry
    tag[i] = char(sum % 0x100)
    carry = (sum - sum % 0x100) / 0x100
    pool = (pool - pool % 0x100) / 0x100
    scale = scale / 0x100
  end
  return table.concat(tag)
end

local function little_endian(number)
  local out = {}
  for i = 1, 8 do
    out[i] = char(number % 0x100)
    number = (number - number % 0x100) / 0x100
  end
  return table.concat(out)
end

local function padded(text)
  return text .. ("\0"):rep(-#text % 16)
end

--- Opens a sealed text (section 2.8): the plain text, or nil if the tag is wrong.
-- `key` has 32 bytes, `nonce` 12, `tag` 16; `extra` is what is authenticated and not encrypted.
function aead.open(key, nonce, extra, sealed, tag)
  local key_words, nonce_words = words(key), words(nonce)
  local first, otk = block(key_words, 0, nonce_words), {}
  for i = 1, 8 do otk[i] = char(bytes(first[i])) end
  local message = padded(extra) .. padded(sealed) .. little_endian(#extra) .. little_endian(#sealed)
  if poly1305(table.concat(otk), message) ~= tag then return nil end
  return chacha20(key_words, nonce_words, sealed)
end

return aead
