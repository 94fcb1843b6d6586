//! PROXY headers, version 2: what has arrived decides, and what follows changes nothing.
#![no_main]

use avouch_wire::proxy_protocol::{LENGTH_LIMIT, Progress, Told, read};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Ok(Progress::Read { length, said }) = read(octets) else { return };
    assert!(length <= LENGTH_LIMIT && length <= octets.len());
    let (header, _) = octets.split_at(length);
    assert_eq!(read(header), Ok(Progress::Read { length, said }));
    let told = Told::read(header);
    assert!([told.server_name, told.common_name].into_iter().flatten().all(|name| !name.is_empty()));
    assert!((0..length).all(|end| read(&header[..end]) == Ok(Progress::More)));
});
