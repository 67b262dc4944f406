-- POST to PATH (/public-api/get-at or /public-api/refresh) for a random one of ACCOUNTS accounts, with the root secret.
dofile(os.getenv("REPORT"))

local path, accounts, secret = os.getenv("ENDPOINT"), tonumber(os.getenv("ACCOUNTS")), os.getenv("SECRET")
local random = math.random
local head
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init()
  math.randomseed(os.time() * 64 + number)
  local body = string.format('{"biz_id":"bench-%06d"}', 1)
  head = string.format(
    "POST %s HTTP/1.1\r\nHost: localhost\r\nX-API-Secret: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    path, secret, #body)
end

function request()
  return head .. string.format('{"biz_id":"bench-%06d"}', random(accounts))
end
