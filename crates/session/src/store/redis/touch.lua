-- Uses each of KEYS, but for the last two of more than two, by itself, in their order. ARGV: for each in
-- turn the digest that was presented (16), whether this is a use or a look (1), the session's id (16), and
-- the length (2) of the client of its event, and that. Replies in one text: the time, and for each a length
-- and the record as it was before, or one byte that says why there is none.
local UNKNOWN, EXPIRED, UNREADABLE, REPLACED = '\0\1\0', '\0\1\1', '\0\1\2', '\0\1\3'
local USE, LOOK = 0, 1
local call, pack = redis.call, struct.pack
local presented, now = ARGV[1], now_ms()
local parts, lengths = {pack('>I6', now)}, {}
-- Numbers are slow to write out as text, and many sessions end at the same moment.
local last_end, last_text

-- The event of a use that used its session up, of which this is the first byte.
local USED_UP = '\0'

local function touch(key, position, next_position)
  local text = redis.pcall('GET', key)
  if not text then return UNKNOWN end
  local a, b, c, created, life, idle, used, count, unit, values = read(text)
  if not a then return UNREADABLE end
  local intent = presented:byte(position + 16)
  local is_over = now >= end_of(created, life, idle, used, unit)
  if not same(a, b, c, presented, position) then
    if is_over or intent == LOOK or not is_replaced(text, values, presented, position) then
      return UNKNOWN
    end
    return REPLACED
  end
  if is_over then return EXPIRED end
  if intent == USE then
    if text:byte(2) % 4 == 2 then
      local id, client = presented:sub(position + 17, position + 32), presented:sub(position + 35, next_position - 1)
      append(USED_UP .. id .. client, for_event(text))
      call('DEL', key)
    else
      used, count = used_at(now, created, used, count, unit)
      local over = end_of(created, life, idle, used, unit)
      if over ~= last_end then last_end, last_text = over, string.format('%.0f', over) end
      call('SETRANGE', key, '33', pack('>I4I4', used, count))
      call('PEXPIREAT', key, last_text)
    end
  end
  if values <= #text then return text:sub(1, values - 1) end
  return text
end

local position = 1
for index = 1, STREAM and #KEYS - 2 or #KEYS do
  local high, low = presented:byte(position + 33, position + 34)
  local next_position = position + 35 + high * 256 + low
  local reply = touch(KEYS[index], position, next_position)
  position = next_position
  if #reply > 3 then
    local length = lengths[#reply]
    if not length then
      length = pack('>I2', #reply)
      lengths[#reply] = length
    end
    parts[#parts + 1] = length
  end
  parts[#parts + 1] = reply
end
return table.concat(parts)
