-- Writes ARGV[2] if ARGV[1] is written there, or nothing where that is empty; 1 if it did, else 0.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
