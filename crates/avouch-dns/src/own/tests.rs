//! A zone of our own, asked octet by octet, and by the resolver that judges everything here.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use avouch_engine::evidence::{Answer, Dnssec};
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::zone::ZoneKey;
use avouch_wire::time::Time;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::Way;
use super::{Server, Settings, Zone, ZoneFault};
use crate::publish::{Change, ChangeFault, PublishError};
use crate::{Dns, Resolver, ResolverSettings};

const ZONE: &str = "_saip.acme.example";
const CLIENT: Way = Way::Datagram(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Validators compare signatures with the system's clock, so here is the one place that reads it.
#[expect(clippy::disallowed_methods, reason = "validators compare signatures with the system clock")]
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::default().after(since)
}

fn change(name: &str, texts: &[&str]) -> Change {
    let name = if name.is_empty() { ZONE.to_owned() } else { format!("{name}.{ZONE}") };
    Change { name, texts: texts.iter().map(|&text| text.to_owned()).collect(), ttl: 300 }
}

fn settings() -> Settings {
    Settings { name: ZONE.to_owned(), servers: vec!["ns1.acme.example".to_owned()], ttl: 300 }
}

fn zone() -> Zone {
    let key = ZoneKey::generate(&mut SystemEntropy).unwrap();
    let zone = Zone::new(&settings(), key, 7).unwrap();
    let changes = [change("a.gptbot", &["v=saip1; pk=AAAA"]), change("crawler-7", &["v=saip1; pk=BBBB"])];
    zone.apply(&changes, 8).unwrap();
    zone
}

fn question(name: &str, kind: RecordType, proving: bool) -> Message {
    let mut message = Message::query();
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    message.add_query(Query::query(name, kind));
    if proving {
        let mut edns = Edns::new();
        edns.set_max_payload(1_232).set_dnssec_ok(true);
        message.set_edns(edns);
    }
    message
}

fn asked(zone: &Zone, message: &Message) -> Message {
    let answer = zone.answer(&message.to_vec().unwrap(), CLIENT, now()).unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    answer
}

fn ask(zone: &Zone, name: &str, kind: RecordType) -> Message {
    asked(zone, &question(name, kind, true))
}

fn code(zone: &Zone, name: &str, kind: RecordType) -> ResponseCode {
    ask(zone, name, kind).metadata.response_code
}

fn kinds(records: &[Record]) -> Vec<RecordType> {
    records.iter().map(Record::record_type).collect()
}

/// Owner, next name and types of each NSEC record.
fn denials(message: &Message) -> Vec<(String, String, Vec<RecordType>)> {
    let denial = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) => {
            let types = nsec.type_bit_maps().collect();
            Some((record.name.to_ascii(), nsec.next_domain_name().to_ascii(), types))
        }
        _ => None,
    };
    message.authorities.iter().filter_map(denial).collect()
}

/// A zone that is served, and the resolver that trusts its key.
async fn served(zone: Zone) -> (Arc<Zone>, Dns, std::net::SocketAddr) {
    let zone = Arc::new(zone);
    let server = Server::bind(&[(Ipv4Addr::LOCALHOST, 0).into()]).await.unwrap();
    let address = server.addresses()[0];
    tokio::spawn(server.serve(Arc::clone(&zone), Arc::new(now), std::future::pending()));
    let mut settings = ResolverSettings::new(vec![address]);
    settings.trust_anchors = vec![zone.trust_anchor()];
    (zone, Dns::Live(Resolver::new(&settings).unwrap()), address)
}

#[test]
fn what_stands_there_is_answered_with_authority_and_signed_for_whoever_asks_so() {
    let zone = zone();
    let name = format!("a.gptbot.{ZONE}");
    let signed = ask(&zone, &name, RecordType::TXT);
    assert_eq!(kinds(&signed.answers), [RecordType::TXT, RecordType::RRSIG]);
    assert!(signed.metadata.authoritative && !signed.metadata.authentic_data);
    assert!(!signed.metadata.recursion_available);
    let plain = asked(&zone, &question(&name, RecordType::TXT, false));
    assert_eq!(kinds(&plain.answers), [RecordType::TXT]);
    assert!(plain.edns.is_none() && plain.authorities.is_empty());
    let odd = ask(&zone, "A.gPTbot._SAIP.acme.Example", RecordType::TXT);
    assert_eq!(odd.answers[0].name.to_ascii(), "A.gPTbot._SAIP.acme.Example.", "in the question's letters");
}

#[test]
fn the_first_name_has_its_start_servers_and_key_and_texts_of_its_own() {
    let zone = zone();
    for kind in [RecordType::SOA, RecordType::NS, RecordType::DNSKEY] {
        assert_eq!(kinds(&ask(&zone, ZONE, kind).answers), [kind, RecordType::RRSIG]);
    }
    let none = ask(&zone, ZONE, RecordType::TXT);
    assert_eq!((none.metadata.response_code, none.answers.len()), (ResponseCode::NoError, 0));
    zone.apply(&[change("", &["v=saip1; pk="])], 9).unwrap();
    assert_eq!(kinds(&ask(&zone, ZONE, RecordType::TXT).answers), [RecordType::TXT, RecordType::RRSIG]);
    let types = &denials(&ask(&zone, ZONE, RecordType::A))[0].2;
    for kind in [RecordType::SOA, RecordType::NS, RecordType::DNSKEY, RecordType::TXT, RecordType::NSEC] {
        assert!(types.contains(&kind), "{kind} in {types:?}");
    }
}

#[test]
fn a_name_that_is_none_is_denied_with_nothing_but_itself() {
    let zone = zone();
    let answer = ask(&zone, &format!("x.nobody.{ZONE}"), RecordType::TXT);
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    let (bits, at) = (vec![RecordType::RRSIG, RecordType::NSEC], |label: &str| format!("{label}.{ZONE}."));
    let told = denials(&answer);
    assert_eq!(told.len(), 2, "the name, and the wildcard");
    assert_eq!(told[0], (at("nobodx\\377"), at("nobody\\000"), bits.clone()));
    assert_eq!(told[1], (at("\\)\\377"), at("*\\000"), bits));
    let below = ask(&zone, &format!("z.gptbot.{ZONE}"), RecordType::TXT);
    assert_eq!(denials(&below)[0].0, at("y\\377.gptbot"), "below a name that exists, there");
    let wildcard = ask(&zone, &format!("*.{ZONE}"), RecordType::TXT);
    assert_eq!((wildcard.metadata.response_code, denials(&wildcard).len()), (ResponseCode::NXDomain, 1));
}

#[test]
fn a_name_with_names_below_it_exists_and_has_nothing() {
    let zone = zone();
    let fleet = format!("gptbot.{ZONE}");
    let answer = ask(&zone, &fleet, RecordType::TXT);
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    let told = denials(&answer);
    assert_eq!(
        told,
        [(format!("{fleet}."), format!("\\000.{fleet}."), vec![RecordType::RRSIG, RecordType::NSEC])]
    );
    let other = ask(&zone, &format!("a.gptbot.{ZONE}"), RecordType::A);
    assert!(denials(&other)[0].2.contains(&RecordType::TXT), "what stands there is not denied");
    zone.apply(&[change("a.gptbot", &[])], 9).unwrap();
    assert_eq!(code(&zone, &fleet, RecordType::TXT), ResponseCode::NXDomain, "and ends with them");
}

#[test]
fn a_change_holds_from_the_next_question_on_and_takes_its_signatures_along() {
    let zone = zone();
    let name = format!("crawler-7.{ZONE}");
    let text = |message: &Message| message.answers[0].data.to_string();
    let before = ask(&zone, &name, RecordType::TXT);
    let _other = ask(&zone, &format!("a.gptbot.{ZONE}"), RecordType::TXT);
    let _start = ask(&zone, ZONE, RecordType::SOA);
    assert_eq!(ask(&zone, &name, RecordType::TXT).answers, before.answers, "a signature is kept");
    assert_eq!(zone.signer.kept(), (3, 0));
    zone.apply(&[change("crawler-7", &["v=saip1; pk="])], 9).unwrap();
    assert_eq!(zone.signer.kept(), (1, 0), "the other name's alone");
    let after = ask(&zone, &name, RecordType::TXT);
    assert!(text(&before).contains("pk=BBBB") && !text(&after).contains("BBBB"));
    let RData::SOA(soa) = &ask(&zone, ZONE, RecordType::SOA).answers[0].data else { panic!() };
    assert_eq!((soa.serial, soa.minimum), (9, 60));
    zone.apply(&[change("crawler-7", &[])], 10).unwrap();
    assert_eq!(code(&zone, &name, RecordType::TXT), ResponseCode::NXDomain);
    assert_eq!((zone.len(), zone.serial()), (1, 10));
}

#[test]
fn of_changes_with_one_that_cannot_be_none_is_made() {
    let zone = zone();
    let good = change("b", &["v=saip1"]);
    let outside = Change { name: "b._saip.other.example".to_owned(), ..good.clone() };
    let above = Change { name: "acme.example".to_owned(), ..good.clone() };
    let long = "x".repeat(16_385);
    for (bad, fault) in [
        (outside, ChangeFault::OutsideZone),
        (above, ChangeFault::OutsideZone),
        (change("*", &["v=saip1"]), ChangeFault::Name),
        (change("a\\000", &["v=saip1"]), ChangeFault::Name),
        (change("a..b", &["v=saip1"]), ChangeFault::Name),
        (change("b", &[""]), ChangeFault::Text),
        (change("b", &[&long]), ChangeFault::Text),
    ] {
        let error = zone.apply(&[good.clone(), bad.clone()], 9).unwrap_err();
        assert_eq!(error, PublishError::Change { name: bad.name, fault });
    }
    assert_eq!((zone.len(), zone.serial()), (2, 8));
}

#[test]
fn what_is_not_of_the_zone_is_refused() {
    let zone = zone();
    for (name, kind) in [
        ("acme.example", RecordType::TXT),
        (".", RecordType::NS),
        ("x_saip.acme.example", RecordType::TXT),
        ("_saip.acme.example.other", RecordType::TXT),
        (ZONE, RecordType::AXFR),
        (ZONE, RecordType::IXFR),
        (ZONE, RecordType::Unknown(253)),
        (ZONE, RecordType::OPT),
    ] {
        let answer = ask(&zone, name, kind);
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "{name} {kind}");
        assert!(!answer.metadata.authoritative && answer.answers.is_empty() && answer.authorities.is_empty());
    }
    let mut chaos = question(ZONE, RecordType::TXT, true);
    chaos.queries[0].query_class = DNSClass::CH;
    assert_eq!(asked(&zone, &chaos).metadata.response_code, ResponseCode::Refused);
    let mut update = question(ZONE, RecordType::SOA, false);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(asked(&zone, &update).metadata.response_code, ResponseCode::NotImp);
    let mut later = question(ZONE, RecordType::SOA, true);
    later.edns.as_mut().unwrap().set_version(1);
    assert_eq!(u16::from(asked(&zone, &later).metadata.response_code), 16, "BADVERS");
    let mut two = question(ZONE, RecordType::SOA, true);
    two.queries.push(two.queries[0].clone());
    assert_eq!(asked(&zone, &two).metadata.response_code, ResponseCode::FormErr);
}

#[test]
fn what_is_no_question_gets_no_answer_or_that_it_is_none() {
    let zone = zone();
    let answer = |octets: &[u8]| zone.answer(octets, CLIENT, now());
    let mut response = question(ZONE, RecordType::SOA, true);
    response.metadata.message_type = MessageType::Response;
    assert_eq!(answer(&response.to_vec().unwrap()), None, "an answer is not answered");
    assert_eq!(answer(b""), None);
    assert_eq!(answer(&[0; 11]), None);
    let whole = question(ZONE, RecordType::SOA, true).to_vec().unwrap();
    for length in 12..whole.len() {
        let said = Message::from_vec(&answer(&whole[..length]).unwrap()).unwrap();
        assert_eq!(said.metadata.response_code, ResponseCode::FormErr);
        assert!(said.queries.is_empty());
    }
}

#[test]
fn whoever_asks_for_anything_gets_one_thing_and_for_signatures_signatures() {
    let zone = zone();
    let name = format!("crawler-7.{ZONE}");
    assert_eq!(kinds(&ask(&zone, &name, RecordType::ANY).answers), [RecordType::TXT, RecordType::RRSIG]);
    assert_eq!(kinds(&ask(&zone, ZONE, RecordType::ANY).answers), [RecordType::SOA, RecordType::RRSIG]);
    let fleet = format!("gptbot.{ZONE}");
    assert_eq!(kinds(&ask(&zone, &fleet, RecordType::ANY).answers), [RecordType::NSEC, RecordType::RRSIG]);
    assert_eq!(kinds(&ask(&zone, &fleet, RecordType::NSEC).answers), [RecordType::NSEC, RecordType::RRSIG]);
    assert_eq!(kinds(&ask(&zone, &name, RecordType::NSEC).answers), [RecordType::NSEC, RecordType::RRSIG]);
    for name in [&name, &fleet, ZONE] {
        let plain = asked(&zone, &question(name, RecordType::RRSIG, false));
        assert_eq!(kinds(&plain.answers), [RecordType::RRSIG], "{name}");
    }
}

#[test]
fn an_answer_without_room_is_cut_and_whole_over_tcp() {
    let zone = zone();
    let long: Vec<String> = (0..5).map(|count| format!("v=saip1; n={count}; {}", "x".repeat(240))).collect();
    let texts: Vec<&str> = long.iter().map(String::as_str).collect();
    zone.apply(&[change("big", &texts)], 9).unwrap();
    let message = |room: u16| {
        let mut message = question(&format!("big.{ZONE}"), RecordType::TXT, true);
        message.edns.as_mut().unwrap().set_max_payload(room);
        message
    };
    for room in [0, 512, 1_232, 4_096, 65_535] {
        let octets = message(room).to_vec().unwrap();
        let cut = zone.answer(&octets, CLIENT, now()).unwrap();
        let said = Message::from_vec(&cut).unwrap();
        assert!(said.metadata.truncation && said.answers.is_empty() && cut.len() <= 512, "{room}");
        assert_eq!(said.edns.unwrap().max_payload(), 1_232);
        let whole = Message::from_vec(&zone.answer(&octets, Way::Stream, now()).unwrap()).unwrap();
        assert!(!whole.metadata.truncation && whole.answers.len() == 6);
    }
    let small = question(ZONE, RecordType::SOA, false).to_vec().unwrap();
    assert!(zone.answer(&small, CLIENT, now()).unwrap().len() <= 512);
}

#[test]
fn a_network_that_asks_too_much_is_told_to_ask_over_tcp_and_gets_no_more_than_it_sent() {
    let zone = zone();
    let octets = question(&format!("crawler-7.{ZONE}"), RecordType::TXT, true).to_vec().unwrap();
    let now = now();
    let cut = |way| {
        let answer = zone.answer(&octets, way, now).unwrap();
        Message::from_vec(&answer).unwrap().metadata.truncation.then_some(answer.len())
    };
    let first = (0..1_000).find_map(|_| cut(CLIENT));
    assert!(first.is_some_and(|length| length <= octets.len()), "{first:?} for {}", octets.len());
    assert_eq!(cut(Way::Stream), None);
    assert_eq!(cut(Way::Datagram([192, 0, 2, 1].into())), None, "another network");
}

#[test]
fn tables_of_signatures_stay_within_bounds_and_strangers_push_out_nothing_that_stands() {
    let zone = zone();
    let name = format!("crawler-7.{ZONE}");
    let before = ask(&zone, &name, RecordType::TXT);
    for count in 0..5_000 {
        let message = question(&format!("x{count}.{ZONE}"), RecordType::TXT, true).to_vec().unwrap();
        assert!(zone.answer(&message, Way::Stream, now()).is_some());
    }
    let (standing, denials) = zone.signer.kept();
    assert!(standing < 10 && denials <= 4_096, "{standing} {denials}");
    assert_eq!(ask(&zone, &name, RecordType::TXT).answers, before.answers);
}

#[test]
fn a_signature_is_made_anew_before_it_ends_and_after_the_clock_was_set() {
    let zone = zone();
    let octets = question(&format!("crawler-7.{ZONE}"), RecordType::TXT, true).to_vec().unwrap();
    let window = |seconds: u64| {
        let answer = zone.answer(&octets, Way::Stream, Time::from_seconds(seconds)).unwrap();
        let answer = Message::from_vec(&answer).unwrap();
        let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &answer.answers[1].data else { panic!() };
        let input = signature.input();
        (u64::from(input.sig_inception.get()), u64::from(input.sig_expiration.get()))
    };
    let start = 1_790_000_000;
    let first = window(start);
    assert_eq!(first, (start - 3_600, start + 3 * 3_600));
    assert_eq!(window(start + 3_600), first, "two hours are left");
    assert_eq!(window(start + 3_601).0, start + 1);
    assert_eq!(window(start - 86_400).0, start - 90_000, "after a step back of a day");
}

#[test]
fn settings_that_make_no_zone_are_refused() {
    let key = || ZoneKey::generate(&mut SystemEntropy).unwrap();
    let fault = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Zone::new(&settings, key(), 1).err().unwrap()
    };
    assert_eq!(fault(|settings| settings.name = ".".to_owned()), ZoneFault::Name(".".to_owned()));
    assert_eq!(fault(|settings| settings.name = "a b".to_owned()), ZoneFault::Name("a b".to_owned()));
    assert_eq!(fault(|settings| settings.servers.clear()), ZoneFault::NoServer);
    for server in ["ns._saip.acme.example", "_saip.acme.example", "", "n s"] {
        let mut settings = settings();
        settings.servers.push(server.to_owned());
        assert_eq!(Zone::new(&settings, key(), 1).err(), Some(ZoneFault::Server(server.to_owned())));
    }
}

#[test]
fn the_parent_is_told_what_it_needs() {
    let zone = zone();
    let lines = zone.at_parent().to_string();
    let (servers, ds) = lines.trim_end().split_once('\n').unwrap();
    assert_eq!(servers, "_saip.acme.example. 300 IN NS ns1.acme.example.");
    let words: Vec<&str> = ds.split(' ').collect();
    assert_eq!(words[..4], ["_saip.acme.example.", "300", "IN", "DS"]);
    assert_eq!((words[5], words[6], words[7].len()), ("13", "2", 64));
}

#[tokio::test]
async fn our_resolver_takes_every_answer_for_what_it_is() {
    let (zone, dns, _) = served(zone()).await;
    let txt = async |name: &str| dns.txt(&format!("{name}{ZONE}"), now()).await;
    let absent = |answer: Answer<crate::Txt>| matches!(answer, Answer::Absent { dnssec: Dnssec::Secure, .. });
    let found = |answer: Answer<crate::Txt>| match answer {
        Answer::Found { value, dnssec: Dnssec::Secure, .. } if !value.wildcard => {
            String::from_utf8(value.records[0].to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(found(txt("a.gptbot.").await), "v=saip1; pk=AAAA");
    let long = "x".repeat(63);
    for none in [
        "",
        "gptbot.",
        "nobody.",
        "x.y.nobody.",
        "z.gptbot.",
        "0.gptbot.",
        "b.a.gptbot.",
        &format!("{long}."),
    ] {
        let answer = txt(none).await;
        assert!(absent(answer.clone()), "{none} {answer:?}");
    }
    zone.apply(&[change("gptbot", &["v=saip1; pk="]), change("a.gptbot", &[])], 9).unwrap();
    assert_eq!(found(txt("gptbot.").await), "v=saip1; pk=");
    assert!(absent(txt("a.gptbot.").await));
    let mut settings = ResolverSettings::new(vec![served(self::zone()).await.2]);
    settings.trust_anchors = vec![zone.trust_anchor()];
    let other = Dns::Live(Resolver::new(&settings).unwrap());
    let answer = other.txt(&format!("a.gptbot.{ZONE}"), now()).await;
    assert!(matches!(answer, Answer::Unknown(_)), "of a zone with another key: {answer:?}");
}

#[tokio::test]
async fn over_tcp_one_connection_takes_many_questions_and_no_more_than_some_come_from_one_address() {
    let (_zone, _, address) = served(zone()).await;
    let octets = question(&format!("crawler-7.{ZONE}"), RecordType::TXT, true).to_vec().unwrap();
    let framed = [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], &octets].concat();
    let answered = async |stream: &mut TcpStream| -> std::io::Result<usize> {
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok(Message::from_vec(&answer).unwrap().answers.len())
    };
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            assert_eq!(answered(&mut stream).await.unwrap(), 2);
        }
        streams.push(stream);
    }
    let mut one_more = TcpStream::connect(address).await.unwrap();
    assert!(answered(&mut one_more).await.is_err(), "a seventeenth is turned away");
    streams.pop();
    let mut later = Err(std::io::ErrorKind::Other.into());
    for _ in 0..50 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        later = answered(&mut stream).await;
        if later.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(later.unwrap(), 2, "until another goes");
    let mut long = streams.pop().unwrap();
    long.write_all(&4_097_u16.to_be_bytes()).await.unwrap();
    assert_eq!(long.read(&mut [0]).await.unwrap(), 0, "a question of that length is none");
}

#[tokio::test]
async fn under_a_signed_parent_it_is_secure_and_gone_when_the_delegation_is() {
    let parent = crate::SignedZones::start("www.acme.example. A 192.0.2.80\n").await.unwrap();
    let (zone, _, address) = served(zone()).await;
    parent.delegate(&zone.at_parent(), address).unwrap();
    let mut settings = ResolverSettings::new(vec![parent.address()]);
    settings.trust_anchors = vec![parent.trust_anchor()];
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    let txt = async |name: &str| dns.txt(&format!("{name}{ZONE}"), now()).await;
    let absent =
        |answer: &Answer<crate::Txt>| matches!(answer, Answer::Absent { dnssec: Dnssec::Secure, .. });
    let found = |answer: &Answer<crate::Txt>| matches!(answer, Answer::Found { dnssec: Dnssec::Secure, .. });
    assert!(found(&txt("a.gptbot.").await));
    for none in ["", "gptbot.", "nobody.", "x.y.nobody."] {
        assert!(absent(&txt(none).await), "{none}");
    }
    parent.undelegate(ZONE);
    assert!(absent(&txt("a.gptbot.").await), "without the delegation there is nothing");
    let other = self::zone();
    parent.delegate(&other.at_parent(), address).unwrap();
    let broken = txt("a.gptbot.").await;
    assert!(matches!(broken, Answer::Unknown(_)), "the parent vouches for another key: {broken:?}");
}
