-- ARGV: the subject whose session it must be, 'keep' if it is the one to keep, below which
-- generation it ends or ''. The record if it lived and ended, 2 if it was spared, 0 otherwise.
local text = redis.pcall('GET', KEYS[1])
if not text then return 0 end
if not read(text) then
  -- Nobody can tell whose it is: whatever ends sessions ends it.
  redis.call('DEL', KEYS[1])
  return 0
end
if text:sub(SUBJECT, SUBJECT + 15) ~= ARGV[1] then return 0 end
local generation = struct.unpack('>i3', text, 42)
local below = tonumber(ARGV[3])
if ARGV[2] == 'keep' then
  if below and generation < below then
    redis.call('SETRANGE', KEYS[1], 41, struct.pack('>i3', below))
  end
  return 2
end
if below and generation >= below then return 2 end
local now = now_ms()
local was_live = lives(text, now)
if was_live then append_of(text) end
redis.call('DEL', KEYS[1])
if not was_live then return 0 end
return {now, without_values(text)}
