-- GET or POST /kv/{key}: a random device's token, a random one of its keys.
-- METHOD, DEVICES and KEYS (of each device) come from the environment, the tokens from the file TOKENS, one a line.
dofile(os.getenv("REPORT"))

local method = os.getenv("METHOD")
local devices, keys = tonumber(os.getenv("DEVICES")), tonumber(os.getenv("KEYS"))
local random = math.random
local heads, tails, pad = {}, {}, string.rep("x", 48)
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init()
  math.randomseed(os.time() * 64 + number)
  for key = 1, keys do
    heads[key] = string.format("%s /kv/key-%05d HTTP/1.1\r\nHost: localhost\r\n", method, key)
  end
  local length = method == "POST" and string.format("Content-Type: application/json\r\nContent-Length: %d\r\n", #body()) or ""
  local device = 0
  for token in io.lines(os.getenv("TOKENS")) do
    device = device + 1
    if device > devices then break end
    tails[device] = string.format("Authorization: Bearer %s\r\n%s\r\n", token, length)
  end
end

function body()
  return string.format('{"data":"my value","number":%09d,"pad":"%s"}', random(100000000, 999999999), pad)
end

function request()
  local text = heads[random(keys)] .. tails[random(devices)]
  if method == "POST" then text = text .. body() end
  return text
end
