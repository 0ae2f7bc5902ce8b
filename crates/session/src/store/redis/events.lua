-- Events, each appended in the step that it tells of. The last two of more than two KEYS are the stream,
-- and how many there were with the name of their history. The last three of ARGV: how many events are
-- stored, for how many milliseconds, and how the name of a history ends that begins.
local STREAM, COUNTER
if #KEYS > 2 then STREAM, COUNTER = KEYS[#KEYS - 1], KEYS[#KEYS] end

-- A record without its digests and values: what an event says of a session is read from it.
local function for_event(text)
  local values = select(10, read(text))
  local fields = text:sub(SUBJECT, FIELDS - 1) .. text:sub((rotation(text, values)), values - 1)
  return text:sub(1, 3) .. string.rep('\0', 16) .. text:sub(20, 44) .. string.char(#fields % 256)
    .. fields
end

-- Takes out some of those that are too old, but for the newest.
local function trim_by_age(oldest_ms)
  local last
  for _, entry in ipairs(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 256)) do
    last = entry[1]
    if (tonumber(entry[2][2]) or 0) >= oldest_ms then break end
  end
  if last then redis.call('XTRIM', STREAM, 'MINID', last) end
end

-- Goes before the change that the event tells of: where this fails, nothing was changed.
local function append(event, record)
  if not STREAM then return end
  local limit, keep, name = unpack(ARGV, #ARGV - 2)
  local now = now_ms()
  local number = redis.call('HINCRBY', COUNTER, 'number', 1)
  if number == 1 then
    redis.call('HSETNX', COUNTER, 'history', string.format('%.0f', now) .. name)
    redis.call('DEL', STREAM)
  end
  local id = string.format('%.0f-0', number)
  -- A few are dropped one by one, many in blocks.
  local exactly = tonumber(limit) < 1000 and '=' or '~'
  redis.call('XADD', STREAM, 'MAXLEN', exactly, limit, id,
    'a', string.format('%.0f', now), 'e', event, 'r', record)
  if number % 128 == 0 then trim_by_age(now - tonumber(keep)) end
end

-- The same with the event that is the fourth of ARGV from behind, of the session of this record.
local function append_of(text)
  append(ARGV[#ARGV - 3], for_event(text))
end
