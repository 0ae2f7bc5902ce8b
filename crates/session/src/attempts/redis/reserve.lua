-- Counts an attempt under each key, or under none where one of them is exhausted. A count is the
-- microsecond from which on nothing counts any more. ARGV: 'count' or 'look', then for each key how
-- long an attempt counts and how many are admitted at once. The longest wait in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local longest, after = 0, {}
for at = 1, #KEYS do
  local interval, burst = tonumber(ARGV[2 * at]), tonumber(ARGV[2 * at + 1])
  local free_at = tonumber(redis.call('GET', KEYS[at]) or '0')
  after[at] = math.max(free_at, now) + interval
  longest = math.max(longest, after[at] - now - interval * burst)
end
if longest == 0 and ARGV[1] == 'count' then
  for at = 1, #KEYS do
    local kept_ms = math.ceil((after[at] - now) / 1000) + 1
    redis.call('SET', KEYS[at], string.format('%.0f', after[at]), 'PX', string.format('%.0f', kept_ms))
  end
end
return longest
