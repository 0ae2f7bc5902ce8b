-- Keeps a key for this many milliseconds, unless it is kept for longer already.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
end
return 0
