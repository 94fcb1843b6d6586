//! Records that say too much, too little, or contradict each other; claims that do.

use super::world::{Agent, Ask, CLOSED, NOW, OPEN, Plan, World, request};

const BOT: &str = "bot@acme.example";

fn txt(name: &str, text: &str) -> String {
    format!("{name}. 300 TXT \"{text}\"\n")
}

/// A world where the records of `bot`, its key in place of `{PK}`, are these.
async fn world(records: &str) -> (World, Agent) {
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(records.replace("{PK}", &bot.pk())).start().await;
    (world, bot)
}

#[tokio::test]
async fn the_keys_of_parents_and_of_wildcards_are_not_an_agents() {
    let good = txt("bot._saip.acme.example", "v=saip1; pk={PK}");
    for (record, reason) in [
        (txt("*._saip.acme.example", "v=saip1; pk={PK}"), "wildcard-record"),
        (txt("*.acme.example", "v=saip1; pk={PK}"), "wildcard-record"),
        (txt("_saip.acme.example", "v=saip1; pk={PK}"), "key-not-published"),
        (txt("acme.example", "v=saip1; pk={PK}"), "key-not-published"),
        (txt("bot.acme.example", "v=saip1; pk={PK}"), "key-not-published"),
        (txt("bot._saip.example", "v=saip1; pk={PK}"), "key-not-published"),
        (txt("a.bot._saip.acme.example", "v=saip1; pk={PK}"), "key-not-published"),
    ] {
        let (world, bot) = world(&record).await;
        world.see(bot.request(Ask::get(CLOSED))).await.is_kept_out(reason);
    }
    let (world, bot) = world(&good).await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
}

#[tokio::test]
async fn a_fleets_key_does_not_speak_for_ids_below_it() {
    let fleet = Agent::new("fleet", "acme.example");
    let world = Plan::records(fleet.record()).start().await;
    let impostor = super::world::with(&fleet.header(Ask::get(CLOSED)), "id", "m1.fleet");
    let seen = world.see(request(Ask::get(CLOSED), &format!("SAIP: {impostor}\r\n"))).await;
    seen.is_kept_out("key-not-published");
    world.see(fleet.request(Ask::get(CLOSED))).await.is_verified("fleet@acme.example");
}

#[tokio::test]
async fn broken_records_authorise_nothing_and_leave_the_others_alone() {
    let good = txt("bot._saip.acme.example", "v=saip1; pk={PK}");
    let past = format!("v=saip1; pk={{PK}}; exp={NOW}");
    for bad in [
        "v=saip2; pk={PK}",
        "pk={PK}",
        "pk={PK}; v=saip1",
        "v=saip1 pk={PK}",
        "v=saip1; pk={PK}x",
        "v=saip1; pk={PK}=",
        "v=saip1; pk={PK}; pk={PK}",
        "v=saip1; pk={PK}; v=saip1",
        "v=saip1; k=p256; pk={PK}",
        "v=saip1; k=rsa; pk={PK}",
        "v=saip1; pk={PK}; exp=soon",
        "v=saip1; pk={PK}; exp=-1",
        "v=saip1;; pk={PK}",
        "v=saip1; {PK}={PK}",
        "v=saip1",
        past.as_str(),
    ] {
        let record = txt("bot._saip.acme.example", bad);
        let (alone, bot) = world(&record).await;
        let seen = alone.see(bot.request(Ask::get(CLOSED))).await;
        assert_eq!(seen.reached, None, "{bad}: {seen:#?}");
        assert_eq!(seen.line["verdict"]["class"], 1, "{bad}: {seen:#?}");
        let (beside, bot) = world(&(record + &good)).await;
        let seen = beside.see(bot.request(Ask::get(CLOSED))).await;
        assert_eq!(seen.told("identity"), Some(BOT), "{bad}: {seen:#?}");
    }
}

#[tokio::test]
async fn an_empty_key_revokes_at_the_name_and_at_every_parent() {
    let good = "bot._saip.acme.example. 300 TXT \"v=saip1; pk={PK}\"\n";
    for (name, text) in [
        ("bot._saip.acme.example", "v=saip1; pk="),
        ("_saip.acme.example", "v=saip1; pk="),
        ("bot._saip.acme.example", "v=saip1; pk=; exp=1"),
        ("bot._saip.acme.example", "v=saip1; pk=; asn=none; asn=x"),
        ("_saip.acme.example", "v=saip1; pk=; pk={PK}"),
    ] {
        let (world, bot) = world(&format!("{good}{}", txt(name, text))).await;
        world.see(bot.request(Ask::get(CLOSED))).await.is_kept_out("revoked");
    }
    let beside = txt("cat._saip.acme.example", "v=saip1; pk=") + &txt("_saip.other.example", "v=saip1; pk=");
    let (world, bot) = world(&format!("{good}{beside}")).await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
}

#[tokio::test]
async fn over_broad_records_give_no_network_a_name() {
    let claim = |agent: &Agent| format!("SAIP: {}\r\n", agent.signer.speaker().bare_claim().unwrap());
    for tags in [
        "ip=0.0.0.0/0",
        "ip=0.0.0.0/1",
        "ip=126.0.0.0/7",
        "ip=127.0.0.1/8",
        "ip=::/0",
        "ip=127.0.0.0/33",
        "ip=127.0.0.1; ip=0.0.0.0/0",
    ] {
        let (world, bot) = world(&txt("_saip.acme.example", &format!("v=saip1; {tags}"))).await;
        let seen = world.see(request(Ask::get(OPEN), &claim(&bot))).await;
        assert_eq!(seen.told("class"), Some("1"), "{tags}: {seen:#?}");
    }
    // Only the domain's own record lends its name to networks.
    let (elsewhere, bot) = world(&txt("bot._saip.acme.example", "v=saip1; ip=127.0.0.0/8")).await;
    assert_eq!(elsewhere.see(request(Ask::get(OPEN), &claim(&bot))).await.told("class"), Some("1"));
    let (narrow, bot) = world(&txt("_saip.acme.example", "v=saip1; ip=127.0.0.0/8")).await;
    assert_eq!(narrow.see(request(Ask::get(OPEN), &claim(&bot))).await.told("class"), Some("2"));
}

#[tokio::test]
async fn more_records_or_keys_than_the_limit_leave_no_key_in_force() {
    let name = "bot._saip.acme.example";
    let own = txt(name, "v=saip1; pk={PK}");
    let keys = |count| (0..count).map(|_| Agent::new("bot", "acme.example").record()).collect::<String>();
    let nulls = |count| (0..count).map(|n| txt(name, &format!("v=saip1; x={n}"))).collect::<String>();
    let long = format!(
        "{name}. 300 TXT {}\n",
        "\"v=saip1; x=\" ".to_owned() + &format!("\"{}\" ", "y".repeat(250)).repeat(17)
    );
    for records in [keys(4), nulls(16), long] {
        let (world, bot) = world(&(own.clone() + &records)).await;
        world.see(bot.request(Ask::get(CLOSED))).await.is_kept_out("record-limit");
    }
    for records in [keys(3), nulls(15)] {
        let (world, bot) = world(&(own.clone() + &records)).await;
        world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
    }
}

#[tokio::test]
async fn conflicting_claims_are_class_1_whatever_either_proves() {
    let (world, bot) = World::with_bot().await;
    let header = |path| format!("SAIP: {}\r\n", bot.header(Ask::get(path)));
    let crawler = "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\r\n";
    world.see(request(Ask::get(CLOSED), &(header(CLOSED) + crawler))).await.is_kept_out("claims-conflict");
    let seen = world.see(request(Ask::get(OPEN), &(header(OPEN) + crawler))).await;
    seen.is_not_verified("claims-conflict");
    assert_eq!(seen.told("class"), Some("1"));
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";
    world.see(request(Ask::get(CLOSED), &(header(CLOSED) + browser))).await.is_verified(BOT);
}
