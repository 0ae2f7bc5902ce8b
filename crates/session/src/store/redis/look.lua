-- ARGV: the subject whose session it must be.
local text = redis.pcall('GET', KEYS[1])
if not is_record(text) or text:sub(69, 84) ~= ARGV[1] then return 0 end
local now = now_ms()
if now >= end_of(text) then return 0 end
return {now, without_values(text)}
