-- Ends a live session for which its digest is presented. ARGV: the digest, and 'end', to which the digest from
-- before the latest rotation is as good, or 'look', which ends nothing. The record, or why there is none.
local text = redis.pcall('GET', KEYS[1])
if not text then return 0 end
local a, b, c, created, life, idle, used, _, unit, values = read(text)
if not a then return UNREADABLE end
local now = now_ms()
local is_over = now >= end_of(created, life, idle, used, unit)
if not same(a, b, c, ARGV[1], 1) then
  if is_over or ARGV[2] == 'look' or not is_replaced(text, values, ARGV[1], 1) then return 0 end
end
if is_over then return 1 end
if ARGV[2] ~= 'look' then
  append_of(text)
  redis.call('DEL', KEYS[1])
end
return {now, without_values(text)}
