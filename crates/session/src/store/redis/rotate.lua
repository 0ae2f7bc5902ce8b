-- ARGV: the digest that was presented, the new one, the new role as a byte or ''.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
local a, b, c, created, life, idle, used, count, unit = read(text)
if not a then return UNREADABLE end
if not same(a, b, c, ARGV[1], 1) then return 0 end
local now = now_ms()
if now >= end_of(created, life, idle, used, unit) then return 1 end
used, count = used_at(now, created, used, count, unit)
local role = ARGV[3] == '' and text:sub(3, 3) or ARGV[3]
local changed = role .. ARGV[2] .. text:sub(20, 33) .. struct.pack('>I4I4', used, count)
redis.call('SETRANGE', KEYS[1], 2, changed)
redis.call('PEXPIREAT', KEYS[1], end_of(created, life, idle, used, unit))
return {now, without_values(text:sub(1, 2) .. changed .. text:sub(42))}
