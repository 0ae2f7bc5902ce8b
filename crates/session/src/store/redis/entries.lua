-- All that a subject's index holds, with the scores; what is over in any case is taken out.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], -now, now)
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
