//! Frames by which HAProxy asks an agent: what is read has one spelling.
#![no_main]

use avouch_wire::spop::{Fields, Frame, MAX_ITEMS, Offer, PREFIX, Value};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    fields(octets);
    let Ok(frame) = Frame::read(octets) else { return };
    let written = frame.write();
    assert_eq!(&written[PREFIX..], octets);
    match frame {
        Frame::HaproxyHello(pairs) => assert!(Offer::read(&pairs).is_err() || pairs.len() <= MAX_ITEMS),
        Frame::Notify(_, messages) => {
            let arguments = messages.iter().flat_map(|message| &message.arguments);
            arguments.for_each(|(_, value)| if let Value::Binary(octets) = value { fields(octets) });
        }
        _ => {}
    }
});

fn fields(octets: &[u8]) {
    for (name, value) in Fields::of(octets).flatten() {
        assert!(!name.is_empty() && name.len() + value.len() < octets.len());
    }
}
