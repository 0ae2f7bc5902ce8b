-- KEYS: the stream, how many there were. ARGV: the number of the first event, '-' for the oldest, '' for
-- none; how many; how the name of a history ends that begins. What the server and the history are
-- called, the number of the latest event, the ids of the oldest and the newest that are stored, and the
-- events.
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[2], 'history', time[1] .. time[2] .. ARGV[3])
local history, number = unpack(redis.call('HMGET', KEYS[2], 'history', 'number'))
local server = redis.call('INFO', 'server'):match('run_id:(%w+)')
local replication = redis.call('INFO', 'replication'):match('master_replid:(%w+)')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local events = {}
if ARGV[1] == '-' then
  events = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[2])
elseif ARGV[1] ~= '' then
  events = redis.call('XRANGE', KEYS[1], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
end
return {history, server or '', replication or '', number or '0', oldest and oldest[1] or '',
  newest and newest[1] or '', events}
