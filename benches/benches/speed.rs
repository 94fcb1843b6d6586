//! Prints every figure as JSON, for `cargo xtask bench`; `cargo bench -- check replay` those groups.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use serde_json::json;

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if avouch_benches::play(&words) {
        return;
    }
    let named: Vec<_> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    println!("{}", json!({ "figures": avouch_benches::measure(&named) }));
}
