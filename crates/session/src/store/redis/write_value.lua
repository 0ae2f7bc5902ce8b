-- ARGV: the key, 'put' or 'delete', the value, 'none', 'present', 'absent' or 'version', the most
-- bytes of keys and values, the versions that are allowed. The new version, or what became of it.
local GONE, DELETED, FAILED, LARGE = 0, -1, -2, -3
local text = redis.call('GET', KEYS[1])
if not text then return GONE end
if not read(text) then return UNREADABLE end
if not lives(text, now_ms()) then return GONE end
local record = without_values(text)
local values = text:sub(#record + 1, -5)

local latest, others, bytes, present = 0, {}, 0, nil
if #values > 0 then
  local index = 5
  latest = struct.unpack('>I4', values)
  while index <= #values do
    local start, key, version, value = index, nil, nil, nil
    key, version, index = struct.unpack('>Bc0I4', values, index)
    value, index = struct.unpack('>I2c0', values, index)
    if key == ARGV[1] then
      present = version
    else
      bytes = bytes + #key + #value
      others[#others + 1] = values:sub(start, index - 1)
    end
  end
end

if ARGV[4] == 'present' and not present then return FAILED end
if ARGV[4] == 'absent' and present then return FAILED end
if ARGV[4] == 'version' then
  local allowed = false
  for index = 6, #ARGV do
    -- As text: a version that somebody made up need not fit a number.
    if present and ARGV[index] == string.format('%.0f', present) then allowed = true end
  end
  if not allowed then return FAILED end
end

local answer = DELETED
if ARGV[2] == 'put' then
  if bytes + #ARGV[1] + #ARGV[3] > tonumber(ARGV[5]) then return LARGE end
  -- The latest version outlives the values, so that none comes twice.
  latest = latest + 1
  answer = latest
  others[#others + 1] = struct.pack('>Bc0I4I2c0', #ARGV[1], ARGV[1], latest, #ARGV[3], ARGV[3])
elseif not present then
  return DELETED
end
values = struct.pack('>I4', latest) .. table.concat(others)
-- The trait that says that there are values, before them; and how long they are, behind them.
record = text:sub(1, 1) .. string.char(text:byte(2) % 128 + 128) .. record:sub(3)
redis.call('SET', KEYS[1], record .. values .. struct.pack('>I4', #values), 'XX', 'KEEPTTL')
return answer
