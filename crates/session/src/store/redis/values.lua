local text = redis.call('GET', KEYS[1])
if not text then return 0 end
if not is_record(text) then return UNREADABLE end
if now_ms() >= end_of(text) then return 0 end
return {text:sub(#without_values(text) + 1)}
