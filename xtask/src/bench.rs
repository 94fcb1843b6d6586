//! `cargo xtask bench`: runs the benchmarks and writes what they measured to docs/performance.md.
//!
//! A benchmark prints one JSON object: `{"figures": [{"name", "ratio", "goal", "limit",
//! "detail"}]}`. Figures are ratios against a bare limit measured in the same run, so that they
//! mean the same on every machine; only they decide.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::finding::Finding;
use crate::{cargo, house};

const DOCUMENT: &str = "docs/performance.md";

struct Figure {
    name: String,
    ratio: f64,
    goal: f64,
    limit: f64,
    detail: String,
}

/// Measures, writes, judges.
pub(crate) fn run() -> Vec<Finding> {
    measure().unwrap_or_else(|findings| findings)
}

fn measure() -> Result<Vec<Finding>, Vec<Finding>> {
    let before = load();
    let mut bench = cargo::command("cargo", &["bench", "--package", "avouch-benches"]);
    let printed = cargo::output(&mut bench, "run `cargo bench -p avouch-benches`")?;
    let figures = read(&printed)?;
    let page = render(
        &figures,
        &[("date", date()), ("CPU", cpu()), ("load before", before), ("load after", load())],
    );
    fs::write(house::root().join(DOCUMENT), page)
        .map_err(|error| vec![Finding::new(DOCUMENT, error.to_string(), "make it writable")])?;
    Ok(beyond(&figures))
}

/// The figures in what the benchmarks print, whatever the harness prints around them.
fn read(printed: &str) -> Result<Vec<Figure>, Vec<Finding>> {
    let broken = |what: &str| vec![Finding::new("cargo bench", what, "print one JSON object with `figures`")];
    let start = printed.find('{').ok_or_else(|| broken("printed no object"))?;
    let text = printed.get(start..).unwrap_or_default();
    let object = serde_json::Deserializer::from_str(text).into_iter::<Value>().next().and_then(Result::ok);
    let object = object.ok_or_else(|| broken("printed something that is not JSON"))?;
    let figures =
        object.get("figures").and_then(Value::as_array).ok_or_else(|| broken("printed no `figures`"))?;
    figures
        .iter()
        .map(figure)
        .collect::<Option<_>>()
        .ok_or_else(|| broken("printed a figure that lacks a part"))
}

fn figure(value: &Value) -> Option<Figure> {
    let number = |name: &str| value.get(name)?.as_f64();
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    Some(Figure {
        name: text("name")?,
        ratio: number("ratio")?,
        goal: number("goal")?,
        limit: number("limit")?,
        detail: text("detail")?,
    })
}

fn beyond(figures: &[Figure]) -> Vec<Finding> {
    let beyond = figures.iter().filter(|figure| figure.ratio > figure.limit);
    let mend = "measure again on a quiet machine, then look for what became slower";
    beyond
        .map(|figure| Finding::new(&figure.name, format!("{} > {}", figure.ratio, figure.limit), mend))
        .collect()
}

fn render(figures: &[Figure], facts: &[(&str, String)]) -> String {
    let mut page =
        "# Performance\n\nWritten by `cargo xtask bench`. Each figure is a ratio against a bare limit \
                    measured in the same run; beyond the limit the command fails.\n\n"
            .to_owned();
    for (name, fact) in facts {
        let _ = writeln!(page, "- {name}: {fact}");
    }
    page.push_str(
        "\n| figure | ratio | goal | limit | how it stands | detail |\n|---|---|---|---|---|---|\n",
    );
    for Figure { name, ratio, goal, limit, detail } in figures {
        let stands = if ratio <= goal {
            "goal met"
        } else if ratio <= limit {
            "within limit"
        } else {
            "**beyond limit**"
        };
        let _ = writeln!(page, "| {name} | {ratio:.4} | {goal} | {limit} | {stands} | {detail} |");
    }
    page
}

fn date() -> String {
    cargo::output(&mut cargo::command("date", &["-u", "+%Y-%m-%d %H:%M UTC"]), "install coreutils")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = || text.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    match models().next() {
        Some((_, model)) => format!("{} × {model}", models().count()),
        None => "unknown".to_owned(),
    }
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(ratio: &str) -> String {
        let figure =
            format!("{{\"name\":\"check\",\"ratio\":{ratio},\"goal\":1.02,\"limit\":1.05,\"detail\":\"x\"}}");
        format!("running 0 tests\n{{\"figures\":[{figure}]}}\n")
    }

    #[test]
    fn a_ratio_at_its_limit_passes_and_one_beyond_it_fails() {
        assert!(beyond(&read(&printed("1.05")).unwrap()).is_empty());
        assert_eq!(beyond(&read(&printed("1.0501")).unwrap()).len(), 1);
    }

    #[test]
    fn a_figure_that_lacks_a_part_is_refused() {
        assert!(read(&printed("null")).is_err());
        assert!(read("{\"figures\":[{\"name\":\"check\"}]}").is_err());
        assert!(read("{}").is_err());
        assert!(read("nothing").is_err());
    }

    #[test]
    fn the_page_says_how_each_figure_stands() {
        let page = |ratio| render(&read(&printed(ratio)).unwrap(), &[("CPU", "one".into())]);
        assert!(page("1.01").contains("| check | 1.0100 | 1.02 | 1.05 | goal met | x |"));
        assert!(page("1.03").contains("within limit"));
        assert!(page("1.06").contains("**beyond limit**"));
    }
}
