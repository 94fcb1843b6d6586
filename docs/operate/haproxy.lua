-- Asks avouch about a request before HAProxy forwards it (docs/operate/haproxy.md of avouch).
-- HAProxy 2.6 or later: `http-request lua.avouch http://127.0.0.1:9181/verify`, where avouch is asked.
--
-- A request goes on for an answer 2xx and for nothing else: refused by avouch, it is answered as avouch says;
-- without an answer, it is answered 503.

-- How long an answer may take, in ms: longer than avouch takes to look up a name. HAProxy 2.6 asks four times.
local PATIENCE = 8000

-- What avouch tells of a request. The site gets all of them from here, or none of the request.
local TOLD = {
    "avouch-class", "avouch-standing", "avouch-identity", "avouch-mechanism",
    "avouch-decision", "avouch-request-id", "avouch-assertion",
}

-- Fields of a refusal that are for the client.
local SHOWN = {
    "content-type", "cache-control", "retry-after", "www-authenticate", "accept-signature",
    "avouch-reason", "avouch-retry-after", "avouch-request-id",
}

-- Fields that concern the client's connection, or content that is not sent along.
local HOP = {
    ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true, ["content-length"] = true,
}

-- HAProxy counts values from 0, Lua from 1, and sends 0 last; the order is part of what is signed.
local function in_order(values)
    local ordered = {}
    for at = 0, #values do ordered[at + 1] = values[at] end
    return ordered
end

-- The request's fields, and in place of any the client may have sent, what HAProxy knows of it.
local function question(txn)
    local fields = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not HOP[name] then fields[name] = in_order(values) end
    end
    fields["x-original-method"] = { txn.f:method() }
    fields["x-original-uri"] = { txn.f:pathq() }
    fields["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    fields["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    fields["x-forwarded-for"] = { txn.f:src() }
    return fields
end

-- The one value of a field; nil when it is absent or repeated.
local function only(answer, name)
    local values = answer.headers and answer.headers[name]
    return values and values[0] and not values[1] and values[0] or nil
end

local function refuse(txn, status, answer)
    local reply = txn:reply{ status = status }
    for _, name in ipairs(SHOWN) do
        for _, value in pairs(answer and answer.headers and answer.headers[name] or {}) do
            reply:add_header(name, value)
        end
    end
    if answer and answer.body then reply:set_body(answer.body) end
    txn:done(reply)
end

local function ask(txn, where)
    local asked, answer = pcall(function()
        return core.httpclient():get{ url = where, headers = question(txn), timeout = PATIENCE }
    end)
    local status = asked and answer and answer.status or 0
    if status >= 400 and status <= 599 then return refuse(txn, status, answer) end
    if status < 200 or status > 299 then return refuse(txn, 503) end
    for _, name in ipairs(TOLD) do
        local value = only(answer, name)
        if not value then return refuse(txn, 503) end
        txn.http:req_set_header(name, value)
    end
end

core.register_action("avouch", { "http-req" }, ask, 1)
