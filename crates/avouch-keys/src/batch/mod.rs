//! Rolling certificates for slow keys: one signature certifies all requests that wait for it.
//!
//! A key in hardware makes a few signatures a second, and an agent sends thousands of requests. So the requests that
//! wait at the same moment become the leaves of one tree, of which the key signs the root (`docs/formats/saip.md`).
//! While it signs one, the next batch fills: nobody waits longer than two signatures take.
//!
//! [`BatchSigner`] is that queue, for any number of threads and tasks: [`BatchSigner::sign`] does not block, and what it
//! gives is a future for tasks, which needs no certain runtime, and waits for threads ([`Pending::wait`]).
//! [`Signer::sign_batch`] is for requests that are at hand together.
//!
//! A request that is alone gets a certificate of its own: it is shorter, and every verifier of SAIP reads it. The
//! rolling key of each request is new, signs it at once, and is wiped before the request waits.
//!
//! Limits: [`MAX_WAITING`]. A request's time is that at which it was handed in, so it is not to wait for minutes.

mod place;
mod queue;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use avouch_wire::key::KeyType;
use avouch_wire::merkle::{Tree, leaf};
use avouch_wire::saip::{BatchProof, MAX_BATCH, batch_tbs};
use avouch_wire::time::Time;

use self::place::Awaited;
use self::queue::{Job, Queue};
use crate::entropy::{Entropy, SystemEntropy};
use crate::saip::{RequestToSign, SignError, Signer, Uncertified};
use crate::secret::KeyError;

/// Most requests that wait for one signature: with a key that takes 200 ms, 20,000 a second. Each takes about 1 KiB
/// while it waits, and its proof has 12 hashes at most.
pub const MAX_WAITING: usize = 1 << 12;

const _: () = assert!(MAX_WAITING as u64 <= MAX_BATCH, "all that wait are one batch");

/// Why a request of a batch was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The request cannot be signed, or the key failed; then all requests of the batch learn of it.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The key does not keep up.
    #[error("{MAX_WAITING} requests wait for the key to sign; send fewer, or try again later")]
    Full,
    /// The queue was stopped, or dropped, before the key signed.
    #[error("the signing queue has stopped")]
    Stopped,
}

/// A signer whose rolling certificates are made by batches. It has a thread, which ends when this is dropped and the
/// signature under way is made; what waits then learns that the queue has stopped.
#[derive(Debug)]
pub struct BatchSigner {
    signer: Arc<Signer>,
    queue: Arc<Queue>,
    worker: Option<JoinHandle<()>>,
}

impl BatchSigner {
    /// Starts the thread that signs.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn start(signer: Signer) -> io::Result<Self> {
        Self::start_with(signer, |signer, message| signer.certify(message))
    }

    fn start_with(
        signer: Signer,
        certify: impl FnMut(&Signer, &[u8]) -> Result<[u8; 64], KeyError> + Send + 'static,
    ) -> io::Result<Self> {
        let (signer, queue) = (Arc::new(signer), Arc::new(Queue::default()));
        let (key, waiting) = (Arc::clone(&signer), Arc::clone(&queue));
        let work = move || queue::work(&waiting, &key, certify);
        let worker = thread::Builder::new().name("batch-signer".to_owned()).spawn(work)?;
        Ok(Self { signer, queue, worker: Some(worker) })
    }

    /// Who signs, for its name, its public key, and requests in other modes.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Signs a request, sent now, with a new rolling key of this type, and hands it in to be certified. Does not block.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn sign(
        &self,
        request: RequestToSign<'_>,
        key_type: KeyType,
        now: Time,
    ) -> Result<Pending, BatchError> {
        let (request, tbs) = self.signer.prepare(request, key_type, now, &mut SystemEntropy)?;
        let (answer, awaited) = place::place();
        self.queue.enter(Job { tbs, answer })?;
        Ok(Pending { request, awaited })
    }

    /// Stops, and waits for the end of the signature under way, so that the key is wiped when this returns. What still
    /// waits learns that the queue has stopped.
    pub fn stop(mut self) {
        self.queue.close();
        // A thread that panicked has closed the queue as well, and there is nobody to tell.
        self.worker.take().map(JoinHandle::join);
    }
}

impl Drop for BatchSigner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// A request that waits for its certificate. When it is dropped, nothing is signed for it.
#[must_use = "a request is certified while somebody waits for it"]
pub struct Pending {
    request: Uncertified,
    awaited: Awaited<Answer>,
}

/// What a request learns: its batch, and its index there.
type Answer = Result<(Arc<Batch>, u64), SignError>;

impl Pending {
    /// Blocks until the key has signed. Gives the value of the `SAIP` header.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn wait(self) -> Result<String, BatchError> {
        let answer = self.awaited.wait();
        self.header(answer)
    }

    fn header(&self, answer: Option<Answer>) -> Result<String, BatchError> {
        let (batch, index) = answer.ok_or(BatchError::Stopped)??;
        Ok(batch.header(&self.request, index))
    }
}

/// The value of the `SAIP` header. It is polled to its end once.
impl Future for Pending {
    type Output = Result<String, BatchError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.awaited.poll(context).map(|answer| self.header(answer))
    }
}

/// The certificate of requests that were signed for together.
pub(crate) struct Batch {
    certificate: [u8; 64],
    /// Without it the certificate is that of the only request.
    tree: Option<Tree>,
}

impl Batch {
    /// Has all of these strings certified by one signature, one at least.
    fn certify(
        strings: &[&[u8]],
        mut certify: impl FnMut(&[u8]) -> Result<[u8; 64], KeyError>,
    ) -> Result<Self, KeyError> {
        if let [single] = strings {
            return Ok(Self { certificate: certify(single)?, tree: None });
        }
        let tree = Tree::of(strings.iter().map(|tbs| leaf(tbs)).collect()).ok_or(KeyError::Refused)?;
        let mut message = Vec::new();
        batch_tbs(&mut message, tree.size(), tree.root());
        Ok(Self { certificate: certify(&message)?, tree: Some(tree) })
    }

    fn header(&self, request: &Uncertified, index: u64) -> String {
        let mut buffer = String::new();
        let proof = self.tree.as_ref().and_then(|tree| BatchProof::of(tree, index, &mut buffer));
        request.header(&self.certificate, proof)
    }
}

impl Signer {
    /// The values of the `SAIP` headers of several requests that are sent now, in their order: each has a new rolling
    /// key of this type, and one signature of the long-term key certifies all of them ([`MAX_BATCH`] at a time).
    ///
    /// # Errors
    /// [`SignError`]; then none is signed.
    pub fn sign_batch(
        &self,
        requests: &[RequestToSign<'_>],
        key_type: KeyType,
        now: Time,
    ) -> Result<Vec<String>, SignError> {
        self.sign_batch_with(requests, key_type, now, &mut SystemEntropy)
    }

    /// As [`Signer::sign_batch`], drawing nonce and rolling key of each request in turn from `entropy`.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_batch_with(
        &self,
        requests: &[RequestToSign<'_>],
        key_type: KeyType,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<Vec<String>, SignError> {
        let mut headers = Vec::with_capacity(requests.len());
        for requests in requests.chunks(MAX_BATCH as usize) {
            let prepared: Result<Vec<_>, _> =
                requests.iter().map(|request| self.prepare(*request, key_type, now, entropy)).collect();
            let (requests, strings): (Vec<_>, Vec<_>) = prepared?.into_iter().unzip();
            let strings: Vec<_> = strings.iter().map(Vec::as_slice).collect();
            let batch = Batch::certify(&strings, |message| self.certify(message))?;
            headers.extend((0..).zip(&requests).map(|(index, request)| batch.header(request, index)));
        }
        Ok(headers)
    }
}
