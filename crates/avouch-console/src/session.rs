//! Who is signed in: a table of sessions in memory, found by the digest of what their cookies hold.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avouch_keys::entropy::{Entropy as _, NoRandomness, SystemEntropy};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use tokio::time::Instant;

/// Most sessions; beyond it the one that was unused longest ends. A passkey opens each, so no stranger fills it.
const MAX_SESSIONS: usize = 256;

/// The cookie: bound to the host by its prefix, to TLS (or this machine) by `Secure`, out of scripts' reach.
const COOKIE: &str = "__Host-avouch";

/// 256 bits that nobody can guess.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn draw() -> Result<Self, NoRandomness> {
        let mut octets = [0; 32];
        SystemEntropy.fill(&mut octets)?;
        Ok(Self(octets))
    }

    /// Compares what somebody sent by digests, so that how long it takes tells nothing of the secret.
    pub(crate) fn is(&self, text: &str) -> bool {
        b64u::decode::<32>(text).is_ok_and(|octets| ContentDigest::of(&octets) == ContentDigest::of(&self.0))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64u::encode(&self.0))
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// Unused.
    pub(crate) idle: Duration,
    /// In any case.
    pub(crate) longest: Duration,
}

/// A session as its requests see it.
#[derive(Clone)]
pub(crate) struct Session {
    /// The passkey that opened it.
    pub(crate) passkey: Vec<u8>,
    /// What its forms carry, which no other site can know.
    pub(crate) csrf: Secret,
    begun: Instant,
    used: Instant,
}

/// All sessions. What cookies hold is not kept: who reads this memory cannot use them.
pub(crate) struct Sessions {
    lifetimes: Lifetimes,
    table: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(crate) fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, table: Mutex::default() }
    }

    /// Opens a session; the value of `Set-Cookie`.
    pub(crate) fn open(&self, passkey: &[u8], now: Instant) -> Result<String, NoRandomness> {
        let (secret, csrf) = (Secret::draw()?, Secret::draw()?);
        let mut table = self.table();
        table.retain(|_, session| self.lasts(session, now));
        if table.len() >= MAX_SESSIONS {
            let oldest = table.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            oldest.map(|key| table.remove(&key));
        }
        let session = Session { passkey: passkey.to_vec(), csrf, begun: now, used: now };
        table.insert(ContentDigest::of(&secret.0).0, session);
        let seconds = self.lifetimes.longest.as_secs();
        Ok(format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"))
    }

    /// The session of a `Cookie` header, which it keeps from ending unused.
    pub(crate) fn of(&self, cookies: &str, now: Instant) -> Option<Session> {
        let session = self.seen(cookies, now)?;
        self.table().get_mut(&key(cookies)?)?.used = now;
        Some(session)
    }

    /// The session of a `Cookie` header, which ends as if it had not been asked for.
    pub(crate) fn seen(&self, cookies: &str, now: Instant) -> Option<Session> {
        let key = key(cookies)?;
        let mut table = self.table();
        let session = table.get(&key)?.clone();
        if !self.lasts(&session, now) {
            table.remove(&key);
            return None;
        }
        Some(session)
    }

    /// Ends the session of a `Cookie` header; the value of `Set-Cookie`.
    pub(crate) fn end(&self, cookies: &str) -> String {
        if let Some(key) = key(cookies) {
            self.table().remove(&key);
        }
        format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
    }

    /// How many there are.
    pub(crate) fn number(&self, now: Instant) -> usize {
        self.table().values().filter(|session| self.lasts(session, now)).count()
    }

    fn lasts(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.used) < self.lifetimes.idle
            && now.duration_since(session.begun) < self.lifetimes.longest
    }

    fn table(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the session that cookies name. One that stands twice is nobody's.
fn key(cookies: &str) -> Option<[u8; 32]> {
    let mut ours = cookies
        .split(';')
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE);
    let (_, value) = ours.next()?;
    if ours.next().is_some() {
        return None;
    }
    Some(ContentDigest::of(&b64u::decode::<32>(value).ok()?).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn sessions() -> Sessions {
        Sessions::new(Lifetimes { idle: 30 * MINUTE, longest: 120 * MINUTE })
    }

    fn cookie(set: &str) -> String {
        set.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_for_this_host_out_of_reach_and_names_one_session() {
        let (sessions, now) = (sessions(), Instant::now());
        let set = sessions.open(b"id", now).unwrap();
        assert!(set.starts_with("__Host-avouch="));
        assert!(set.ends_with("; Path=/; Max-Age=7200; Secure; HttpOnly; SameSite=Strict"));
        let cookie = cookie(&set);
        assert_eq!(sessions.of(&format!("a=b; {cookie}; c=d"), now).unwrap().passkey, b"id");
        let other = self::cookie(&sessions.open(b"id", now).unwrap());
        assert_ne!(cookie, other);
        for near in [
            format!("{cookie}; {other}"),
            cookie.replace("__Host-", ""),
            cookie.replace("__Host-avouch=", "__Host-avouch=A"),
            "__Host-avouch=".to_owned(),
            format!("__Host-avouch={}", "A".repeat(43)),
            String::new(),
        ] {
            assert!(sessions.of(&near, now).is_none(), "{near}");
        }
    }

    #[test]
    fn a_session_ends_unused_at_its_longest_and_when_it_is_told_to() {
        let (sessions, now) = (sessions(), Instant::now());
        let kept = cookie(&sessions.open(b"kept", now).unwrap());
        let unused = cookie(&sessions.open(b"unused", now).unwrap());
        for minutes in (0..120).step_by(20) {
            assert!(sessions.of(&kept, now + minutes * MINUTE).is_some(), "{minutes}");
        }
        assert!(sessions.of(&unused, now + 30 * MINUTE).is_none());
        assert!(sessions.of(&kept, now + 120 * MINUTE).is_none());
        assert_eq!(sessions.number(now + 120 * MINUTE), 0);
        let left = cookie(&sessions.open(b"left open", now).unwrap());
        for minutes in (0..30).step_by(5) {
            assert!(sessions.seen(&left, now + minutes * MINUTE).is_some(), "{minutes}");
        }
        assert!(sessions.seen(&left, now + 30 * MINUTE).is_none(), "a page that renews itself is no use");
        let ended = cookie(&sessions.open(b"ended", now).unwrap());
        assert!(sessions.end(&ended).contains("Max-Age=0"));
        assert!(sessions.of(&ended, now).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_the_one_unused_longest_gives_way() {
        let (sessions, now) = (sessions(), Instant::now());
        let cookies: Vec<_> = (0..=MAX_SESSIONS as u32)
            .map(|number| cookie(&sessions.open(b"id", now + number * Duration::from_secs(1)).unwrap()))
            .collect();
        let later = now + 10 * MINUTE;
        assert_eq!(sessions.number(later), MAX_SESSIONS);
        assert!(sessions.of(&cookies[0], later).is_none());
        assert!(sessions.of(&cookies[1], later).is_some());
    }

    #[test]
    fn a_secret_is_itself_and_no_other() {
        let (one, other) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        assert!(one.is(&one.to_string()));
        assert!(!one.is(&other.to_string()) && !one.is("") && !one.is(&format!("{one}=")));
    }
}
