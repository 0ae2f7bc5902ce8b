-- Ends a live session for which the digest from before its latest rotation is presented, where that
-- rotation is too long ago or came from another client. ARGV: the digest, the client, for how many
-- milliseconds it is not too long ago. The record, if it was ended.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
local a, b, c, created, life, idle, used, _, unit, values = read(text)
if not a then return UNREADABLE end
if same(a, b, c, ARGV[1], 1) or not is_replaced(text, values, ARGV[1], 1) then return 0 end
local now = now_ms()
if now >= end_of(created, life, idle, used, unit) then return 0 end
local _, latest = rotation(text, values)
local rotated, network, agent = struct.unpack('>I4I4I4', latest, 17)
local other_network, other_agent = struct.unpack('>I4I4', ARGV[2])
local function differ(one, other) return one ~= 0 and other ~= 0 and one ~= other end
local is_late = now - (created + rotated * unit) > tonumber(ARGV[3])
if not is_late and not differ(network, other_network) and not differ(agent, other_agent) then
  return 0
end
append_of(text)
redis.call('DEL', KEYS[1])
return {now, without_values(text)}
