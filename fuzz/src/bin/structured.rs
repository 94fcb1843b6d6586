//! Structured fields: what is read is written, and read again alike.
#![no_main]

use avouch_wire::structured::{Dictionary, Item, List};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(item) = Item::parse(text) {
        let written = item.to_string();
        assert_eq!(Item::parse(&written).expect("what is written is read").to_string(), written);
    }
    if let Ok(list) = List::parse(text) {
        let written = list.to_string();
        assert_eq!(List::parse(&written).expect("what is written is read").to_string(), written);
    }
    if let Ok(dictionary) = Dictionary::parse(text) {
        let written = dictionary.to_string();
        assert_eq!(Dictionary::parse(&written).expect("what is written is read").to_string(), written);
    }
});
