//! How old data on networks are.

use avouch_gateway::config::Config;
use avouch_gather::networks::Networks;
use avouch_wire::time::Time;

use super::{About, Finding};

pub(super) fn examine(config: &Config, now: Time) -> Vec<Finding> {
    // What could not be loaded has been told with the configuration.
    let (networks, _) = config.networks.load(&Networks::default(), now);
    let ages = networks.ages(now).map(|age| {
        let (days, most) = (age.age.as_secs() / 86_400, age.oldest.as_secs() / 86_400);
        let said = format!("{}, of {}, is {days} days old", age.source, age.of);
        match age.age {
            spent if spent > age.oldest => Finding::wrong(
                About::Data,
                format!("{said}: after {most} nothing is judged by it"),
                "fetch it anew",
            ),
            spent if spent > age.oldest / 2 => Finding::wrong(
                About::Data,
                format!("{said}: after {most} nothing will be judged by it"),
                "see why whoever fetches it has stopped",
            ),
            _ => Finding::fine(About::Data, said),
        }
    });
    ages.collect()
}
