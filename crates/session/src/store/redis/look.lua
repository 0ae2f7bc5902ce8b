-- ARGV: the subject whose session it must be. 0 where that has none here, 2 where the record is unreadable.
local text = redis.pcall('GET', KEYS[1])
if not text then return 0 end
if not read(text) then return 2 end
if text:sub(SUBJECT, SUBJECT + 15) ~= ARGV[1] then return 0 end
local now = now_ms()
if not lives(text, now) then return 0 end
return {now, without_values(text)}
