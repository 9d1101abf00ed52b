package valkey

import "github.com/redis/go-redis/v9"

// library is the scripts with their digests, one for each kind of op.
type library struct{ take, count, tail *redis.Script }

func newLibrary() *library {
	return &library{redis.NewScript(takeText), redis.NewScript(countText), redis.NewScript(tailText)}
}

// The scripts compute what kv.Memory computes, to the microsecond; a test
// compares the two. Numbers stay below 2^53, where Lua's doubles are exact.
// string.format("%.0f") is needed because Lua would write a large number as
// 1.7e+15. Keys expire a minute after they cannot matter any more, by the
// server's clock; everything else follows the times of the ops.
const (
	// takeText: the generic cell rate algorithm. KEYS[1] holds the theoretical
	// arrival time. ARGV: now, interval, capacity, cost, and 0 to take, 1 to look
	// or 2 to give back.
	takeText = `
local now, interval, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
if ARGV[5] == '2' then
  if tat > now then
    tat = math.max(tat - interval * cost, now)
    redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.floor((tat - now) / 1000) + 60000)
  else
    tat = now
  end
  return {1, math.floor(math.max(now - tat + interval * capacity, 0) / interval), 0}
end
if tat < now then tat = now end
local nxt = tat + interval * cost
local allow = nxt - interval * capacity
if now < allow then return {0, 0, allow - now} end
if ARGV[5] == '0' then
  redis.call('SET', KEYS[1], string.format('%.0f', nxt), 'PX', math.floor((nxt - now) / 1000) + 60000)
end
return {1, math.floor((now - allow) / interval), 0}
`

	// countText: a sorted set by time. ARGV: now, window, member, cap, peek.
	countText = `
local now, window, cap = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
if ARGV[5] == '0' then
  redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[3])
  local over = redis.call('ZCARD', KEYS[1]) - cap
  if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
  redis.call('PEXPIRE', KEYS[1], math.floor(window / 1000) + 60000)
end
return {redis.call('ZCARD', KEYS[1])}
`

	// tailText: a list and, beside it, its epoch and the number of its first
	// item. ARGV: epoch known, from, keep, most, new epoch, items…
	tailText = `
local epoch = redis.call('HGET', KEYS[2], 'epoch')
local base = tonumber(redis.call('HGET', KEYS[2], 'base') or '0')
if not epoch then
  redis.call('DEL', KEYS[1])
  epoch, base = ARGV[5], 0
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'base', 0)
end
local finish = base + redis.call('LLEN', KEYS[1])
local from, fresh = tonumber(ARGV[2]), 0
if ARGV[1] ~= epoch or from < base or from > finish then fresh, from = 1, base end
local items = redis.call('LRANGE', KEYS[1], from - base, -1)
for i = 6, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
local nxt = finish + #ARGV - 5
local over = redis.call('LLEN', KEYS[1]) - tonumber(ARGV[4])
if over > 0 then
  redis.call('LTRIM', KEYS[1], over, -1)
  redis.call('HSET', KEYS[2], 'base', string.format('%.0f', base + over))
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {fresh, epoch, nxt, items}
`
)
