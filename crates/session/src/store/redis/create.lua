-- ARGV: the record, but for when it begins.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
local text = ARGV[1]:sub(1, 35) .. struct.pack('>I6', now) .. ARGV[1]:sub(42)
redis.call('SET', KEYS[1], text, 'PXAT', end_of(text))
return {now, text}
