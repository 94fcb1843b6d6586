//! Lines of access logs: whatever stands in one is read or refused, and read alike with more around it.
#![no_main]

use avouch_audit::line::read;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Ok(line) = read(octets) else { return };
    assert_eq!(line.address, line.address.to_canonical());
    assert!(line.agent.as_ref().is_none_or(|agent| !agent.is_empty()));
    let longer = match octets.trim_ascii_start().starts_with(b"{") {
        true => [b"  ", octets].concat(),
        false => [octets, b" \"192.0.2.7\" 0.001"].concat(),
    };
    assert_eq!(read(&longer).as_ref(), Ok(&line));
});
