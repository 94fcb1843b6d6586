//! The library, in a program of Rust's.

use std::path::Path;

use avouch_agent::config::Config;
use avouch_agent::{Agent, Content, Question};
use avouch_wire::content::ContentDigest;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::world::{World, anonymous, proved, says_who};

fn agent(world: &World) -> Agent {
    let path = world.folder.path().join("agent.toml");
    std::fs::write(&path, world.configuration("", "[proxy]\nlisten = '127.0.0.1:0'\n")).unwrap();
    Agent::open(&Config::load(Path::new(&path)).unwrap()).unwrap()
}

async fn send(world: &World, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let host = request.uri().authority().unwrap().to_string();
    request.headers_mut().insert("host", host.parse().unwrap());
    *request.uri_mut() = request.uri().path_and_query().unwrap().to_string().parse().unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_hypers_is_signed_for_a_destination_and_loses_its_name_elsewhere() {
    let world = World::new().await;
    let agent = agent(&world);
    for (url, content, is_signed) in [
        (world.listed("/a?b=%2F"), &b"order"[..], true),
        (world.listed("/"), b"", true),
        (world.unlisted("/"), b"", false),
    ] {
        let body = Full::new(Bytes::from_static(content));
        let mut request = Request::post(url).header("SAIP", "forged").body(body).unwrap();
        let digest =
            if content.is_empty() { Content::None } else { Content::Read(ContentDigest::of(content)) };
        assert_eq!(agent.sign_request(&mut request, digest).await.unwrap(), is_signed);
        assert_eq!(send(&world, request).await.status(), 200);
    }
    assert_eq!(world.told(), [proved("saip-rolling"), proved("saip-rolling"), anonymous()]);
    assert_eq!(says_who(&world.upstream.received()[2]), [""; 0]);
    let mut nowhere = Request::get("/a").body(()).unwrap();
    assert!(agent.sign_request(&mut nowhere, Content::None).await.is_err());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_alone_do_for_another_client() {
    let world = World::new().await;
    let agent = agent(&world);
    let url = world.listed("/");
    let question = Question::of("GET", &url, Content::None).unwrap();
    let mut request = Request::get(&url).body(Full::default()).unwrap();
    for (name, value) in agent.sign(question).await.unwrap().into_iter().flatten() {
        request.headers_mut().insert(name, value);
    }
    assert_eq!(send(&world, request).await.status(), 200);
    assert_eq!(world.told(), [proved("saip-rolling")]);
    let elsewhere = Question::of("GET", &world.unlisted("/"), Content::None).unwrap();
    assert!(agent.sign(elsewhere).await.unwrap().is_none());
    world.stop().await;
}
