-- Ends whatever stands there. 1 if that was a live session.
local text = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if lives(text, now_ms()) then return 1 end
return 0
