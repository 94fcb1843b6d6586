//! A store looked at from outside.

use super::*;

fn settings(url: &str) -> Settings {
    let (address, group) = (Address::parse(url).unwrap(), Group::parse("site").unwrap());
    Settings { address, group, deadline: Duration::from_millis(250), tls: None, fresh: false }
}

#[tokio::test]
async fn a_store_that_can_be_used_tells_its_version_and_another_what_mends_it() {
    let Some(mut redis) = redis(&[]) else { return };
    let settings = settings(&redis.url());
    let version = crate::examine(&settings).await.unwrap();
    assert!(version.split('.').count() == 3, "{version}");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let unfit = crate::examine(&settings).await.unwrap_err().to_string();
    assert!(unfit.contains("set `maxmemory-policy noeviction`"), "{unfit}");
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0", "nothing is entered");
    redis.kill();
    let unfit = crate::examine(&settings).await.unwrap_err().to_string();
    assert!(unfit.contains("cannot be reached"), "{unfit}");
}
