-- POST to ENDPOINT (/public-api/get-at or /public-api/refresh) for a random one of ACCOUNTS accounts, with the root secret.
-- The requests are made beforehand: wrk runs on the server's cores, and what it spends is missing there.
dofile(os.getenv("REPORT"))

local path, accounts, secret = os.getenv("ENDPOINT"), tonumber(os.getenv("ACCOUNTS")), os.getenv("SECRET")
local random = math.random
local requests = {}
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init()
  math.randomseed(os.time() * 64 + number)
  for account = 1, accounts do
    local body = string.format('{"biz_id":"bench-%06d"}', account)
    requests[account] = string.format(
      "POST %s HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
      path, secret, #body, body)
  end
end

function request()
  return requests[random(accounts)]
end
