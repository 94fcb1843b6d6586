//! Prints every figure as JSON, for `cargo xtask bench`; `cargo bench -- check replay` those groups.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use serde_json::json;

fn main() {
    let named: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("{}", json!({ "figures": avouch_benches::measure(&named) }));
}
