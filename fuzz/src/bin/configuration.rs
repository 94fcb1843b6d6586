//! The gateway's configuration: what is read is printed and read again alike.
#![no_main]

use avouch_gateway::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(config) = Config::parse("fuzzed", text) else { return };
    let again = Config::parse("printed", &config.to_string());
    assert_eq!(again.as_ref(), Ok(&config));
});
