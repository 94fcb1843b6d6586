//! `traceparent`: what is read is written back so that it reads the same.
#![no_main]

use avouch_wire::trace_context::TraceParent;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some(parent) = TraceParent::parse(octets) else { return };
    assert!(parent.trace() != 0 && parent.span() != 0);
    assert_eq!(TraceParent::parse(parent.to_string().as_bytes()), Some(parent));
});
