//! What Redis does in one step: Lua, run by EVALSHA, so that nothing comes between a look and an entry.
//!
//! Those of nonces and of secrets begin alike. They compare the clocks; they look at the marker, which says what the memory of this
//! Redis goes back to; and they make it anew where it is missing, is of another run of the server, or where the
//! server's clock was set back. What was signed up to the new marker's floor is refused from then on, because it may
//! have been accepted before. No marker is made while the clocks differ: a server that starts an hour behind would set
//! its floor an hour too low, and that would be all that is refused once its clock is right.

use std::sync::LazyLock;

use avouch_gather::replay::FUTURE;

/// Most seconds between the clock of a gateway and that of Redis.
pub(crate) const SKEW: u64 = 5;

/// How far beyond now a new marker's floor lies, in seconds. What was accepted before a loss was signed at most
/// [`FUTURE`] seconds after the clock of some gateway, which was off by [`SKEW`] at most from the clock of some Redis,
/// which was off by twice as much from that of the Redis that takes its place.
pub(crate) const AHEAD: u64 = FUTURE + 3 * SKEW;

/// How long a nonce is kept after its signature ended, in seconds, so that no clock that is taken still counts it.
const KEPT: u64 = 60;

/// How long a count is kept after the last request, in seconds: longer than a signed request counts.
const COUNTED: u64 = 660;

/// Octets of a secret, and of what stands for it.
const SECRET: usize = 32;
const ID: usize = 16;

/// The text of a script.
pub(crate) type Text = LazyLock<String>;

/// A script, and the name by which Redis knows it once it has been loaded.
pub(crate) struct Script {
    pub(crate) text: &'static Text,
    pub(crate) sha: String,
}

/// What a script says first.
pub(crate) mod code {
    pub(crate) const DONE: i64 = 1;
    pub(crate) const HELD: i64 = 0;
    pub(crate) const FLOOR: i64 = -1;
    pub(crate) const FORGOTTEN: i64 = -2;
    pub(crate) const ENDED: i64 = -3;
    pub(crate) const CLOCK: i64 = -4;
    pub(crate) const ANOTHER: i64 = -5;
    pub(crate) const BEHIND: i64 = -6;
    pub(crate) const JUMPED: i64 = -7;
}

/// `KEYS`: the marker. `ARGV`: the run of the server, the time at the gateway, whether the group is new.
///
/// A server that was a replica and is a primary again has taken over the memory of another, marker and all, and may have
/// kept the connection: its history tells.
///
/// The marker is `run floor made seen`: the server's run, the last second that is refused, when it was made, and the
/// latest second at which anybody asked, which never goes back: so a clock that returns by small steps is noticed, too.
/// The first three are the life of this memory.
const BEGINNING: &str = "
local history = 'master_replid:' .. string.match(ARGV[1], ':(%x+):')
if not string.find(redis.call('INFO', 'replication'), history, 1, true) then return {@ANOTHER, 0} end
local time = redis.call('TIME')
local server = tonumber(time[1])
local off = server - tonumber(ARGV[2])
local marker = redis.call('GET', KEYS[1])
local life, floor, seen
if marker then
  life, floor, seen = string.match(marker, '^(%S+ (%d+) %S+) (%d+)$')
end
if not life or string.sub(life, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' or tonumber(seen) > server + @SKEW then
  if math.abs(off) > @SKEW then return {@CLOCK, off} end
  floor = server + @AHEAD
  if not marker and ARGV[3] == '1' then floor = 0 end
  life = ARGV[1] .. ' ' .. floor .. ' ' .. time[1] .. '.' .. time[2]
  seen = nil
end
if not seen or tonumber(seen) < server then
  redis.call('SET', KEYS[1], life .. ' ' .. time[1])
end
if math.abs(off) > @SKEW then return {@CLOCK, off} end
";

/// `KEYS`: the marker, the nonce, and of what answers a challenge the secret of its epoch, or of what is counted the last
/// number. `ARGV`: as above, when it was signed, when it ends, the id of the secret, the number and the least last one
/// that it may follow. Of the last two there are none where nothing is counted.
///
/// Numbers are written with 20 digits each and compared as text, for those of Lua are exact to 2^53 only. A count moves
/// in the same step as its nonce is entered, or not at all.
///
/// A token is for a secret that was drawn in this life, which none of an earlier one can be; the floor is for all else.
const ENTER: &str = "
if KEYS[3] and not ARGV[7] then
  local held = redis.call('GET', KEYS[3])
  if not held or string.sub(held, @ID_FROM, @ID_TO) ~= ARGV[6] or string.sub(held, @ID_TO + 1) ~= life then
    return {@FORGOTTEN, 0}
  end
elseif tonumber(ARGV[4]) <= tonumber(floor) then
  return {@FLOOR, 0}
end
local left = tonumber(ARGV[5]) + @KEPT - server
if left <= 0 then return {@ENDED, 0} end
if ARGV[7] then
  local last = redis.call('GET', KEYS[3])
  if last and last >= ARGV[7] then return {@BEHIND, 0} end
  if last and last < ARGV[8] then return {@JUMPED, 0} end
end
if not redis.call('SET', KEYS[2], '', 'NX', 'EX', left) then return {@HELD, 0} end
if ARGV[7] then redis.call('SET', KEYS[3], ARGV[7], 'EX', @COUNTED) end
return {@DONE, 0}
";

/// `KEYS`: the marker, and the secrets of epochs. `ARGV`: as above, for how many seconds a secret is kept, and for each
/// epoch a secret with its id, to be taken where there is none of this life; or nothing, to look only.
const SECRETS: &str = "
local told = {@DONE, 0}
for at = 2, #KEYS do
  local held = redis.call('GET', KEYS[at])
  if held and string.sub(held, @ID_TO + 1) ~= life then held = false end
  local drawn = ARGV[3 + at]
  if not held and drawn ~= '' then
    held = drawn .. life
    redis.call('SET', KEYS[at], held, 'EX', ARGV[4])
  end
  told[at + 1] = held and string.sub(held, 1, @ID_FROM - 1) or ''
end
return told
";

/// `KEYS`: cells of rates. `ARGV`: the run of the server, and for each cell how long ago it first moved, by how much it
/// moved, and how far ahead of now it may lie, in microseconds.
///
/// A cell holds when its next request would be due if all came evenly, by the server's clock. How far ahead of now that
/// is, is the answer, so that no other clock matters. A cell that does not lie ahead says no more than none.
const RATES: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead = {}
for at = 1, #KEYS do
  local due = math.max(tonumber(redis.call('GET', KEYS[at]) or 0), now - ARGV[3 * at - 1]) + ARGV[3 * at]
  ahead[at] = math.max(math.min(due - now, tonumber(ARGV[3 * at + 1])), 0)
  if ahead[at] > 0 then
    local due = string.format('%.0f', now + ahead[at])
    redis.call('SET', KEYS[at], due, 'PX', math.floor(ahead[at] / 1000) + 1)
  end
end
return ahead
";

pub(crate) static ADDING_UP: Text = LazyLock::new(|| RATES.to_owned());
pub(crate) static ENTERING: Text = LazyLock::new(|| filled(ENTER));
pub(crate) static DRAWING: Text = LazyLock::new(|| filled(SECRETS));

fn filled(rest: &str) -> String {
    let text = format!("{BEGINNING}{rest}");
    let numbers = [
        ("@SKEW", SKEW.to_string()),
        ("@AHEAD", AHEAD.to_string()),
        ("@KEPT", KEPT.to_string()),
        ("@COUNTED", COUNTED.to_string()),
        ("@ID_FROM", (SECRET + 1).to_string()),
        ("@ID_TO", (SECRET + ID).to_string()),
        ("@DONE", code::DONE.to_string()),
        ("@HELD", code::HELD.to_string()),
        ("@FLOOR", code::FLOOR.to_string()),
        ("@FORGOTTEN", code::FORGOTTEN.to_string()),
        ("@ENDED", code::ENDED.to_string()),
        ("@CLOCK", code::CLOCK.to_string()),
        ("@ANOTHER", code::ANOTHER.to_string()),
        ("@BEHIND", code::BEHIND.to_string()),
        ("@JUMPED", code::JUMPED.to_string()),
    ];
    numbers.iter().fold(text, |text, (name, number)| text.replace(name, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_filled_in() {
        for script in [&*ENTERING, &*DRAWING, &*ADDING_UP] {
            assert!(!script.contains('@'), "{script}");
        }
    }
}
