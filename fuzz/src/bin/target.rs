//! Request targets, as they are signed and as policies match them.
#![no_main]

use avouch_wire::target::{NormalPath, Target};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(target) = Target::parse("GET", text) else { return };
    let path = target.path();
    assert!(path == "*" || path.starts_with('/'));
    assert_eq!(Target::parse("GET", path).as_ref().map(Target::path), Ok(path));
    let normal = NormalPath::of(path);
    if path.starts_with('/') && !normal.is_ambiguous() {
        let normal = normal.as_str();
        assert!(normal.starts_with('/') && !normal.contains("//") && !normal.contains('\\'));
        assert!(!normal.split('/').any(|segment| segment == "." || segment == ".."));
    }
});
