//! Content that is not the content that was signed.

use super::world::{Ask, CLOSED, OPEN, World, request};

#[tokio::test]
async fn a_swapped_body_never_reaches_the_upstream_whole() {
    let (world, bot) = World::with_bot().await;
    for length in [1, 64 << 10, (64 << 10) + 1, 300_000] {
        let content = vec![b'x'; length];
        let mut swapped = content.clone();
        *swapped.last_mut().unwrap() = b'y';
        for path in [CLOSED, OPEN] {
            let signed = Ask::post(path, &content);
            let header = format!("SAIP: {}\r\n", bot.header(signed));
            for other in [&swapped[..], &content[1..], &[content.as_slice(), b"x"].concat()] {
                let before = world.completed().len();
                let answer = world.send(request(Ask::post(path, other), &header)).await;
                let told: Vec<_> = world.completed().into_iter().skip(before).collect();
                // Where nothing is refused, content read in advance may pass, but as class 1.
                assert!(
                    told.iter().all(|request| request.field("avouch-class") == Some("1")),
                    "{length} {path}"
                );
                assert!(path == OPEN || (told.is_empty() && answer.status() != 200), "{length} {path}");
            }
        }
        world.see(bot.request(Ask::post(CLOSED, &content))).await.is_verified("bot@acme.example");
    }
}

#[tokio::test]
async fn a_body_added_taken_away_or_emptied_is_a_mismatch() {
    let (world, bot) = World::with_bot().await;
    let with_content = bot.header(Ask::post(CLOSED, b"pay 1"));
    let without = bot.header(Ask::post(CLOSED, b""));
    let send = |header: &str, content: &str| {
        format!("POST {CLOSED} HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: {header}\r\n{content}")
    };
    for request in [
        send(&with_content, "Content-Length: 0\r\n\r\n"),
        send(&with_content, "\r\n"),
        send(&with_content, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        send(&without, "Content-Length: 5\r\n\r\npay 1"),
        send(&without, "Transfer-Encoding: chunked\r\n\r\n5\r\npay 1\r\n0\r\n\r\n"),
    ] {
        world.see(&request).await.is_kept_out("body-mismatch");
    }
    world
        .see(send(&with_content, "Transfer-Encoding: chunked\r\n\r\n2\r\npa\r\n3\r\ny 1\r\n0\r\n\r\n"))
        .await
        .is_verified("bot@acme.example");
    world.see(send(&without, "Content-Length: 0\r\n\r\n")).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_digest_cannot_be_dropped_from_the_header() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::post(CLOSED, b"pay 1"));
    let start = header.find("cd=").unwrap();
    let end = start + header[start..].find("; ").unwrap() + 2;
    let dropped = format!("SAIP: {}{}\r\n", &header[..start], &header[end..]);
    world.see(request(Ask::post(CLOSED, b"pay 9"), &dropped)).await.is_kept_out("signature-invalid");
    world
        .see(request(Ask::post(CLOSED, b"pay 1"), &format!("SAIP: {header}\r\n")))
        .await
        .is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_never_completed() {
    let (world, bot) = World::with_bot().await;
    for length in [10, 100_000] {
        let content = vec![b'x'; length];
        let whole = bot.request(Ask::post(CLOSED, &content));
        let mut client = testkit::raw::Raw::connect(world.address()).await.unwrap();
        client.send(&whole[..whole.len() - 1]).await.unwrap();
        client.finish().await.unwrap();
        let answer = client.answer().await.ok().flatten().unwrap_or_default();
        assert_ne!(answer.status(), 200, "{length}");
        assert_eq!(world.completed(), [], "{length}");
    }
    world.see(bot.request(Ask::post(CLOSED, b"x"))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn content_in_many_tiny_pieces_is_judged_before_it_is_passed_on() {
    let (world, bot) = World::with_bot().await;
    let chunked = |header: &str, chunks: &str| {
        format!(
            "POST {CLOSED} HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: {header}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        )
    };
    let header = bot.header(Ask::post(CLOSED, &[b'x'; 2_000]));
    let end = "0\r\nX-Sum: 7\r\n\r\n";
    let swapped = "1\r\nx\r\n".repeat(1_999) + "1\r\ny\r\n" + end;
    world.see(chunked(&header, &swapped)).await.is_kept_out("body-mismatch");
    let seen = world.see(chunked(&header, &("1\r\nx\r\n".repeat(2_000) + end))).await;
    seen.is_verified("bot@acme.example");
    assert_eq!(seen.reached.unwrap().body.len(), 2_000);
    // Nothing but trailers is empty content, and comes to an end.
    world.see(chunked(&bot.header(Ask::post(CLOSED, b"")), end)).await.is_verified("bot@acme.example");
}
