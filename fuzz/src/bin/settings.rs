//! Settings files: every problem has a place and a fix.
#![no_main]

use avouch_wire::settings::Reader;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let reader = Reader::new("fuzzed", text);
    let mut root = reader.root();
    let _ = root.optional("size", |value| value.number(0..=9));
    let _ = root.optional("wait", |value| value.duration());
    let _ = root.list("net", |value| value.network());
    for mut table in root.tables("route") {
        let _ = table.required("path", |value| value.text());
    }
    root.finish();
    let Err(problems) = reader.into_result(Some(())) else { return };
    assert!(problems.list.iter().all(|problem| problem.line > 0 && problem.column > 0));
    assert!(problems.list.iter().all(|problem| !problem.fix.is_empty()));
});
