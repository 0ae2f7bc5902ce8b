-- Takes back one attempt. ARGV: how long it counts.
local free_at = tonumber(redis.call('GET', KEYS[1]) or '0')
if free_at == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
free_at = free_at - tonumber(ARGV[1])
if free_at <= now then return redis.call('DEL', KEYS[1]) end
local kept_ms = math.ceil((free_at - now) / 1000) + 1
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', string.format('%.0f', kept_ms))
return 1
