use super::*;
use proptest::prelude::*;

/// What sfv, another implementation, makes of a text: its serialisation, or `None`.
fn partner(text: &str, kind: &str) -> Option<String> {
    use sfv::FieldType;
    let parser = sfv::Parser::new(text);
    match kind {
        "item" => parser.parse::<sfv::Item>().ok().map(|value| value.serialize()),
        "list" => parser.parse::<sfv::List>().ok().map(|value| value.serialize().unwrap_or_default()),
        _ => parser.parse::<sfv::Dictionary>().ok().map(|value| value.serialize().unwrap_or_default()),
    }
}

fn ours(text: &str, kind: &str) -> Result<String, StructuredError> {
    match kind {
        "item" => Item::parse(text).map(|value| value.to_string()),
        "list" => List::parse(text).map(|value| value.to_string()),
        _ => Dictionary::parse(text).map(|value| value.to_string()),
    }
}

#[test]
fn every_kind_of_value_is_written_in_its_one_form() {
    let cases = [
        ("1", "1"),
        ("-0", "0"),
        ("007", "7"),
        ("999999999999999", "999999999999999"),
        ("1.50", "1.5"),
        ("-1.000", "-1.0"),
        ("0.125", "0.125"),
        ("\"a \\\"b\\\\\"", "\"a \\\"b\\\\\""),
        ("*foo/bar:1", "*foo/bar:1"),
        (":aGk=:", ":aGk=:"),
        ("::", "::"),
        ("?0", "?0"),
        ("@1659578233", "@1659578233"),
        ("%\"f%c3%bc\"", "%\"f%c3%bc\""),
        ("%\"%41\"", "%\"A\""),
        ("  a;b;  c=?1;d=2  ", "a;b;c;d=2"),
    ];
    for (text, written) in cases {
        assert_eq!(ours(text, "item").as_deref(), Ok(written), "{text}");
        assert_eq!(partner(text, "item").as_deref(), Some(written), "{text}, by sfv");
    }
    assert_eq!(
        ours("a,\t b ;c,(  1   2 );d", "list").as_deref(),
        Err(&StructuredError::Expected(6, "a comma"))
    );
    assert_eq!(ours("a,\t b;c ,(  1   2 );d", "list").as_deref(), Ok("a, b;c, (1 2);d"));
    assert_eq!(ours("a=?1;x, b=(), c;y, d=?0", "dictionary").as_deref(), Ok("a;x, b=(), c;y, d=?0"));
    assert_eq!(ours("", "dictionary").as_deref(), Ok(""));
}

#[test]
fn each_rule_refuses_its_near_miss() {
    let items = [
        "",
        "1000000000000000",
        "1.",
        "1.1234",
        "1234567890123.1",
        "-",
        "--1",
        "+1",
        "\"a",
        "\"a\\b\"",
        "\"\u{e9}\"",
        "\"\t\"",
        ":aGk:",
        ":aGl=:",
        ":aG=k:",
        ":a-_=:",
        ":aGk=",
        "?2",
        "?",
        "@1.0",
        "@",
        "%\"%C3%BC\"",
        "%\"%c3\"",
        "%\"%4\"",
        "%a",
        "a b",
        "a;",
        "a;B",
        "a;b=",
        "a; \tb",
        "\u{e9}",
        "(a)",
    ];
    for text in items {
        assert!(Item::parse(text).is_err(), "{text}");
    }
    for text in ["a,", ",a", "a,,b", "(a", "(a,b)", "(a\tb)", "(\"a\"\"b\")", "((a))"] {
        assert!(List::parse(text).is_err(), "{text}");
    }
    for text in ["A=1", "a=", "a =1", "a= 1", "1=a", "a=1 b=2", "a=(1", "-a=1"] {
        assert!(Dictionary::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_name_stands_once_and_places_are_named() {
    assert_eq!(Dictionary::parse("a=1, b=2, a=3"), Err(StructuredError::Repeated(10)));
    assert_eq!(Item::parse("x;a;b;a=1"), Err(StructuredError::Repeated(6)));
    assert_eq!(Dictionary::parse("a=1 b"), Err(StructuredError::Expected(4, "a comma")));
}

#[test]
fn what_grows_has_a_limit() {
    let members = |count: usize| (0..count).map(|at| format!("a{at}")).collect::<Vec<_>>();
    let items = |count: usize| format!("({})", members(count).join(" "));
    for (most, more) in [
        (members(MAX_MEMBERS).join(","), members(MAX_MEMBERS + 1).join(",")),
        (items(MAX_MEMBERS), items(MAX_MEMBERS + 1)),
        (
            format!("x;{}", members(MAX_MEMBERS).join(";")),
            format!("x;{}", members(MAX_MEMBERS + 1).join(";")),
        ),
    ] {
        assert!(List::parse(&most).is_ok());
        assert!(matches!(List::parse(&more), Err(StructuredError::TooMany(_))), "{more}");
    }
    let long = |length: usize| format!("\"{}\"", "a".repeat(length - 2));
    assert!(Item::parse(&long(MAX_FIELD)).is_ok());
    assert_eq!(Item::parse(&long(MAX_FIELD + 1)), Err(StructuredError::TooLong));
}

#[test]
fn octets_are_decoded_whole_or_to_a_length() {
    for length in 0..70 {
        let octets: Vec<u8> = (0..length).collect();
        let text = format!(":{}:", data_encoding::BASE64.encode(&octets));
        let BareItem::Bytes(bytes) = Item::parse(&text).unwrap().bare else { panic!("{text}") };
        assert_eq!(bytes.octets(), octets);
        assert_eq!(bytes.exactly::<64>().is_some(), length == 64, "{length}");
        assert_eq!(bytes.exactly::<32>().map(|octets| octets.to_vec()), (length == 32).then_some(octets));
    }
}

#[test]
fn a_byte_sequence_is_taken_exactly_if_it_can_be_decoded() {
    for length in 0..9 {
        let good = data_encoding::BASE64.encode(&vec![0x5a; length]);
        for at in 0..good.len() {
            for octet in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" {
                let mut text = good.clone().into_bytes();
                text[at] = *octet;
                let text = String::from_utf8(text).unwrap();
                let is_read = Item::parse(&format!(":{text}:")).is_ok();
                assert_eq!(is_read, data_encoding::BASE64.decode(text.as_bytes()).is_ok(), "{text}");
            }
        }
    }
}

/// Texts near the grammar, so that much of what is made up is read.
fn near() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z*][a-z0-9_.*-]{0,3}",
        "=",
        "=?[01]",
        "=-?[0-9]{1,3}(\\.[0-9]{1,4})?",
        "=\"[ -~]{0,5}\"",
        ":[A-Za-z0-9+/]{4}:",
        ":aGk=:",
        "\\(",
        "\\)",
        " ",
        "\t",
        ",",
        ", ",
        ";",
        "; ",
        "@[0-9]{1,4}",
        "%\"(%[0-9a-f]{2}|[a-z])*\"",
        "[ -~]",
        "\\PC",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// What is read here sfv reads to the same; it is stricter here only where the module says so.
    #[test]
    fn sfv_agrees(text in near()) {
        for kind in ["item", "list", "dictionary"] {
            let (own, other) = (ours(&text, kind), partner(&text, kind));
            match own {
                Ok(written) => {
                    prop_assert_eq!(other.as_ref(), Some(&written), "{} {}", kind, text);
                    prop_assert_eq!(ours(&written, kind), Ok(written.clone()), "written form is stable");
                }
                Err(StructuredError::Repeated(_)) => {}
                Err(StructuredError::Expected(_, "base64 with its padding")) => {}
                Err(error) => prop_assert_eq!(other, None, "{} {}: {}", kind, text, error),
            }
        }
    }
}
