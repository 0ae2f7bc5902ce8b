-- ARGV: the record, but for when it begins.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
local text = ARGV[1]:sub(1, 19) .. struct.pack('>I6', now) .. ARGV[1]:sub(26)
local _, _, _, created, life, idle, used, _, unit = read(text)
append_of(text)
redis.call('SET', KEYS[1], text, 'PXAT', end_of(created, life, idle, used, unit))
return {now, text}
