local text = redis.call('GET', KEYS[1])
if not text then return 0 end
if not read(text) then return UNREADABLE end
if not lives(text, now_ms()) then return 0 end
return {text:sub(#without_values(text) + 1, -5)}
