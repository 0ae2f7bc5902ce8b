-- A session's record, as every script reads it; the layout is in record.rs. Places count from 1.
-- Each script that this stands before works on KEYS[1] alone.
local HEAD = 66

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function is_record(text)
  if type(text) ~= 'string' or #text < HEAD or text:byte(1) ~= 1 then return false end
  local length = struct.unpack('>I2', text, 65)
  return length >= 16 and #text >= HEAD + length
end

local UNREADABLE = redis.error_reply('UNREADABLE what stands under the key of a session is none')

-- When it began, and its life, idle time and last use as milliseconds from there; how often used.
local function times(text)
  return struct.unpack('>I6I5I5I5I4', text, 36)
end

-- When it ends unused.
local function end_of(text)
  local created, life, idle, used = times(text)
  if idle > 0 and used + idle < life then return created + used + idle end
  return created + life
end

-- All but the values that backends keep in it.
local function without_values(text)
  return text:sub(1, HEAD + struct.unpack('>I2', text, 65))
end

-- Whether two digests are the same, in a time that does not depend on where they differ.
local function same(one, other)
  if #one ~= 32 or #other ~= 32 then return false end
  local difference = 0
  for place = 1, 29, 4 do
    local a, b = struct.unpack('>I4', one, place), struct.unpack('>I4', other, place)
    difference = bit.bor(difference, bit.bxor(a, b))
  end
  return difference == 0
end

-- Counts a use that happens now, and gives a sliding session its idle time again.
local function used_at(text, now)
  local created, _, _, used, count = times(text)
  used = math.max(used, now - created)
  count = math.min(count + 1, 4294967295)
  return text:sub(1, 51) .. struct.pack('>I5I4', used, count) .. text:sub(61)
end
