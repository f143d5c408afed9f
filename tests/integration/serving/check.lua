-- wrk's script: send requests of which each names itself in X-Request-Id, and check each answer
-- against what is expected of its own request.
-- wrk … -- FILE, whose lines are: status TAB labels, separated by commas TAB body

local sent, next_one, threads = {}, 0, {}
checked, wrong, first_wrong = 0, 0, ""

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  for line in io.lines(args[1]) do
    local status, labels, body = line:match("^(%d+)\t([^\t]*)\t(.*)$")
    sent[#sent + 1] = { status = tonumber(status), labels = labels, body = body }
  end
end

function request()
  next_one = next_one % #sent + 1
  local headers = { ["Content-Type"] = "application/json", ["X-Request-Id"] = tostring(next_one) }
  return wrk.format("POST", "/v1/predict", headers, sent[next_one].body)
end

function response(status, headers, body)
  local id = headers["x-request-id"]
  local asked, labels = sent[tonumber(id)], {}
  for label in body:gmatch('"label":"(%a+)"') do
    labels[#labels + 1] = label
  end
  local found = table.concat(labels, ",")
  checked = checked + 1
  if status ~= asked.status or found ~= asked.labels then
    wrong = wrong + 1
    first_wrong = id .. ": " .. status .. " " .. body:sub(1, 200)
  end
end

function done(summary)
  local all, bad, example = 0, 0, ""
  for _, thread in ipairs(threads) do
    all = all + thread:get("checked")
    bad = bad + thread:get("wrong")
    example = thread:get("first_wrong")
  end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout
  io.write(string.format('{"checked": %d, "wrong": %d, "broken": %d}\n', all, bad, broken), example)
end
