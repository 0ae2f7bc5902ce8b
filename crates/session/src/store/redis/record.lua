-- A session's record, as every script reads it; the layout is in record.rs. Positions count from 1.
local SUBJECT = 46

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The numbers of a record: the three parts of the digest, when it began, and its life, idle time and
-- last use in units of so many milliseconds; how often used, the unit, and where the values begin.
-- Nothing where it is no record.
local function read(text)
  if type(text) ~= 'string' or #text < SUBJECT + 15 then return end
  local version, traits, _, a, b, c, created, life, idle, used, count, _, length =
    struct.unpack('>BBBI6I6I4I6I4I4I4I4I3B', text)
  local bytes = #text
  if traits >= 128 then
    bytes = bytes - 4 - struct.unpack('>I4', text, bytes - 3)
    traits = traits - 128
  end
  if version ~= 1 and version ~= 2 or bytes < SUBJECT + 15 or (bytes - SUBJECT + 1) % 256 ~= length then return end
  return a, b, c, created, life, idle, used, count, 2 ^ ((traits - traits % 8) / 8), bytes + 1
end

local UNREADABLE = redis.error_reply('UNREADABLE stored session record is unreadable')

-- When it ends unused.
local function end_of(created, life, idle, used, unit)
  if idle > 0 and used + idle < life then life = used + idle end
  return created + life * unit
end

-- Whether a record that was read lives at this moment.
local function lives(text, now)
  local _, _, _, created, life, idle, used, _, unit = read(text)
  return created ~= nil and now < end_of(created, life, idle, used, unit)
end

-- All but the values that backends store in it.
local function without_values(text)
  if text:byte(2) < 128 then return text end
  return text:sub(1, select(10, read(text)) - 1)
end

-- Whether the digest is the one at a position, in a time that does not depend on where they
-- differ: the differences of whole numbers, and no sum of squares is 0 but that of zeros.
local function same(a, b, c, text, position)
  local d, e, f = struct.unpack('>I6I6I4', text, position)
  a, b, c = a - d, b - e, c - f
  return a * a + b * b + c * c == 0
end

-- The last use and the count as they stand after a use that happens now.
local function used_at(now, created, used, count, unit)
  return math.max(used, math.floor((now - created) / unit)), math.min(count + 1, 4294967295)
end

-- Where the fields behind that of the latest rotation begin, and that field's content; only the first
-- position where there is no such field.
local FIELDS = SUBJECT + 16
local ROTATION, ROTATION_BYTES = 3, 29
local function rotation(text, values)
  local after = FIELDS + 1 + ROTATION_BYTES
  if text:byte(1) < 2 or values < after or text:byte(FIELDS) ~= ROTATION_BYTES
    or text:byte(FIELDS + 1) ~= ROTATION then return FIELDS end
  return after, text:sub(FIELDS + 2, after - 1)
end

-- Whether the digest at a position is the one from before the latest rotation.
local function is_replaced(text, values, digest, position)
  local _, latest = rotation(text, values)
  if not latest then return false end
  local a, b, c = struct.unpack('>I6I6I4', latest)
  return same(a, b, c, digest, position)
end
