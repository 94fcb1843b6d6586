//! What the guides show can be used as it stands there.

use std::fs;
use std::path::Path;

use avouch_agent::config::Config as AgentConfig;
use avouch_authority::config::Config as RegistrarConfig;
use avouch_authority::entity::Config as EntityConfig;
use avouch_gateway::config::Config;

/// The blocks of kind `toml` of a text.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn every_configuration_shown_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate");
    let mut shown = 0;
    for guide in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&guide).unwrap();
        for block in
            blocks(&text).filter(|block| block.lines().any(|line| line.trim_start().starts_with("listen")))
        {
            shown += 1;
            let name = guide.display().to_string();
            let read = match guide.file_name().and_then(|name| name.to_str()) {
                // Within a list a block is indented, which TOML does not mind.
                Some("agent.md") => AgentConfig::parse(&name, block).map(drop),
                Some("entity.md") => EntityConfig::parse(&name, block).map(drop),
                Some("registrar.md") => RegistrarConfig::parse(&name, block).map(drop),
                _ => Config::parse(&name, block).map(drop),
            };
            assert!(read.is_ok(), "{}", read.unwrap_err());
        }
    }
    assert!(shown > 0, "the quickstart shows one");
    assert!(Config::parse("", "listen = ['[::]:8080']\nupstreams = 'http://127.0.0.1'").is_err());
}
