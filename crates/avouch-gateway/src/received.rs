//! A request that another server received and asks about: judged and decided here, forwarded there.

use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Request};
use avouch_wire::target::NormalPath;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, Uri};

use crate::access_log::Entry;
use crate::answers::Problem;
use crate::body::AnswerBody;
use crate::config::Limits;
use crate::gate::Gate;
use crate::listen::Shown;
use crate::snapshot::Snapshot;
use crate::trust::Peer;
use crate::{Refused, answers, incoming, judge, outgoing};

/// Most fields that are read of what a server says. A site's own limit, `head_fields`, is lower as a rule, and counts
/// as for any request.
pub(crate) const MAX_FIELDS: usize = 1_024;

/// A target in origin form, or `*`, with nothing left out of it: parsing drops a fragment, which that server may
/// forward all the same, and takes a host for a target.
pub(crate) fn target(text: &[u8]) -> Option<Uri> {
    let uri = Uri::try_from(text).ok()?;
    let is_whole = uri.path_and_query().is_some_and(|target| target.as_str().as_bytes() == text);
    (is_whole && matches!(text, [b'/', ..] | b"*")).then_some(uri)
}

/// What that server says of it.
pub(crate) struct Received {
    /// Its head.
    pub(crate) parts: Parts,
    /// Who sent it.
    pub(crate) peer: Peer,
    /// What is known of its content.
    pub(crate) content: Content,
    /// What was seen of its TLS connection.
    pub(crate) shown: Shown,
}

/// What that server is to do.
pub(crate) enum Next {
    /// Go on, with these fields in place of any the client sent by their names.
    Permit(HeaderMap),
    /// Answer so.
    Refuse(Response<AnswerBody>),
}

impl Received {
    /// Who it is, what happens, and what that server is to do. The line in the log is written with the entry's end; its
    /// status is 200 where that server is to say.
    pub(crate) async fn judge(&self, gate: &Gate, snapshot: &Snapshot) -> (Box<Entry>, Next) {
        let mut entry = self.begin(gate);
        let next = match self.treat(gate, snapshot, &mut entry).await {
            Ok(assertion) => {
                let mut told = HeaderMap::new();
                outgoing::tell(&mut told, &entry, assertion.as_deref());
                Next::Permit(told)
            }
            Err(Refused(problem, disclose)) => {
                entry.problem = Some(problem.reason.code());
                let asked = snapshot.asks(&problem, entry.authority(), self.peer.scheme, gate.clock.now());
                Next::Refuse(answers::answer(problem, entry.id, disclose, asked))
            }
        };
        entry.answered(match &next {
            Next::Permit(_) => StatusCode::OK,
            Next::Refuse(answer) => answer.status(),
        });
        (entry, next)
    }

    /// Begins its line in the log.
    pub(crate) fn begin(&self, gate: &Gate) -> Box<Entry> {
        gate.begin(&self.peer, &self.parts)
    }

    /// As at the site's own listeners, where the head is bounded while it is read.
    fn bounded(&self, limits: &Limits) -> Result<(), Problem> {
        incoming::bounded(&self.parts, limits)?;
        let fields = self.parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let target = self.parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
        if fields.sum::<usize>() + target <= limits.head_size.0 {
            return Ok(());
        }
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Err(Problem { status, ..Problem::of(Reason::RequestMalformed) })
    }

    /// Who it is, and what happens; the signed word to the site, where its route wants one.
    pub(crate) async fn treat(
        &self,
        gate: &Gate,
        snapshot: &Snapshot,
        entry: &mut Entry,
    ) -> Result<Option<String>, Refused> {
        entry.place = Some(gate.place()?);
        self.bounded(&snapshot.config.limits)?;
        let request: Request<'_> = incoming::read(&self.parts, &self.peer, self.content)?;
        let shown = self.shown.of(&request, false);
        let request = request.over(shown);
        let path = NormalPath::of(request.path());
        let to = snapshot.destination(&path)?;
        judge(gate, snapshot, &request, &path, to, entry).await?;
        Ok(gate.assert(&request, snapshot, to, entry))
    }
}
