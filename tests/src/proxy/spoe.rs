//! What the listener for proxies answers who asks in frames, as HAProxy does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use avouch_gateway::config::{Config, Endpoint};
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_wire::spop::{Action, Frame, Id, Message, Pairs, Value};
use testkit::upstream::Upstream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::{sleep, timeout};

use super::gateway;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names and values of the variables of an answer.
type Variables = BTreeMap<String, String>;

const LINES: &str = "verify.proxy = 'haproxy-spoe'\nmode = 'enforce'\nauthorities = 'www.shop.example'\n";

async fn listener(more: &str) -> (Running, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let lines = format!(
        "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nlimits.head_time = '300ms'\n{LINES}{more}\n\
         [[route]]\npath = '/members'\nrequire = 3"
    );
    (gateway(&upstream, &lines).await, upstream)
}

/// The other side of the listener.
struct Haproxy<S>(S);

impl Haproxy<TcpStream> {
    async fn connect(running: &Running) -> Self {
        let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
        Self(TcpStream::connect(verify).await.unwrap())
    }

    /// Connected, and taken up.
    async fn welcome(running: &Running) -> Self {
        let mut haproxy = Self::connect(running).await;
        haproxy.send(&hello(|_| ())).await;
        assert!(matches!(haproxy.told().await.as_deref(), Some("hello 2.0 16380 pipelining")));
        haproxy
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Haproxy<S> {
    async fn send(&mut self, frame: &Frame<'_>) {
        self.0.write_all(&frame.write()).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let reading = async {
            let length = self.0.read_u32().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.0.read_exact(&mut frame).await.ok()?;
            Some(frame)
        };
        timeout(PATIENCE, reading).await.expect("a frame, or the end")
    }

    /// The values of the next frame, which begins or ends the connection.
    async fn told(&mut self) -> Option<String> {
        let octets = self.next().await?;
        let (kind, pairs) = match Frame::read(&octets).unwrap() {
            Frame::AgentHello(pairs) => ("hello", pairs),
            Frame::AgentDisconnect(pairs) => ("end", pairs),
            other => panic!("{other:?}"),
        };
        let values = pairs.iter().map(|(_, value)| shown(*value));
        Some(format!("{kind} {}", values.collect::<Vec<_>>().join(" ")))
    }

    async fn answer(&mut self) -> (Id, Variables) {
        let octets = self.next().await.expect("an answer");
        let Frame::Ack(id, actions) = Frame::read(&octets).unwrap() else { panic!("an answer") };
        let set = |action: &Action<'_>| match *action {
            Action::Set { name, value } => (name.to_owned(), shown(value)),
            Action::Unset { name } => panic!("{name} is not ours"),
        };
        (id, actions.iter().map(set).collect())
    }

    async fn ask(&mut self, question: &Message<'_>) -> Variables {
        let id = Id { stream: 7, frame: 300 };
        self.send(&Frame::Notify(id, vec![question.clone()])).await;
        let (answered, variables) = self.answer().await;
        assert_eq!(answered, id);
        variables
    }
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Value::Uint32(number) => number.to_string(),
        Value::Bool(is_true) => is_true.to_string(),
        other => panic!("{other:?}"),
    }
}

/// How HAProxy 2.6 begins, changed.
fn hello(change: impl FnOnce(&mut Pairs<'static>)) -> Frame<'static> {
    let mut pairs = vec![
        ("supported-versions", Value::Text(b"2.0")),
        ("max-frame-size", Value::Uint32(16_380)),
        ("capabilities", Value::Text(b"pipelining,async")),
        ("engine-id", Value::Text(b"1D9F")),
    ];
    change(&mut pairs);
    Frame::HaproxyHello(pairs)
}

/// A question about `GET target`, by the file that is shipped, with these fields beside `Host`.
fn question<'a>(target: &'a str, fields: &'a [u8]) -> Message<'a> {
    let arguments = vec![
        ("method", Value::Text(b"GET")),
        ("target", Value::Text(target.as_bytes())),
        ("version", Value::Text(b"1.1")),
        ("tls", Value::Bool(true)),
        ("client", Value::Address([203, 0, 113, 9].into())),
        ("fields", Value::Binary(fields)),
        ("server_name", Value::Text(b"www.shop.example")),
    ];
    Message { name: "avouch-request", arguments }
}

const HOST: &[u8] = b"\x04host\x10www.shop.example\0\0";

/// Who says this needs a look-up.
const CRAWLER: &[u8] = b"\x04host\x10www.shop.example\x0auser-agent\x09Googlebot\0\0";

#[tokio::test]
async fn a_permit_sets_every_variable_and_a_refusal_is_the_gateways_own_answer() {
    let (running, _upstream) = listener("").await;
    let mut haproxy = Haproxy::welcome(&running).await;
    let variables = haproxy.ask(&question("/open?a=%20", HOST)).await;
    let names: Vec<_> = variables.keys().map(String::as_str).collect();
    let told =
        ["assertion", "class", "decision", "identity", "mechanism", "request_id", "standing", "status"];
    assert_eq!(names, told);
    let shown = ["status", "class", "standing", "identity"].map(|name| &*variables[name]);
    assert_eq!(shown, ["200", "0", "anonymous", "-"]);
    let variables = haproxy.ask(&question("/members", HOST)).await;
    let shown = ["status", "class", "decision", "reason", "www_authenticate"].map(|name| &*variables[name]);
    assert_eq!(shown, ["401", "0", "challenge", "class-required", "SAIP"]);
    assert!(variables["body"].contains("\"reason\":\"class-required\""), "{variables:?}");
    assert!(!variables.contains_key("retry_after"), "{variables:?}");
    haproxy.send(&Frame::HaproxyDisconnect(vec![])).await;
    assert_eq!(haproxy.told().await.as_deref(), Some("end 0 normal"));
    assert_eq!(haproxy.next().await, None);
    running.stop().await;
}

#[tokio::test]
async fn what_describes_no_request_is_refused_with_what_is_wrong() {
    let (running, _upstream) = listener("").await;
    let mut haproxy = Haproxy::welcome(&running).await;
    let other = |at: usize, value| {
        let mut question = question("/open", HOST);
        question.arguments[at].1 = value;
        question
    };
    let named = |name: &'static str| Message { name, ..question("/open", HOST) };
    let without = |at: usize| {
        let mut question = question("/open", HOST);
        question.arguments.remove(at);
        question
    };
    let also = |argument| {
        let mut question = question("/open", HOST);
        question.arguments.push(argument);
        question
    };
    for (question, why) in [
        (named("avouch"), "one message"),
        (also(("method", Value::Null)), "an argument"),
        (also(("host", Value::Text(b"www.shop.example"))), "an argument"),
        (also(("certificate", Value::Bool(true))), "`certificate`"),
        (without(0), "`method`"),
        (without(2), "`version`"),
        (without(3), "`tls`"),
        (without(4), "`client`"),
        (other(0, Value::Text(b"G T")), "`method`"),
        (other(1, Value::Text(b"/open#a")), "`target`"),
        (other(1, Value::Text(b"https://www.shop.example/open")), "`target`"),
        (other(2, Value::Text(b"1.2")), "`version`"),
        (other(3, Value::Null), "`tls`"),
        (other(4, Value::Text(b"203.0.113.9")), "`client`"),
        (other(5, Value::Text(HOST)), "`fields`"),
        (other(5, Value::Null), "`fields`"),
        (other(5, Value::Binary(&HOST[..20])), "field 0"),
        (other(5, Value::Binary(b"\x01a\x01b\x03a b\x01c\0\0")), "field 1"),
        (other(5, Value::Binary(b"\x01a\x03b\r\n\0\0")), "field 0"),
        (
            other(5, Value::Binary(&[&b"\x01a\x01b".repeat(1025)[..], b"\0\0"].concat())),
            "more than 1024 fields",
        ),
    ] {
        let variables = haproxy.ask(&question).await;
        assert!(variables["status"] == "400" && variables["error"].contains(why), "{why}: {variables:?}");
        assert_eq!(variables["reason"], "request-malformed");
    }
    // A head that is none: no site, or two.
    for fields in [&b"\0\0"[..], &[&HOST[..22], HOST].concat()] {
        assert_eq!(haproxy.ask(&question("/open", fields)).await["status"], "400", "{fields:?}");
    }
    let two = Frame::Notify(Id::default(), vec![question("/open", HOST); 2]);
    haproxy.send(&two).await;
    assert_eq!(haproxy.answer().await.1["status"], "400");
    assert_eq!(haproxy.ask(&question("/open", HOST)).await["status"], "200");
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_and_told_where_to_be_listed() {
    let upstream = Upstream::start().await.unwrap();
    let lines = format!("verify.listen = '127.0.0.1:0'\ntrusted_proxies = '192.0.2.1'\n{LINES}");
    let running = gateway(&upstream, &lines).await;
    let mut haproxy = Haproxy::connect(&running).await;
    haproxy.send(&hello(|_| ())).await;
    let told = haproxy.told().await.unwrap();
    assert!(told.starts_with("end 99 ") && told.contains("trusted_proxies"), "{told}");
    assert_eq!(haproxy.next().await, None, "nothing else is read");
    running.stop().await;
}

#[tokio::test]
async fn what_does_not_begin_as_it_should_is_ended_with_its_number() {
    let (running, _upstream) = listener("").await;
    let notify = Frame::Notify(Id::default(), vec![question("/open", HOST)]).write();
    let cases: [(Vec<u8>, &str); 8] = [
        (hello(|pairs| pairs[0].1 = Value::Text(b"1.0")).write(), "end 8 "),
        (hello(|pairs| pairs[1].1 = Value::Uint32(255)).write(), "end 9 "),
        (hello(|pairs| _ = pairs.remove(2)).write(), "end 7 "),
        (notify, "end 4 "),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "end 3 "),
        (vec![0, 0, 4, 1], "end 3 "),
        (vec![0, 0, 0, 0], "end 4 "),
        (vec![0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0], "end 10 "),
    ];
    for (octets, expected) in cases {
        let mut haproxy = Haproxy::connect(&running).await;
        haproxy.0.write_all(&octets).await.unwrap();
        let told = haproxy.told().await.unwrap_or_default();
        assert!(told.starts_with(expected), "{octets:?}: {told}");
        assert_eq!(haproxy.next().await, None);
    }
    let mut haproxy = Haproxy::connect(&running).await;
    haproxy.send(&hello(|pairs| pairs.push(("healthcheck", Value::Bool(true))))).await;
    assert_eq!(haproxy.told().await.as_deref(), Some("hello 2.0 16380 pipelining"));
    assert_eq!(haproxy.next().await, None, "who only wanted to know is let go");
    running.stop().await;
}

#[tokio::test]
async fn a_frame_has_its_size() {
    let (running, _upstream) = listener("").await;
    let mut haproxy = Haproxy::connect(&running).await;
    haproxy.send(&hello(|pairs| pairs[1].1 = Value::Uint32(1 << 30))).await;
    assert_eq!(haproxy.told().await.as_deref(), Some("hello 2.0 131072 pipelining"), "avouch takes less");
    haproxy.0.write_all(&(131_073_u32).to_be_bytes()).await.unwrap();
    assert!(haproxy.told().await.unwrap().starts_with("end 3 "));
    // An answer, too: a refusal that has no room is told without its text.
    let mut haproxy = Haproxy::connect(&running).await;
    haproxy.send(&hello(|pairs| pairs[1].1 = Value::Uint32(256))).await;
    assert_eq!(haproxy.told().await.as_deref(), Some("hello 2.0 256 pipelining"));
    let variables = haproxy.ask(&question("/members", HOST)).await;
    assert_eq!(variables, Variables::from([("status".to_owned(), "431".to_owned())]));
    running.stop().await;
}

#[tokio::test]
async fn who_is_slow_is_let_go_and_who_has_nothing_to_ask_is_not() {
    let (running, _upstream) = listener("").await;
    for start in [&b""[..], &[0], &hello(|_| ()).write()[..60]] {
        let mut silent = Haproxy::connect(&running).await;
        silent.0.write_all(start).await.unwrap();
        let told = timeout(Duration::from_secs(5), silent.told()).await.expect("the connection ends");
        assert!(told.unwrap().starts_with("end 2 "), "{start:?}");
    }
    let mut quiet = Haproxy::welcome(&running).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(quiet.ask(&question("/open", HOST)).await["status"], "200", "the connection is kept");
    let frame = Frame::Notify(Id::default(), vec![question("/open", HOST)]).write();
    quiet.0.write_all(&frame[..frame.len() - 1]).await.unwrap();
    let told = timeout(Duration::from_secs(5), quiet.told()).await.expect("the connection ends");
    assert!(told.unwrap().starts_with("end 2 "));
    running.stop().await;
}

#[tokio::test]
async fn a_thousand_questions_at_once_are_each_answered_once() {
    let (running, _upstream) = listener("").await;
    let mut haproxy = Haproxy::welcome(&running).await;
    let ask = |stream: u64| {
        let target = if stream.is_multiple_of(2) { "/open" } else { "/members" };
        Frame::Notify(Id { stream, frame: 1 }, vec![question(target, HOST)]).write()
    };
    let all: Vec<u8> = (0..1000).flat_map(ask).collect();
    let (mut reading, mut writing) = tokio::io::split(haproxy.0);
    let sending = tokio::spawn(async move { writing.write_all(&all).await.map(|()| writing) });
    let mut answered = BTreeSet::new();
    for _ in 0..1000 {
        let length = reading.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        reading.read_exact(&mut frame).await.unwrap();
        let Frame::Ack(id, actions) = Frame::read(&frame).unwrap() else { panic!("an answer") };
        let expected = if id.stream.is_multiple_of(2) { 200 } else { 401 };
        assert!(actions.contains(&Action::Set { name: "status", value: Value::Uint32(expected) }));
        assert!(answered.insert(id.stream), "{id:?} twice");
    }
    haproxy = Haproxy(reading.unsplit(sending.await.unwrap().unwrap()));
    assert_eq!(haproxy.ask(&question("/open", HOST)).await["status"], "200");
    running.stop().await;
}

/// A gateway whose resolver never answers; who asks about a crawler waits.
async fn waiting(more: &str) -> (Running, UdpSocket) {
    let resolver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nlog.access = 'off'\n{LINES}{more}\n\
         [dns]\nresolvers = ['{}']",
        resolver.local_addr().unwrap()
    );
    let config = Config::parse("test", &text).unwrap();
    (Gateway::start(config, Surroundings::default()).await.unwrap(), resolver)
}

#[tokio::test]
async fn an_answer_is_not_held_up_by_another_and_a_stop_waits_for_both() {
    let (running, _resolver) = waiting("").await;
    let mut haproxy = Haproxy::welcome(&running).await;
    let ask = |stream, fields| Frame::Notify(Id { stream, frame: 1 }, vec![question("/open", fields)]);
    haproxy.send(&ask(1, CRAWLER)).await;
    haproxy.send(&ask(2, HOST)).await;
    assert_eq!(haproxy.answer().await.0.stream, 2);
    let stopping = tokio::spawn(running.stop());
    let (id, variables) = haproxy.answer().await;
    assert_eq!((id.stream, &*variables["standing"]), (1, "undetermined"), "{variables:?}");
    assert_eq!(haproxy.told().await.as_deref(), Some("end 0 normal"));
    stopping.await.unwrap();
}

#[tokio::test]
async fn no_more_is_read_than_is_worked_on() {
    for (most, pipelining) in [("limits.streams = 1", true), ("", false)] {
        let (running, _resolver) = waiting(most).await;
        let mut haproxy = Haproxy::connect(&running).await;
        let offer = hello(|pairs| {
            if !pipelining {
                pairs[2].1 = Value::Text(b"");
            }
        });
        haproxy.send(&offer).await;
        assert!(haproxy.told().await.unwrap().starts_with("hello"));
        for (stream, fields) in [(1, CRAWLER), (2, HOST)] {
            haproxy.send(&Frame::Notify(Id { stream, frame: 1 }, vec![question("/open", fields)])).await;
        }
        let order = [haproxy.answer().await.0.stream, haproxy.answer().await.0.stream];
        assert_eq!(order, [1, 2], "{most:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn by_a_unix_socket_it_is_the_same_where_that_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("verify.sock");
    for (trusted, expected) in [("unix", "hello"), ("127.0.0.1", "end 99 ")] {
        let upstream = Upstream::start().await.unwrap();
        let lines =
            format!("verify.listen = 'unix:{}'\ntrusted_proxies = '{trusted}'\n{LINES}", socket.display());
        let running = gateway(&upstream, &lines).await;
        let mut haproxy = Haproxy(UnixStream::connect(&socket).await.unwrap());
        haproxy.send(&hello(|_| ())).await;
        assert!(haproxy.told().await.unwrap().starts_with(expected), "{trusted}");
        if trusted == "unix" {
            assert_eq!(haproxy.ask(&question("/open", HOST)).await["status"], "200");
        }
        running.stop().await;
    }
}
