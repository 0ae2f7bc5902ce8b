-- How many keys there are, how many different ones were drawn, and how many of those are
-- sessions. ARGV: how often to draw, what a session's key begins with.
local drawn, different, sessions, hits = {}, 0, 0, 0
for _ = 1, tonumber(ARGV[1]) do
  local key = redis.call('RANDOMKEY')
  if not key then break end
  local is_session = key:sub(1, #ARGV[2]) == ARGV[2]
  if is_session then hits = hits + 1 end
  if not drawn[key] then
    drawn[key] = true
    different = different + 1
    if is_session then sessions = sessions + 1 end
  end
end
return {redis.call('DBSIZE'), different, sessions, hits}
