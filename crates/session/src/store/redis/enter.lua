-- Enters a session, which is yet to be created, in its subject's index. ARGV: its id, how long it
-- may live. A score is the second by which it is over in any case; a negative one is not settled yet.
local time = redis.call('TIME')
local over = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], 'NX', -math.ceil(over / 1000), ARGV[1])
if redis.call('PEXPIRETIME', KEYS[1]) < over then
  redis.call('PEXPIREAT', KEYS[1], over)
end
return 0
