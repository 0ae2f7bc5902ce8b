-- Ends whatever is there. Its record, if it was a live session.
local text = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1])
local now = now_ms()
if not lives(text, now) then return 0 end
append(for_event(text))
return {now, without_values(text)}
