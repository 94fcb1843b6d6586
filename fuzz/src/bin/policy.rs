//! Policy files: one that loads can be questioned.
#![no_main]

use avouch_engine::decision::Policy;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(policy) = Policy::parse("fuzzed", text) else { return };
    let _ = policy.findings();
    let _ = policy.test("fuzzed", text);
});
