-- ARGV: the digest that was presented, 'use' or 'look'.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
if not is_record(text) then return UNREADABLE end
if not same(text:sub(4, 35), ARGV[1]) then return 0 end
local now = now_ms()
if now >= end_of(text) then return 1 end
if ARGV[2] == 'look' then return {now, without_values(text)} end
local after = used_at(text, now)
if after:byte(2) % 4 == 2 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SETRANGE', KEYS[1], 51, after:sub(52, 60))
  redis.call('PEXPIREAT', KEYS[1], end_of(after))
end
return {now, without_values(after)}
