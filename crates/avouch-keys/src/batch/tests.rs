//! A slow signer under many requests, each verified as a site verifies it; and all that can go wrong.

use super::*;
use crate::SecretKey;
use crate::entropy::Fixed;
use crate::saip::Speaker;
use avouch_engine::claim::Catalogue;
use avouch_engine::evidence::{Answer, Dnssec, Epoch, Evidence, NoRoots, Records};
use avouch_engine::pipeline::{self, Site, Step};
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::{Class, Verdict};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::{Level, Published};
use avouch_wire::saip::{Header, Mode};
use avouch_wire::target::Target;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn signer() -> Signer {
    let speaker = Speaker {
        domain: Some(Domain::parse("acme.example").unwrap()),
        agent: AgentId::parse("crawler-7").unwrap(),
        instance: None,
    };
    Signer::new(SecretKey::generate(KeyType::P256, &mut Fixed(0)).unwrap(), speaker)
}

/// Does this with a request for a path of the site.
fn with_request<T>(path: &str, act: impl FnOnce(RequestToSign<'_>) -> T) -> T {
    let target = Target::parse("GET", path).unwrap();
    let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
    act(RequestToSign { method: "GET", target: &target, authority: &authority, content: None })
}

fn hand_in(batches: &BatchSigner, path: &str) -> Result<Pending, BatchError> {
    with_request(path, |request| batches.sign(request, KeyType::Ed25519, NOW))
}

/// How many requests the header says were certified together; 1 where it has a certificate of its own.
fn size(header: &str) -> u64 {
    match Header::parse(header).unwrap().signed.unwrap().mode {
        Mode::Rolling { proof, .. } => proof.map_or(1, |proof| proof.size()),
        Mode::Direct | Mode::Stateless { .. } | Mode::Registry(_) => unreachable!("rolling"),
    }
}

/// What a site makes of a request for a path with this header, that finds this key published.
fn judge(header: &str, path: &str, published: &PublicKey) -> Box<Verdict> {
    let fields = [("host", b"www.shop.example".as_slice()), ("saip", header.as_bytes())];
    let request = Request::read(Head {
        method: "GET",
        target: path,
        authority: None,
        scheme: Scheme::Https,
        fields: || fields.into_iter(),
        peer: Peer::client([203, 0, 113, 9].into()),
        content: Content::Empty,
    });
    let request = request.unwrap();
    let site = Site {
        authorities: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap()],
        accept_draft: false,
        catalogue: Arc::new(Catalogue::built_in().unwrap()),
        bots: None,
        passes: None,
        registered: Arc::default(),
        entities: None,
        named: BTreeSet::new(),
    };
    let record = format!("v=saip1; k=p256; pk={}", b64u::encode(published.octets()));
    let published = Published::unite([record.as_bytes()], Level::Agent);
    let (dnssec, until) = (Dnssec::Insecure, NOW.after(Duration::from_secs(60)));
    let record = Answer::Found { value: Arc::new(Records { published, wildcard: false }), dnssec, until };
    let revocations = vec![Answer::Absent { dnssec, until }];
    let evidence = Evidence { record, revocations, ..Evidence::default() };
    let Step::Next(opened) = pipeline::open(&request, &site, NOW) else { unreachable!("well-formed") };
    match opened.weigh(&evidence, &NoRoots, NOW) {
        Step::Settled(verdict) => verdict,
        Step::Next(proved) => {
            let committed = proved.nonce().map(|nonce| Ok(nonce.committed()));
            proved.conclude(committed, Epoch::default())
        }
    }
}

/// Signs, or fails, when it is told to, as often as it is told to.
fn gated() -> (BatchSigner, Sender<Result<(), KeyError>>, Receiver<()>) {
    let ((go, gate), (entering, begun)) = (mpsc::channel(), mpsc::channel());
    let batches = BatchSigner::start_with(signer(), move |signer, message| {
        entering.send(()).unwrap();
        gate.recv().map_err(|_| KeyError::Refused)??;
        signer.certify(message)
    });
    (batches.unwrap(), go, begun)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the signer is as slow as hardware")]
fn many_requests_share_few_signatures_and_a_site_accepts_each() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    let signatures = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&signatures);
    let batches = BatchSigner::start_with(signer(), move |signer, message| {
        counted.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(20));
        signer.certify(message)
    });
    let batches = batches.unwrap();
    let headers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for at in 0..THREADS {
            let (batches, headers) = (&batches, &headers);
            scope.spawn(move || {
                let paths = (0..EACH).map(|number| format!("/{at}?{number}"));
                let pending: Vec<_> = paths.map(|path| (hand_in(batches, &path).unwrap(), path)).collect();
                let signed = pending.into_iter().map(|(pending, path)| (pending.wait().unwrap(), path));
                headers.lock().unwrap().extend(signed.collect::<Vec<_>>());
            });
        }
    });
    let headers = headers.into_inner().unwrap();
    for (header, path) in &headers {
        let verdict = judge(header, path, batches.signer().public());
        assert_eq!(verdict.class(), Class::Verified, "{header}: {verdict:?}");
        assert_eq!(judge(header, "/other", batches.signer().public()).class(), Class::Unverifiable);
    }
    let rolling: BTreeSet<_> = headers.iter().map(|(header, _)| header.split("rpk=").nth(1)).collect();
    assert_eq!(rolling.len(), THREADS * EACH, "each request has a rolling key of its own");
    let signatures = signatures.load(Ordering::Relaxed);
    assert!(signatures * 5 <= THREADS * EACH, "{signatures} signatures for {} requests", THREADS * EACH);
}

#[test]
fn another_key_certifies_no_batch() {
    let (batches, other) = (signer(), SecretKey::generate(KeyType::P256, &mut Fixed(9)).unwrap());
    let headers =
        with_request("/a", |request| batches.sign_batch(&[request; 2], KeyType::P256, NOW)).unwrap();
    assert_eq!(judge(&headers[0], "/a", batches.public()).class(), Class::Verified);
    assert_eq!(judge(&headers[0], "/a", other.public()).class(), Class::Unverifiable);
}

#[test]
fn while_one_signature_is_made_the_next_batch_fills() {
    let (batches, go, begun) = gated();
    let first = hand_in(&batches, "/").unwrap();
    begun.recv().unwrap();
    let rest: Vec<_> = (0..10).map(|_| hand_in(&batches, "/").unwrap()).collect();
    go.send(Ok(())).unwrap();
    assert_eq!(size(&first.wait().unwrap()), 1, "alone, it has a certificate of its own");
    begun.recv().unwrap();
    go.send(Ok(())).unwrap();
    let sizes: Vec<_> = rest.into_iter().map(|pending| size(&pending.wait().unwrap())).collect();
    assert_eq!(sizes, [10; 10]);
    assert!(begun.try_recv().is_err(), "two signatures for all");
}

#[test]
fn a_full_queue_refuses_and_what_waits_is_still_signed() {
    let (batches, go, begun) = gated();
    let first = hand_in(&batches, "/").unwrap();
    begun.recv().unwrap();
    let waiting: Vec<_> = (0..MAX_WAITING).map(|_| hand_in(&batches, "/").unwrap()).collect();
    assert_eq!(hand_in(&batches, "/").err(), Some(BatchError::Full));
    go.send(Ok(())).unwrap();
    go.send(Ok(())).unwrap();
    assert_eq!(size(&first.wait().unwrap()), 1);
    let header = waiting.into_iter().map(|pending| pending.wait().unwrap()).last().unwrap();
    assert_eq!(size(&header), MAX_WAITING as u64);
    assert!(header.len() <= avouch_wire::saip::MAX_HEADER);
    assert_eq!(judge(&header, "/", batches.signer().public()).class(), Class::Verified);
    assert!(hand_in(&batches, "/").is_ok(), "there is room again");
}

#[test]
fn a_key_that_fails_tells_each_who_waits_and_signs_the_next() {
    let (batches, go, begun) = gated();
    let first = hand_in(&batches, "/").unwrap();
    begun.recv().unwrap();
    let waiting = [(); 3].map(|()| hand_in(&batches, "/").unwrap());
    for told in [Err(KeyError::Refused), Err(KeyError::Refused), Ok(())] {
        go.send(told).unwrap();
    }
    let refused = Err(BatchError::Sign(SignError::Key(KeyError::Refused)));
    assert_eq!(first.wait(), refused);
    assert_eq!(waiting.map(Pending::wait), [refused.clone(), refused.clone(), refused]);
    assert!(hand_in(&batches, "/").unwrap().wait().is_ok());
}

#[test]
fn who_waits_when_the_queue_stops_learns_of_it() {
    for stops in [true, false] {
        let (batches, go, begun) = gated();
        let under_way = hand_in(&batches, "/").unwrap();
        begun.recv().unwrap();
        let waiting = hand_in(&batches, "/").unwrap();
        let ending = thread::spawn(move || if stops { batches.stop() } else { drop(batches) });
        assert_eq!(waiting.wait().err(), Some(BatchError::Stopped));
        go.send(Ok(())).unwrap();
        assert!(under_way.wait().is_ok(), "what the key signs already is signed");
        ending.join().unwrap();
        assert_eq!(begun.recv(), Err(mpsc::RecvError), "the thread has ended, and the key is gone");
    }
}

#[test]
fn a_thread_that_dies_leaves_nobody_waiting() {
    let batches = BatchSigner::start_with(signer(), |_, _| panic!("the driver has a defect")).unwrap();
    assert_eq!(hand_in(&batches, "/").unwrap().wait().err(), Some(BatchError::Stopped));
    while hand_in(&batches, "/").is_ok() {
        thread::yield_now();
    }
    assert_eq!(hand_in(&batches, "/").err(), Some(BatchError::Stopped));
    batches.stop();
}

#[test]
fn for_who_went_away_nothing_is_signed() {
    let (batches, go, begun) = gated();
    let first = hand_in(&batches, "/").unwrap();
    begun.recv().unwrap();
    let left: Vec<_> = (0..5).map(|_| hand_in(&batches, "/").unwrap()).collect();
    let stays = hand_in(&batches, "/").unwrap();
    drop(left);
    go.send(Ok(())).unwrap();
    go.send(Ok(())).unwrap();
    assert!(first.wait().is_ok());
    assert_eq!(size(&stays.wait().unwrap()), 1);
}

/// Wakes a thread that stands for a runtime.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_task_is_woken_when_its_request_is_signed() {
    let (batches, go, begun) = gated();
    let mut pending = Box::pin(hand_in(&batches, "/").unwrap());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    begun.recv().unwrap();
    assert!(pending.as_mut().poll(&mut context).is_pending(), "the key has not signed yet");
    go.send(Ok(())).unwrap();
    let signed = loop {
        match pending.as_mut().poll(&mut context) {
            Poll::Ready(signed) => break signed.unwrap(),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(judge(&signed, "/", batches.signer().public()).class(), Class::Verified);
}

#[test]
fn requests_at_hand_are_signed_together_in_their_order() {
    let signer = signer();
    for count in [0, 1, 2, 3, 7] {
        let headers = with_request("/a", |request| {
            signer.sign_batch_with(&vec![request; count], KeyType::Ed25519, NOW, &mut Fixed(1))
        });
        let headers = headers.unwrap();
        assert_eq!(headers.len(), count);
        for header in &headers {
            assert_eq!(size(header), count as u64);
            assert_eq!(judge(header, "/a", signer.public()).class(), Class::Verified, "{header}");
        }
    }
}

#[test]
fn what_cannot_be_signed_never_waits() {
    let batches = BatchSigner::start(signer()).unwrap();
    let refused = with_request("/", |request| {
        batches.sign(RequestToSign { method: "GET /", ..request }, KeyType::Ed25519, NOW).err()
    });
    assert_eq!(refused, Some(BatchError::Sign(SignError::Method)));
    let pseudonym = Speaker { domain: None, ..signer().speaker().clone() };
    let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(0)).unwrap();
    let nobody = BatchSigner::start(Signer::new(key, pseudonym)).unwrap();
    assert_eq!(hand_in(&nobody, "/").err(), Some(BatchError::Sign(SignError::NoDomain)));
}
