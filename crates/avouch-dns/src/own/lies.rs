//! Names just before and just after another, between which nothing of the zone lies (RFC 4470 section 4).
//!
//! Names of the zone have labels of letters, digits, hyphens and underscores ([`Names::read`](super::names::Names::read)).
//! So a label of the octet 255, or one that ends in it, comes after all of them that begin as it does, and below it is none.

use hickory_proto::rr::Name;

/// The octet that no label of the zone holds, and that comes after those that do.
const LAST: u8 = 255;

/// Capital letters: labels are compared in lower case, so what precedes `[` is `@`.
const BEFORE_CAPITALS: u8 = b'A' - 1;
const AFTER_CAPITALS: u8 = b'Z' + 1;

/// A name before one that does not exist, with nothing of the zone between them. Its parent is that one's parent, or it is
/// the parent itself, or lies below a sibling.
pub(super) fn before(name: &Name) -> Name {
    let (label, parent) = divided(name);
    let Some((last, head)) = label.split_last() else { return parent };
    let lesser = match *last {
        0 => None,
        AFTER_CAPITALS => Some(BEFORE_CAPITALS),
        octet => Some(octet - 1),
    };
    let sibling: Vec<u8> = head.iter().copied().chain(lesser).collect();
    if lesser.is_some()
        && let Some(name) = child(&parent, &[&sibling[..], &[LAST]].concat())
    {
        return name;
    }
    // Where no room is for a name below it, none of the zone is below it, either.
    match child(&parent, &sibling) {
        Some(sibling) => child(&sibling, &[LAST]).unwrap_or(sibling),
        None => parent,
    }
}

/// A name after one and everything below it, with nothing of the zone between them, in the zone that begins at `apex`; the
/// first name of the zone where there is none.
pub(super) fn after(name: &Name, apex: &Name) -> Name {
    if name == apex {
        return apex.clone();
    }
    let (label, parent) = divided(name);
    if let Some(name) = child(&parent, &[label, &[0]].concat()) {
        return name;
    }
    let mut label = label.to_vec();
    while let Some(last) = label.pop() {
        if last == LAST {
            continue;
        }
        label.push(if last == BEFORE_CAPITALS { AFTER_CAPITALS } else { last + 1 });
        return child(&parent, &label).unwrap_or_else(|| apex.clone());
    }
    after(&parent, apex)
}

/// The first name below one that could exist: what comes right after it.
pub(super) fn first_below(name: &Name, apex: &Name) -> Name {
    child(name, &[0]).unwrap_or_else(|| after(name, apex))
}

/// The first label, and the rest.
fn divided(name: &Name) -> (&[u8], Name) {
    (name.iter().next().unwrap_or_default(), name.base_name())
}

/// `None` where the label or the name would be too long.
fn child(parent: &Name, label: &[u8]) -> Option<Name> {
    parent.prepend_label(label).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apex() -> Name {
        Name::from_ascii("_saip.acme.example.").unwrap()
    }

    fn name(label: &[u8]) -> Name {
        child(&apex(), label).unwrap()
    }

    /// Labels that try every way out: capitals' neighbours, both ends of octets, none and no room.
    fn labels() -> Vec<Vec<u8>> {
        let long = |last: u8| [vec![b'a'; 62], vec![last]].concat();
        let mut labels: Vec<Vec<u8>> = (0..=255)
            .filter(|octet: &u8| !octet.is_ascii_uppercase())
            .flat_map(|octet| [vec![octet], vec![b'a', octet], long(octet)])
            .collect();
        labels.push(vec![LAST; 63]);
        labels.push(vec![0; 63]);
        labels
    }

    #[test]
    fn a_name_lies_between_what_is_before_and_what_is_after_it() {
        for label in labels() {
            let name = name(&label);
            let (before, after) = (before(&name), after(&name, &apex()));
            assert!(before < name, "{before} {name}");
            assert!(name < after || after == apex(), "{name} {after}");
            let below = child(&name, b"zzz").unwrap();
            assert!(below < after || after == apex(), "{below} is covered, too");
            let first = first_below(&name, &apex());
            assert!(name < first && first < below);
        }
    }

    #[test]
    fn no_name_of_the_zone_lies_in_between() {
        let plain =
            |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-_".contains(octet);
        let long = |last: u8| [vec![b'a'; 62], vec![last]].concat();
        let of_zone: Vec<Name> = (0..=255)
            .filter(plain)
            .flat_map(|octet| {
                [vec![octet], vec![b'a', octet], vec![b'a'; usize::from(octet) % 63 + 1], long(octet)]
            })
            .map(|label| name(&label))
            .flat_map(|name| [child(&name, b"0").unwrap(), child(&name, b"z").unwrap(), name])
            .collect();
        for label in labels() {
            let name = name(&label);
            let (before, after) = (before(&name), after(&name, &apex()));
            let is_covered = |other: &&Name| **other > before && (**other < after || after == apex());
            for other in of_zone.iter().filter(is_covered) {
                assert!(name.zone_of(other), "{before} {name} {after} cover {other}");
            }
        }
    }

    #[test]
    fn names_without_room_are_covered() {
        let mut deep = apex();
        while let Some(deeper) = child(&deep, &[b'a'; 40]) {
            deep = deeper;
        }
        while let Some(deeper) = child(&deep, b"b") {
            deep = deeper;
        }
        for label in [&b"\0"[..], b"a", &[LAST]] {
            let name = child(&deep.base_name(), label).unwrap();
            let (before, after) = (before(&name), after(&name, &apex()));
            assert!(before < name && name < after, "{before} {name} {after}");
            assert!(first_below(&name, &apex()) > name);
        }
    }
}
