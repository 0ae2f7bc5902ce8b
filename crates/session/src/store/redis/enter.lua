-- Enters a session in its subject's index. ARGV: its id, how long it may live, 'made' if it exists by
-- now. A score is the second by which it is over in any case; a negative one is not settled yet, and
-- half a second more says that the session was made.
local time = redis.call('TIME')
local over = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
local score = -math.ceil(over / 1000)
if ARGV[3] == 'made' then
  redis.call('ZADD', KEYS[1], score - 0.5, ARGV[1])
else
  redis.call('ZADD', KEYS[1], 'NX', score, ARGV[1])
end
if redis.call('PEXPIRETIME', KEYS[1]) < over then
  redis.call('PEXPIREAT', KEYS[1], over)
end
return 0
