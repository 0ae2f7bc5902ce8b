-- All that a subject's index holds, with the scores; what is over in any case is taken out.
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-' .. now, now)
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
