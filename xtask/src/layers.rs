//! Who may depend on whom: the table of layers in ARCHITECTURE.md against the manifests.

use crate::finding::Finding;
use crate::house::Crate;
use crate::table;

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// In the house: depends only on lower layers, and on what its `also` column names.
    Number(u8),
    /// Beside the house (tests, tools): may use every crate, and no layered crate uses it.
    Beside,
}

/// One row of the table.
pub(crate) struct Place<'a> {
    pub(crate) name: &'a str,
    pub(crate) layer: Layer,
    also: Vec<&'a str>,
}

const TABLE: &str = "ARCHITECTURE.md, table of layers";

/// Reads the table of layers: `layer`, `crate`, `also`, then columns for people.
pub(crate) fn places(architecture: &str) -> Result<Vec<Place<'_>>, Vec<Finding>> {
    table::rows(architecture, "layer")
        .iter()
        .map(place)
        .collect::<Result<_, _>>()
        .map_err(|finding| vec![finding])
}

fn place<'a>(row: &table::Row<'a>) -> Result<Place<'a>, Finding> {
    let word = row.cell(0).split(' ').next().unwrap_or_default();
    let layer = match (word, word.parse()) {
        ("beside", _) => Layer::Beside,
        (_, Ok(number)) => Layer::Number(number),
        (_, Err(_)) => {
            let what = format!("`{word}` is no layer");
            return Err(Finding::new(at(row), what, "begin the row with a number or with `beside`"));
        }
    };
    match table::quoted(row.cell(1)).as_slice() {
        [name] => Ok(Place { name, layer, also: table::quoted(row.cell(2)) }),
        _ => Err(Finding::new(at(row), "does not name one crate", "put its name in backticks in column two")),
    }
}

fn at(row: &table::Row<'_>) -> String {
    format!("ARCHITECTURE.md:{}", row.line)
}

/// Holds the manifests to the table.
pub(crate) fn check(places: &[Place<'_>], crates: &[Crate]) -> Vec<Finding> {
    let ghosts =
        places.iter().filter(|place| !crates.iter().any(|krate| krate.name == place.name)).map(|place| {
            Finding::new(TABLE, format!("`{}` is listed but does not exist", place.name), "take out its row")
        });
    let members = crates.iter().flat_map(|krate| match find(places, &krate.name) {
        Some(place) => check_crate(place, krate, places),
        None => {
            vec![Finding::new(TABLE, format!("`{}` is not listed", krate.name), "give it a row and a layer")]
        }
    });
    ghosts.chain(members).collect()
}

fn check_crate(place: &Place<'_>, krate: &Crate, places: &[Place<'_>]) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", krate.folder);
    let upward = krate.needs.iter().filter_map(|need| find(places, need)).filter(|need| !allows(place, need));
    let upward = upward.map(|need| {
        let what =
            format!("`{}` ({:?}) depends on `{}` ({:?})", place.name, place.layer, need.name, need.layer);
        Finding::new(
            &manifest,
            what,
            "move the code down a layer, or invert it: the lower layer names a trait",
        )
    });
    let unused = place.also.iter().filter(|also| !krate.needs.iter().any(|need| need == *also)).map(|also| {
        let what = format!("`{}` may also use `{also}` but does not", place.name);
        Finding::new(TABLE, what, "take the exception out of its row")
    });
    upward.chain(unused).collect()
}

fn allows(place: &Place<'_>, need: &Place<'_>) -> bool {
    match (place.layer, need.layer) {
        (Layer::Beside, _) => true,
        (Layer::Number(_), Layer::Beside) => false,
        (Layer::Number(own), Layer::Number(other)) => {
            other < own || (other == own && place.also.contains(&need.name))
        }
    }
}

fn find<'a, 'b>(places: &'b [Place<'a>], name: &str) -> Option<&'b Place<'a>> {
    places.iter().find(|place| place.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
| layer | crate | also |
|---|---|---|
| 0 formats | `wire` | |
| 1 judgement | `engine` | |
| 1 keys | `keys` | `engine` |
| beside | `testkit` | |
";

    fn krate(name: &str, needs: &[&str]) -> Crate {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Crate { name: name.to_owned(), folder: name.to_owned(), needs }
    }

    /// What is found when `engine` needs these, all else being in order.
    fn findings(engine_needs: &[&str]) -> Vec<String> {
        let crates = [
            krate("wire", &["serde"]),
            krate("engine", engine_needs),
            krate("keys", &["wire", "engine"]),
            krate("testkit", &["keys"]),
        ];
        check(&places(DOCUMENT).unwrap(), &crates).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crate_may_use_lower_layers_and_its_exceptions() {
        assert_eq!(findings(&["wire"]), [""; 0]);
    }

    #[test]
    fn a_crate_of_the_same_layer_is_refused_without_an_exception() {
        assert!(findings(&["keys"])[0].contains("`engine` (Number(1)) depends on `keys`"));
    }

    #[test]
    fn an_upward_dependency_is_refused() {
        let crates = [
            krate("wire", &["engine"]),
            krate("engine", &[]),
            krate("keys", &["engine"]),
            krate("testkit", &[]),
        ];
        let findings = check(&places(DOCUMENT).unwrap(), &crates);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("`wire` (Number(0)) depends on `engine`"));
    }

    #[test]
    fn what_stands_beside_is_not_for_the_house() {
        assert!(findings(&["testkit"])[0].contains("(Beside)"));
    }

    #[test]
    fn an_unlisted_crate_and_a_listed_ghost_are_named() {
        let crates =
            [krate("wire", &[]), krate("engine", &[]), krate("keys", &["engine"]), krate("stray", &[])];
        let findings = check(&places(DOCUMENT).unwrap(), &crates);
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(text[0].contains("`testkit` is listed but does not exist"));
        assert!(text[1].contains("`stray` is not listed"));
        assert_eq!(text.len(), 2);
    }

    #[test]
    fn an_exception_nobody_uses_is_named() {
        let crates =
            [krate("wire", &[]), krate("engine", &[]), krate("keys", &["wire"]), krate("testkit", &[])];
        let findings = check(&places(DOCUMENT).unwrap(), &crates);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("may also use `engine` but does not"));
    }

    #[test]
    fn a_row_without_a_layer_is_refused() {
        assert!(places("| layer | crate |\n|---|---|\n| first | `wire` |\n").is_err());
        assert!(places("| layer | crate |\n|---|---|\n| 0 | wire |\n").is_err());
    }
}
