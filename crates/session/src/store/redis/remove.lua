-- Ends whatever is there. Its record, if it was a live session.
local text = redis.pcall('GET', KEYS[1])
local now = now_ms()
local was_live = lives(text, now)
if was_live then append_of(text) end
redis.call('DEL', KEYS[1])
if not was_live then return 0 end
return {now, without_values(text)}
