-- Says that a session, which was entered, exists. ARGV: its id, how long it may live, the cap.
-- Where more are settled than the cap allows, all of them with their scores.
local time = redis.call('TIME')
local over = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], math.ceil(over / 1000), ARGV[1])
if redis.call('PEXPIRETIME', KEYS[1]) < over then
  redis.call('PEXPIREAT', KEYS[1], over)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-' .. time[1], time[1])
local cap = tonumber(ARGV[3])
if cap == 0 or redis.call('ZCOUNT', KEYS[1], 0, '+inf') <= cap then return {} end
return redis.call('ZRANGEBYSCORE', KEYS[1], 0, '+inf', 'WITHSCORES')
