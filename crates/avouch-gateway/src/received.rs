//! A request that another server received and asks about: judged and decided here, forwarded there.

use avouch_engine::request::{Content, Request};
use avouch_wire::target::NormalPath;
use http::request::Parts;

use crate::access_log::Entry;
use crate::gate::Gate;
use crate::listen::Shown;
use crate::snapshot::Snapshot;
use crate::trust::Peer;
use crate::{Refused, incoming, judge};

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

impl Received {
    /// Begins its line in the log.
    pub(crate) fn begin(&self, gate: &Gate) -> Box<Entry> {
        gate.begin(&self.peer, &http::Request::from_parts(self.parts.clone(), ()))
    }

    /// Who it is, and what happens; the signed word to the site, where its route wants one.
    pub(crate) async fn treat(
        &self,
        gate: &Gate,
        snapshot: &Snapshot,
        entry: &mut Entry,
    ) -> Result<Option<String>, Refused> {
        entry.place = Some(gate.place()?);
        incoming::bounded(&self.parts, &snapshot.config.limits)?;
        let request: Request<'_> = incoming::read(&self.parts, &self.peer, self.content)?;
        let shown = self.shown.of(&request, false);
        let request = request.over(shown);
        let path = NormalPath::of(request.path());
        let to = snapshot.destination(&path)?;
        judge(gate, snapshot, &request, &path, to, entry).await?;
        Ok(gate.assert(&request, snapshot, to, entry))
    }
}
