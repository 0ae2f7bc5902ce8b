-- ARGV: the digest that was presented, the new one, the new role as a byte or ''.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
if not is_record(text) then return UNREADABLE end
if not same(text:sub(4, 35), ARGV[1]) then return 0 end
local now = now_ms()
if now >= end_of(text) then return 1 end
local role = ARGV[3] == '' and text:sub(3, 3) or ARGV[3]
local after = used_at(text:sub(1, 2) .. role .. ARGV[2] .. text:sub(36), now)
redis.call('SETRANGE', KEYS[1], 2, after:sub(3, 60))
redis.call('PEXPIREAT', KEYS[1], end_of(after))
return {now, without_values(after)}
