//! HTTP/2 by hand: frames that a well-behaved client never sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{Agent, Ask, CLOSED, OPEN, SITE, World};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a request without content is answered with.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Reset,
    Ended,
}

struct Client(TcpStream);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals (RFC 7541 section 6.2.2), which need no table and no Huffman code.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn integer(block: &mut Vec<u8>, number: usize) {
    if number < 127 {
        return block.push(u8::try_from(number).unwrap());
    }
    block.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut client = Self(TcpStream::connect(address).await.unwrap());
        let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        client.0.write_all(&start).await.unwrap();
        client
    }

    /// The next frame, header and payload; `None` when the connection ends.
    async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    async fn outcome(&mut self, stream: u32) -> Outcome {
        let waiting = async {
            loop {
                match self.frame().await {
                    None | Some((GOAWAY, ..)) => return Outcome::Ended,
                    Some((RST_STREAM, _, of, _)) if of == stream => return Outcome::Reset,
                    Some((HEADERS, _, of, _)) if of == stream => return Outcome::Answered,
                    Some(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("an answer or an end")
    }
}

/// Sends one request with these fields on a connection of its own.
async fn send(world: &World, fields: &[(&str, &str)], content: Option<&[u8]>) -> Outcome {
    let mut client = Client::connect(world.address()).await;
    let flags = if content.is_none() { END_HEADERS | END_STREAM } else { END_HEADERS };
    let mut octets = frame(HEADERS, flags, 1, &block(fields));
    octets.extend(content.iter().flat_map(|content| frame(DATA, END_STREAM, 1, content)));
    client.0.write_all(&octets).await.unwrap();
    client.outcome(1).await
}

fn get<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", SITE), (":path", path)];
    [&pseudo, more].concat()
}

async fn honest(world: &World, bot: &Agent) {
    let before = world.completed().len();
    let header = bot.header(Ask::get(CLOSED));
    assert_eq!(send(world, &get(CLOSED, &[("saip", &header)]), None).await, Outcome::Answered);
    let request = world.completed().remove(before);
    assert_eq!((request.line(), request.field("avouch-class")), ("GET /closed HTTP/1.1", Some("3")));
}

#[tokio::test]
async fn malformed_requests_do_not_reach_the_upstream() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(OPEN));
    let spoiled = |name: &'static str, value: &'static str| get(OPEN, &[(name, value)]);
    let mut cases = vec![
        spoiled("Upper", "case"),
        spoiled("connection", "close"),
        spoiled("connection", "avouch-class"),
        spoiled("transfer-encoding", "chunked"),
        spoiled("keep-alive", "timeout=5"),
        spoiled("proxy-connection", "keep-alive"),
        spoiled("upgrade", "websocket"),
        spoiled("te", "gzip"),
        spoiled("a b", "c"),
        spoiled("a:b", "c"),
        spoiled("a\r\nb", "c"),
        spoiled("", "c"),
        spoiled("x", "a\r\nAvouch-Class: 3"),
        spoiled("x", "a\nAvouch-Class: 3"),
        spoiled("x", "a\rb"),
        spoiled("x", "a\0b"),
        spoiled(":path", "/twice"),
        spoiled(":status", "200"),
        spoiled(":unknown", "x"),
        spoiled("host", "mail.other.example"),
        spoiled("host", "www.shop.example:81"),
        spoiled("content-length", "5"),
        vec![("x", "y"), (":method", "GET"), (":scheme", "http"), (":authority", SITE), (":path", OPEN)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", SITE), ("x", "y"), (":path", OPEN)],
        vec![(":scheme", "http"), (":authority", SITE), (":path", OPEN)],
        vec![(":method", "GET"), (":authority", SITE), (":path", OPEN)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", SITE)],
        vec![(":method", "GET"), (":scheme", "http"), (":path", OPEN)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "a@www.shop.example"), (":path", OPEN)],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "www.shop.example/x"), (":path", OPEN)],
        vec![
            (":method", "GET /x HTTP/1.1\r\nX: y\r\n\r\nGET"),
            (":scheme", "http"),
            (":authority", SITE),
            (":path", OPEN),
        ],
        vec![(":method", "CONNECT"), (":authority", SITE)],
        vec![
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", SITE),
            (":path", OPEN),
        ],
    ];
    for path in [
        "",
        "open",
        "/open x",
        "/open HTTP/1.1\r\nX: y",
        "/op\u{e9}n",
        "//\0",
        "http://mail.other.example/open",
    ] {
        cases.push(get(path, &[]));
    }
    for fields in cases {
        let mut signed = fields.clone();
        signed.push(("saip", &header));
        for fields in [fields, signed] {
            send(&world, &fields, None).await;
            assert_eq!(world.upstream.received(), [], "{fields:?}");
        }
    }
    honest(&world, &bot).await;
}

#[tokio::test]
async fn odd_but_sound_requests_arrive_as_one_clean_request() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(OPEN));
    let odd = [
        ("te", "trailers"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("host", SITE),
        ("saip", &header),
        ("avouch-class", "0"),
        ("avouch_class", "0"),
    ];
    assert_eq!(send(&world, &get(OPEN, &odd), None).await, Outcome::Answered);
    let request = world.completed().remove(0);
    assert_eq!((request.field("avouch-class"), request.field("avouch_class")), (Some("3"), None));
    assert_eq!((request.field("cookie"), request.field("te")), (Some("a=1; b=2"), None), "{}", request.head);
    assert_eq!(request.field("host"), Some(SITE));
}

#[tokio::test]
async fn content_of_another_length_than_announced_is_never_completed() {
    let (world, bot) = World::with_bot().await;
    for (length, content) in [("5", "shrt"), ("3", "long"), ("0", "x"), ("-1", "x"), ("1, 1", "x")] {
        let mut fields = get(OPEN, &[("content-length", length)]);
        fields[0].1 = "POST";
        send(&world, &fields, Some(content.as_bytes())).await;
        assert_eq!(world.completed(), [], "{length}");
    }
    honest(&world, &bot).await;
}

#[tokio::test]
async fn swapped_content_is_never_completed() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::post(CLOSED, b"pay 1"));
    let mut fields = get(CLOSED, &[("saip", &header)]);
    fields[0].1 = "POST";
    send(&world, &fields, Some(b"pay 9")).await;
    assert_eq!(world.completed(), []);
    assert_eq!(send(&world, &fields, Some(b"pay 1")).await, Outcome::Answered);
    assert_eq!(world.completed()[0].field("avouch-class"), Some("3"));
}

#[tokio::test]
async fn streams_opened_and_reset_in_a_rush_end_the_connection() {
    let (world, bot) = World::with_bot().await;
    let mut client = Client::connect(world.address()).await;
    let opening = block(&get(OPEN, &[]));
    for number in 0..2_000 {
        let stream = 2 * number + 1;
        let pair = [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &opening),
            frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ];
        if client.0.write_all(&pair.concat()).await.is_err() {
            break;
        }
    }
    assert_eq!(client.outcome(u32::MAX).await, Outcome::Ended);
    honest(&world, &bot).await;
}

#[tokio::test]
async fn a_header_block_without_end_ends_the_connection() {
    let (world, bot) = World::with_bot().await;
    let mut client = Client::connect(world.address()).await;
    client.0.write_all(&frame(HEADERS, END_STREAM, 1, &block(&get(OPEN, &[])))).await.unwrap();
    let more = block(&[("x", &"y".repeat(16_000))]);
    let mut sent = 0;
    while sent < 64 << 20 && client.0.write_all(&frame(CONTINUATION, 0, 1, &more)).await.is_ok() {
        sent += more.len();
    }
    assert!(sent < 8 << 20, "{sent} octets of one header block were taken");
    assert_eq!(client.outcome(1).await, Outcome::Ended);
    assert_eq!(world.upstream.received(), []);
    honest(&world, &bot).await;
}
