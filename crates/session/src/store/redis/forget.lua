-- ARGV: ids and the scores that they had. One that was settled since has another score, and stays.
for place = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[place]) == ARGV[place + 1] then
    redis.call('ZREM', KEYS[1], ARGV[place])
  end
end
return 0
