//! Requests that try to mean two things: each reaches the upstream as one, or not at all.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;
use tokio::net::TcpStream;

use super::gateway;

const HOST: &str = "Host: a.example\r\n";

#[tokio::test]
async fn what_cannot_be_read_without_doubt_is_refused() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "limits.target_size = '8KiB'").await;
    let long = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(9 << 10));
    let many = format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "x: y\r\n".repeat(101));
    let cases = [
        (400, format!("POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")),
        (400, format!("POST / HTTP/1.1\r\n{HOST}Content-Length: +3\r\n\r\nabc")),
        (400, format!("POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        (400, format!("POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        (400, format!("POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{HOST}X-Folded: a\r\n b\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{HOST}X-Spaced : a\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{HOST}X-Nul: a\0b\r\n\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{HOST}{HOST}\r\n")),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n".to_owned()),
        (400, format!("GET http://b.example/ HTTP/1.1\r\n{HOST}\r\n")),
        (400, format!("GET /\u{e9} HTTP/1.1\r\n{HOST}\r\n")),
        (405, "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\n".to_owned()),
        (414, long),
        (431, many),
    ];
    for (status, request) in cases {
        let answer = exchange(running.addresses[0], &request).await.unwrap().unwrap_or_default();
        assert_eq!(answer.status(), status, "{request:.80}");
    }
    assert_eq!(upstream.received(), []);
    running.stop().await;
}

#[tokio::test]
async fn two_lengths_leave_one_and_the_connection_ends() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    for lengths in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let before = upstream.received().len();
        let mut client = Raw::connect(running.addresses[0]).await.unwrap();
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n";
        client.send(format!("POST / HTTP/1.1\r\n{HOST}{lengths}\r\n\r\n0\r\n\r\n{hidden}")).await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
        assert_eq!(client.answer().await.ok().flatten(), None, "the connection is not used again");
        let received = upstream.received();
        assert_eq!(received.len(), before + 1);
        assert_eq!(
            received[before].fields("content-length").len()
                + received[before].fields("transfer-encoding").len(),
            1
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn lines_and_chunks_are_written_anew() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    exchange(running.addresses[0], "GET /lf HTTP/1.1\nHost: a.example\nX-A: 1\n\n").await.unwrap().unwrap();
    let absolute = "GET http://A.example:80/abs?q HTTP/1.1\r\nHost: a.example\r\n\r\n";
    exchange(running.addresses[0], absolute).await.unwrap().unwrap();
    let received = upstream.wait_for(2).await;
    assert!(received[0].octets.windows(2).all(|pair| pair[1] != b'\n' || pair[0] == b'\r'), "CRLF only");
    assert_eq!(received[1].line(), "GET /abs?q HTTP/1.1");
    for bad in [
        "xyz\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc",
        "3\r\nabcd\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
    ] {
        let before = upstream.received().len();
        let request = format!("POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{bad}");
        let answer = exchange(running.addresses[0], request).await.unwrap().unwrap_or_default();
        assert_ne!(answer.status(), 200, "{bad:?}");
        assert!(upstream.received().iter().skip(before).all(|request| !request.complete), "{bad:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_follows_a_refused_upgrade_is_a_request_of_its_own() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    let upgrade = format!("GET /chat HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.send(format!("{upgrade}GET /after HTTP/1.1\r\n{HOST}Avouch-Class: 3\r\n\r\n")).await.unwrap();
    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    let _ = client.answer().await;
    for request in upstream.received() {
        assert_eq!(request.fields("avouch-class"), ["0"], "{}", request.line());
    }
    let with_body = format!(
        "POST /chat HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi"
    );
    exchange(running.addresses[0], with_body).await.unwrap().unwrap();
    let last = upstream.received().pop().unwrap();
    assert_eq!((last.line(), last.field("upgrade")), ("POST /chat HTTP/1.1", None));
    running.stop().await;
}

async fn http2(address: std::net::SocketAddr, request: http::Request<Full<Bytes>>) -> Option<(u16, Bytes)> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok()?;
    Some((answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes()))
}

#[tokio::test]
async fn http2_becomes_one_clean_http1_request() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    let request = |host: Option<&str>| {
        let mut request = http::Request::post("http://a.example/h2?q").header("avouch_class", "3");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.body(Full::new(Bytes::from_static(b"hello"))).unwrap()
    };
    assert_eq!(http2(running.addresses[0], request(None)).await, Some((200, Bytes::from_static(b"ok"))));
    assert_eq!(
        http2(running.addresses[0], request(Some("b.example"))).await.map(|answer| answer.0),
        Some(400)
    );
    let received: Vec<Message> = upstream.wait_for(1).await;
    assert_eq!(received.len(), 1);
    let one = &received[0];
    assert_eq!(
        (one.line(), one.field("host"), one.text().as_str()),
        ("POST /h2?q HTTP/1.1", Some("a.example"), "hello")
    );
    assert_eq!((one.fields("avouch_class"), one.fields("avouch-class")), (vec![], vec!["0"]));
    running.stop().await;
}

#[tokio::test]
async fn content_arrives_whatever_the_method_and_however_it_is_framed() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    let methods = ["GET", "DELETE", "POST"];
    for (before, method) in methods.iter().enumerate() {
        let request =
            format!("{method} /q HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        exchange(running.addresses[0], request).await.unwrap().unwrap();
        assert_eq!(upstream.wait_for(before + 1).await[before].text(), "abc", "{method}");
    }
    let got = exchange(running.addresses[0], format!("GET / HTTP/1.1\r\n{HOST}\r\n")).await.unwrap();
    assert_eq!(got.unwrap().status(), 200);
    assert_eq!(upstream.wait_for(4).await[3].fields("transfer-encoding"), [""; 0]);
    running.stop().await;
}
