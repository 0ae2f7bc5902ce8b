-- Events, each appended in the step that it tells of. KEYS[2] is the stream, KEYS[3] how many there were
-- and the name of their history; a cluster has neither. The last four of ARGV: the event without its
-- session, how many are stored, for how many milliseconds, the name of a history that begins.

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
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 256)) do
    last = entry[1]
    if tonumber(entry[2][2]) >= oldest_ms then break end
  end
  if last then redis.call('XTRIM', KEYS[2], 'MINID', last) end
end

local function append(record)
  if not KEYS[3] then return end
  local event, limit, keep, history = unpack(ARGV, #ARGV - 3)
  local now = now_ms()
  local number = redis.call('HINCRBY', KEYS[3], 'number', 1)
  if number == 1 then
    redis.call('HSETNX', KEYS[3], 'history', history)
    redis.call('DEL', KEYS[2])
  end
  local id = string.format('%.0f-0', number)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', limit, id, 'a', string.format('%.0f', now), 'e', event, 'r', record)
  if number % 128 == 0 then trim_by_age(now - tonumber(keep)) end
end
