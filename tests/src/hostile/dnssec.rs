//! DNS that lies, is silent, or cannot be believed.

use avouch_dns::SignedZones;
use avouch_wire::time::Time;

use super::world::{Agent, Ask, CLOSED, NOW, OPEN, Plan, World};

/// A fault, and the reason it is given as.
type Fault = (fn(&SignedZones, &str), &'static str);

const BOT: &str = "bot@acme.example";

async fn signed() -> (World, Agent) {
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(bot.record()).start_signed().await;
    (world, bot)
}

fn zones(world: &World) -> &SignedZones {
    world.zones.as_ref().unwrap()
}

fn dnssec(line: &serde_json::Value) -> Vec<&str> {
    let checks = line["verdict"]["checks"].as_array().unwrap();
    checks.iter().filter_map(|check| check["dnssec"].as_str()).collect()
}

#[tokio::test]
async fn signatures_that_are_missing_forged_or_expired_prove_nothing_and_sound_ones_do() {
    for spoil in [SignedZones::strip, SignedZones::forge, SignedZones::expire] {
        let (world, bot) = signed().await;
        spoil(zones(&world), bot.name());
        let kept_out = world.see(bot.request(Ask::get(CLOSED))).await;
        kept_out.is_kept_out("dnssec-bogus");
        assert_eq!(kept_out.line["verdict"]["standing"], "undetermined");
        assert_eq!(kept_out.line["verdict"]["cause"], "permanent");
        world.see(bot.request(Ask::get(OPEN))).await.is_not_verified("dnssec-bogus");
        zones(&world).mend(bot.name());
        world.clock.set(Time::from_seconds(NOW + 2));
        let verified = world.see(bot.request(Ask::get(CLOSED))).await;
        verified.is_verified(BOT);
        assert!(dnssec(&verified.line).contains(&"secure"), "{:#?}", verified.line);
    }
}

#[tokio::test]
async fn a_zone_that_signs_itself_is_bogus() {
    // Sound signatures all the way, by a root that nobody trusts.
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(bot.record()).start_self_signed().await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_kept_out("dnssec-bogus");
    let (world, bot) = signed().await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
}

#[tokio::test]
async fn an_unsigned_zone_counts_and_says_so() {
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(bot.record() + "acme.example. NS ns.acme.example.\n").start_signed().await;
    let seen = world.see(bot.request(Ask::get(CLOSED))).await;
    seen.is_verified(BOT);
    assert!(dnssec(&seen.line).contains(&"insecure"), "{:#?}", seen.line);
}

#[tokio::test]
async fn servers_that_fail_or_are_silent_leave_it_undetermined() {
    let faults: [Fault; 2] = [(SignedZones::fail, "dns-failure"), (SignedZones::mute, "dns-timeout")];
    for (fault, reason) in faults {
        let (world, bot) = signed().await;
        fault(zones(&world), bot.name());
        let seen = world.see(bot.request(Ask::get(CLOSED))).await;
        seen.is_kept_out(reason);
        assert_eq!(seen.line["verdict"]["standing"], "undetermined");
        assert_eq!(seen.line["verdict"]["cause"], "temporary");
        zones(&world).mend(bot.name());
        world.clock.set(Time::from_seconds(NOW + 2));
        world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
    }
}

#[tokio::test]
async fn a_parent_that_cannot_be_asked_for_revocations_leaves_it_undetermined() {
    let faults: [Fault; 3] = [
        (SignedZones::fail, "dns-failure"),
        (SignedZones::forge, "dnssec-bogus"),
        (SignedZones::mute, "dns-timeout"),
    ];
    for (fault, reason) in faults {
        let (world, bot) = signed().await;
        zones(&world).set("_saip.acme.example", "TXT", 300, "\"v=saip1; pk=\"").unwrap();
        fault(zones(&world), "_saip.acme.example");
        // The nearer name decides, so the agent's own record is as good as sound.
        zones(&world).misplace_ds(bot.name());
        let seen = world.see(bot.request(Ask::get(CLOSED))).await;
        seen.is_kept_out(reason);
        let checks = seen.line["verdict"]["checks"].as_array().unwrap();
        assert!(
            checks.iter().any(|check| check["name"] == "dns-key" && check["outcome"] == "pass"),
            "{seen:?}"
        );
    }
    let (world, bot) = signed().await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_again_in_full() {
    let bot = Agent::new("bot", "acme.example");
    // Too much for one datagram, within the limit of a name.
    let filler: String =
        (0..14).map(|n| format!("{}. 300 TXT \"v=saip1; x={n}{}\"\n", bot.name(), "y".repeat(230))).collect();
    let world = Plan::records(bot.record() + &filler).start_signed().await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
}

#[tokio::test]
async fn a_deleted_record_ends_an_agent_with_its_time_to_live() {
    let (world, bot) = signed().await;
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
    zones(&world).remove(bot.name(), "TXT");
    world.clock.set(Time::from_seconds(NOW + 299));
    world.see(bot.request(Ask::get(CLOSED).at(NOW + 299))).await.is_verified(BOT);
    world.clock.set(Time::from_seconds(NOW + 300));
    world.see(bot.request(Ask::get(CLOSED).at(NOW + 300))).await.is_kept_out("key-not-published");
}
