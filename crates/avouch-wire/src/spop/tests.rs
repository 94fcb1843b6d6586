use std::net::IpAddr;

use proptest::prelude::*;

use super::octets::{Octets, put_number};
use super::*;

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "method", "max-frame-size", "avouch.status_0"])
}

fn octets() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![&b""[..], b"a", b"\xe9\0\xff", &[b'x'; 239], &[b'x'; 240], &[0; 3000]])
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::Int32),
        any::<u32>().prop_map(Value::Uint32),
        any::<i64>().prop_map(Value::Int64),
        any::<u64>().prop_map(Value::Uint64),
        any::<IpAddr>().prop_map(Value::Address),
        octets().prop_map(Value::Text),
        octets().prop_map(Value::Binary),
    ]
}

fn pairs() -> impl Strategy<Value = Pairs<'static>> {
    prop::collection::vec((name(), value()), 0..5)
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    let id = || any::<(u64, u64)>().prop_map(|(stream, frame)| Id { stream, frame });
    let message = (name(), pairs()).prop_map(|(name, arguments)| Message { name, arguments });
    let action = prop_oneof![
        (name(), value()).prop_map(|(name, value)| Action::Set { name, value }),
        name().prop_map(|name| Action::Unset { name }),
    ];
    prop_oneof![
        pairs().prop_map(Frame::HaproxyHello),
        pairs().prop_map(Frame::HaproxyDisconnect),
        pairs().prop_map(Frame::AgentHello),
        pairs().prop_map(Frame::AgentDisconnect),
        (id(), prop::collection::vec(message, 0..4)).prop_map(|(id, messages)| Frame::Notify(id, messages)),
        (id(), prop::collection::vec(action, 0..4)).prop_map(|(id, actions)| Frame::Ack(id, actions)),
    ]
}

/// The octets after those that say how many they are.
fn body(octets: &[u8]) -> &[u8] {
    let (length, frame) = octets.split_first_chunk::<PREFIX>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, frame.len());
    frame
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_no_part_of_it_is(frame in frame()) {
        let octets = frame.write();
        prop_assert_eq!(Frame::read(body(&octets)), Ok(frame.clone()));
        for end in 0..body(&octets).len().min(300) {
            prop_assert_ne!(Frame::read(&body(&octets)[..end]), Ok(frame.clone()));
        }
    }

    #[test]
    fn no_octets_make_the_reader_panic_and_what_is_read_is_written_as_it_came(
        octets in prop::collection::vec(any::<u8>(), 0..200), kind in any::<u8>(),
    ) {
        let whole = [&[kind, 0, 0, 0, 1][..], &octets].concat();
        if let Ok(frame) = Frame::read(&whole) {
            let written = frame.write();
            prop_assert_eq!(body(&written), &whole);
        }
        prop_assert!(Fields::of(&octets).count() <= octets.len() + 1);
    }
}

#[test]
fn a_number_is_as_the_specification_says_and_has_64_bits() {
    for (number, expected) in [
        (0, &[0][..]),
        (239, &[239]),
        (240, &[240, 0]),
        (2287, &[255, 127]),
        (2288, &[240, 128, 0]),
        (264_431, &[255, 255, 127]),
        (264_432, &[240, 128, 128, 0]),
        (4_328_786_159, &[255, 255, 255, 255, 127]),
    ] {
        let mut octets = Vec::new();
        put_number(number, &mut octets);
        assert_eq!(octets, expected, "{number}");
        assert_eq!(Octets(expected).number(), Ok(number));
        for end in 0..expected.len() {
            assert_eq!(Octets(&expected[..end]).number(), Err(FrameError::Short), "{number}, {end} octets");
        }
    }
    let mut largest = Vec::new();
    put_number(u64::MAX, &mut largest);
    assert_eq!(Octets(&largest).number(), Ok(u64::MAX));
    *largest.last_mut().unwrap() += 1;
    assert_eq!(Octets(&largest).number(), Err(FrameError::Number), "one more in the last octet");
    assert_eq!(Octets(&[0xff; 100]).number(), Err(FrameError::Number), "a number without end");
}

#[test]
fn what_is_no_whole_frame_is_refused() {
    let notify = b"\x03\0\0\0\x01\x07\x02\x01m\x01\x01a\x00";
    assert!(matches!(Frame::read(notify), Ok(Frame::Notify(Id { stream: 7, frame: 2 }, _))));
    let changed = |at: usize, octet: u8| {
        let mut octets = notify.to_vec();
        octets[at] = octet;
        Frame::read(&octets).err()
    };
    for (at, octet, expected) in [
        (0, 0, FrameError::Fragment),
        (0, 4, FrameError::Kind(4)),
        (0, 100, FrameError::Kind(100)),
        (0, 1, FrameError::Identifier),
        (0, 103, FrameError::Action),
        (1, 0x80, FrameError::Flags),
        (4, 0, FrameError::Fragment),
        (4, 2, FrameError::Fragment),
        (4, 3, FrameError::Fragment),
        (4, 5, FrameError::Flags),
        (7, 0, FrameError::Name),
        (8, b' ', FrameError::Name),
        (8, 0xe9, FrameError::Name),
        (9, 2, FrameError::Short),
        (12, 10, FrameError::Type(10)),
        (12, 0x10, FrameError::Flags),
        (12, 0x21, FrameError::Flags),
        (12, 0x18, FrameError::Flags),
        (12, 8, FrameError::Short),
    ] {
        assert_eq!(changed(at, octet), Some(expected), "{octet} at {at}");
    }
    // -2147483649, and 2^32.
    for (kind, number) in [(2, i64::from(i32::MIN) - 1), (3, 1 << 32)] {
        let mut octets = [&notify[..12], &[kind]].concat();
        put_number(number.cast_unsigned(), &mut octets);
        assert_eq!(Frame::read(&octets), Err(FrameError::Range), "{number}");
    }
    let many = |count| Frame::HaproxyHello(vec![("a", Value::Null); count]).write();
    assert!(Frame::read(body(&many(MAX_ITEMS))).is_ok());
    assert_eq!(Frame::read(body(&many(MAX_ITEMS + 1))), Err(FrameError::Items));
}

#[test]
fn fields_come_line_by_line_up_to_their_end() {
    let read = |octets: &'static [u8]| Fields::of(octets).collect::<Result<Vec<_>, _>>();
    let fields: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"a", b""), (b"b", b"\xe9")];
    assert_eq!(read(b"\x01a\x011\x01a\x00\x01b\x01\xe9\0\0"), Ok(fields.to_vec()));
    assert_eq!(read(b"\0\0"), Ok(vec![]));
    for (octets, expected) in [
        (&b""[..], FrameError::Short),
        (b"\0", FrameError::Short),
        (b"\x01a\x011", FrameError::Short),
        (b"\x01a\x021\0\0", FrameError::Short),
        (b"\0\0\0", FrameError::Trailing),
        (b"\x01a\x011\0\0\x01b\x011\0\0", FrameError::Trailing),
        (b"\0\x011\0\0", FrameError::Name),
    ] {
        assert_eq!(read(octets), Err(expected), "{octets:?}");
    }
}

/// The offer of HAProxy 2.6, changed.
fn offer(change: impl FnOnce(&mut Pairs<'static>)) -> Result<Offer, Trouble> {
    let mut pairs = vec![
        ("supported-versions", Value::Text(b"2.0")),
        ("max-frame-size", Value::Uint32(16_380)),
        ("capabilities", Value::Text(b"pipelining,async")),
        ("engine-id", Value::Text(b"1D9F")),
    ];
    change(&mut pairs);
    Offer::read(&pairs)
}

#[test]
fn an_offer_is_taken_with_what_both_can() {
    let plain = offer(|_| ()).unwrap();
    assert_eq!(plain, Offer { max_frame_size: 16_380, pipelining: true, healthcheck: false });
    let Frame::AgentHello(pairs) = agent_hello(plain, 1 << 20) else { panic!("it is one") };
    assert_eq!(
        pairs[1..],
        [("max-frame-size", Value::Uint32(16_380)), ("capabilities", Value::Text(b"pipelining"))]
    );
    let alone = offer(|pairs| pairs[2].1 = Value::Text(b" async , pipelining2")).unwrap();
    assert!(!alone.pipelining);
    let Frame::AgentHello(pairs) = agent_hello(alone, 1000) else { panic!("it is one") };
    assert_eq!(pairs[1..], [("max-frame-size", Value::Uint32(1000)), ("capabilities", Value::Text(b""))]);
    assert!(offer(|pairs| pairs.push(("healthcheck", Value::Bool(true)))).unwrap().healthcheck);
    assert!(offer(|pairs| pairs[0].1 = Value::Text(b"3.0, 2.1")).is_ok());
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_with_its_number() {
    type Change = fn(&mut Pairs<'static>);
    let cases: [(Change, Trouble, u32); 11] = [
        (|pairs| _ = pairs.remove(0), Trouble::NoVersions, 5),
        (|pairs| pairs[0].1 = Value::Binary(b"2.0"), Trouble::NoVersions, 5),
        (|pairs| pairs.push(pairs[0]), Trouble::NoVersions, 5),
        (|pairs| _ = pairs.remove(1), Trouble::NoLimit, 6),
        (|pairs| pairs[1].1 = Value::Int32(16_380), Trouble::NoLimit, 6),
        (|pairs| _ = pairs.remove(2), Trouble::NoCapabilities, 7),
        (|pairs| pairs[0].1 = Value::Text(b"1.0,20.0,3.2"), Trouble::Version, 8),
        (|pairs| pairs[0].1 = Value::Text(b"2"), Trouble::Version, 8),
        (|pairs| pairs[1].1 = Value::Uint32(255), Trouble::Limit, 9),
        (|pairs| pairs.push(("healthcheck", Value::Null)), Trouble::Invalid, 4),
        (|pairs| pairs.extend([("healthcheck", Value::Bool(true)); 2]), Trouble::Invalid, 4),
    ];
    for (at, (change, trouble, code)) in cases.into_iter().enumerate() {
        assert_eq!(offer(change), Err(trouble), "case {at}");
        let Frame::AgentDisconnect(pairs) = disconnect(trouble, "") else { panic!("it is one") };
        assert_eq!(pairs[0], ("status-code", Value::Uint32(code)), "case {at}");
    }
    assert!(offer(|pairs| pairs[1].1 = Value::Uint32(256)).is_ok());
}
