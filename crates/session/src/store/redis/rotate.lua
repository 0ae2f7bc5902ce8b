-- ARGV: the digest that was presented, the new one, the new role as a byte or '', the client. Writes a
-- record of version 2, also where it was one of version 1.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
local a, b, c, created, life, idle, used, count, unit, values = read(text)
if not a then return UNREADABLE end
local now = now_ms()
local is_over = now >= end_of(created, life, idle, used, unit)
if not same(a, b, c, ARGV[1], 1) then
  if is_over or not is_replaced(text, values, ARGV[1], 1) then return 0 end
  return 2
end
if is_over then return 1 end
used, count = used_at(now, created, used, count, unit)
local latest = struct.pack('>BBc16I4c8', ROTATION_BYTES, ROTATION, text:sub(4, 19), used, ARGV[4])
local fields = text:sub(SUBJECT, FIELDS - 1) .. latest .. text:sub(rotation(text, values), values - 1)
local role = ARGV[3] == '' and text:sub(3, 3) or ARGV[3]
local head = '\2' .. text:sub(2, 2) .. role .. ARGV[2] .. text:sub(20, 33)
  .. struct.pack('>I4I4', used, count) .. text:sub(42, 44) .. string.char(#fields % 256)
local over = string.format('%.0f', end_of(created, life, idle, used, unit))
local rotated = head .. fields .. text:sub(values)
append_of(rotated)
redis.call('SET', KEYS[1], rotated, 'XX', 'PXAT', over)
return {now, without_values(rotated)}
