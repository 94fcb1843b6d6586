//! A made-up access log: browsers, honest crawlers, liars, and lines that are damaged.
//!
//! Every line follows from its number, so that a log of any length is the same each time. Addresses
//! are those for benchmarks (RFC 2544) and documentation (RFC 5737); [`zones`] says what DNS knows of
//! them, [`RANGES`] which are published for GPTBot.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Addresses that lie, at most.
pub const LIARS: u64 = 2_000;

/// Addresses of each honest crawler.
pub const HONEST: u64 = 100;

/// One line in so many is damaged.
pub const DAMAGED: u64 = 1_000;

/// What OpenAI would publish.
pub const RANGES: &str =
    r#"{"creationTime": "2026-11-01T00:00:00.000000", "prefixes": [{"ipv4Prefix": "198.18.2.0/24"}]}"#;

/// The log runs over ten days from 2026-11-11T00:00:00Z.
const START_DAY: u64 = 11;
const SECONDS: u64 = 10 * 86_400;

const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
];

const GOOGLEBOT: &str = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/141.0.0.0 Safari/537.36";
const BINGBOT: &str = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)";
const YANDEX: &str = "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)";
const CLAUDEBOT: &str = "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)";

const PATHS: [&str; 6] = [
    "/",
    "/products?page=2&sort=price",
    "/robots.txt",
    "/wp-login.php",
    "/a/long/path/to/an/article-about-things",
    "/api/v1/items/4711",
];

/// Writes a log of so many lines in the combined format.
///
/// # Errors
/// What writing gives.
pub fn write(lines: u64, out: &mut impl Write) -> io::Result<()> {
    let mut line = String::new();
    for number in 0..lines {
        line.clear();
        one(number, lines, &mut line);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn one(number: u64, lines: u64, line: &mut String) {
    let dice = scattered(number);
    if number % DAMAGED == DAMAGED / 2 {
        line.push_str("198.18.0.1 - - [11/Nov/2026:00:00:00 +0000] \"GET /cut-off-by-a-full-dis\n");
        return;
    }
    // Lies come in waves, and a few liars are far busier than the rest.
    let at = number * SECONDS / lines;
    let wave = if at / 14_400 % 7 == 3 { 18 } else { 5 };
    let liar = (dice >> 20) % LIARS * ((dice >> 40) % LIARS) / LIARS;
    let some = (dice >> 20) % HONEST;
    let (net, agent) = match dice % 100 {
        kind if kind < wave => ((format!("198.19.{}.{}", liar / 250, liar % 250 + 1)), lie(liar)),
        18..32 => (format!("198.18.0.{}", some + 1), GOOGLEBOT),
        32..37 => (format!("198.18.1.{}", some + 1), BINGBOT),
        37..39 => (format!("198.18.2.{}", some + 1), GPTBOT),
        39 => (format!("203.0.113.{}", some + 1), YANDEX),
        40 => (format!("2001:db8:7::{:x}", some + 1), CLAUDEBOT),
        41 => (format!("192.0.2.{}", some + 1), "-"),
        _ => {
            let browser = usize::try_from(dice >> 50).unwrap_or(0) % BROWSERS.len();
            (
                format!("2001:db8:{:x}:{:x}::1", dice >> 48, (dice >> 32) & 0xffff),
                BROWSERS.get(browser).copied().unwrap_or("-"),
            )
        }
    };
    let path = usize::try_from(dice >> 33).unwrap_or(0) % PATHS.len();
    let path = PATHS.get(path).copied().unwrap_or("/");
    let (day, clock) = (START_DAY + at / 86_400, at % 86_400);
    let (h, m, s) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let _always = writeln!(
        line,
        "{net} - - [{day:02}/Nov/2026:{h:02}:{m:02}:{s:02} +0000] \"GET {path} HTTP/1.1\" 200 {} \"https://www.shop.example/\" \"{agent}\"",
        dice % 90_000
    );
}

fn lie(liar: u64) -> &'static str {
    match liar % 8 {
        0..5 => GOOGLEBOT,
        5 | 6 => BINGBOT,
        _ => GPTBOT,
    }
}

/// What DNS knows: crawlers of Google and Microsoft lead there and back, half of the liars have a
/// name of their provider, one in forty has one that only its own reverse zone gives it.
#[must_use]
pub fn zones() -> String {
    let soa = "@ SOA ns.example. admin.example. 1 3600 600 86400 300\n";
    let mut forward =
        [format!("$TTL 3600\n$ORIGIN googlebot.com.\n{soa}"), format!("$ORIGIN search.msn.com.\n{soa}")];
    let mut reverse = format!("$ORIGIN 18.198.in-addr.arpa.\n{soa}");
    for at in 1..=HONEST {
        let names =
            [(0, format!("crawl-{at}"), "googlebot.com."), (1, format!("msnbot-{at}"), "search.msn.com.")];
        for ((net, name, domain), forward) in names.into_iter().zip(&mut forward) {
            let _always = writeln!(forward, "{name} A 198.18.{net}.{at}");
            let _always = writeln!(reverse, "{at}.{net} PTR {name}.{domain}");
        }
    }
    let _always = write!(reverse, "$ORIGIN 19.198.in-addr.arpa.\n{soa}");
    for liar in 0..LIARS {
        let place = format!("{}.{}", liar % 250 + 1, liar / 250);
        let _always = match liar % 40 {
            7 => writeln!(reverse, "{place} PTR crawl-{liar}.googlebot.com."),
            odd if odd % 2 == 1 => writeln!(reverse, "{place} PTR dyn-{liar}.pool.isp.example."),
            _ => Ok(()),
        };
    }
    forward.concat() + &reverse
}

/// Spreads numbers that follow each other over all of 64 bits (SplitMix64).
const fn scattered(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
