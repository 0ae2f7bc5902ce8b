-- The record of the session under the key. 0 where none lives, 2 where the record is unreadable.
local text = redis.pcall('GET', KEYS[1])
if not text then return 0 end
if not read(text) then return 2 end
local now = now_ms()
if not lives(text, now) then return 0 end
return {now, without_values(text)}
