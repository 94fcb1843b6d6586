//! Delivering one report: to whom the domain's record says now, where they consent, by the way they ask for.

use crate::relay::{MailError, Relay};
use avouch_dns::{Dns, Txt};
use avouch_engine::evidence::{Answer, Dnssec};
use avouch_gather::https::{Client, HttpsError, Post};
use avouch_tls::Connector;
use avouch_wire::name::Domain;
use avouch_wire::record::{Level, MAX_OCTETS, MAX_RECORDS, MAX_REPORT_TO, Published, ReportTo, consents};
use avouch_wire::report::{Code, Head, MEDIA_TYPE, Mailbox, Seen, mail};
use avouch_wire::time::Time;
use bytes::Bytes;
use thiserror::Error;

/// What a delivery needs.
pub(crate) struct Courier {
    pub(crate) dns: Dns,
    pub(crate) https: Client,
    pub(crate) relay: Option<Relay>,
    /// For a relay that speaks TLS.
    pub(crate) connector: Connector,
}

/// What a domain's record says about reports.
pub(crate) enum Wanted {
    /// Reports go to these addresses; the report says what the record was.
    At(Vec<ReportTo>, Seen),
    /// Nobody wants any.
    Nowhere,
    /// It could not be found out.
    Unknown,
}

/// What came of one address.
#[derive(Debug, Error)]
pub(crate) enum Fate {
    /// The receiver has it.
    #[error("sent")]
    Sent,
    /// It never will.
    #[error("not sent: {0}")]
    Refused(Refusal),
    /// It may, another time.
    #[error("not sent yet: {0}")]
    Later(Delay),
}

/// Why an address gets no report.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the receiver does not consent: nothing stands at {0}")]
    NoConsent(String),
    #[error("the receiver cannot consent: the name for that is too long")]
    NoName,
    #[error("no mail relay is configured ([reports] smtp)")]
    NoRelay,
    #[error("{0}")]
    Mail(MailError),
    #[error("{0}")]
    Https(HttpsError),
}

/// Why an address gets a report later.
#[derive(Debug, Error)]
pub(crate) enum Delay {
    #[error("whether the receiver consents could not be found out")]
    Consent,
    #[error("{0}")]
    Mail(MailError),
    #[error("{0}")]
    Https(HttpsError),
}

impl Courier {
    /// Where reports about a domain go.
    pub(crate) async fn wanted(&self, domain: &Domain<'_>, now: Time) -> Wanted {
        let name = format!("_saip.{domain}");
        match self.dns.txt(&name, now).await {
            Answer::Unknown(_) => Wanted::Unknown,
            Answer::Absent { .. } => Wanted::Nowhere,
            Answer::Found { value, dnssec, .. } => {
                let texts = value.records.iter().map(AsRef::as_ref);
                let published = Published::unite(texts, Level::Domain);
                let mut to: Vec<_> = published.report_to(now).cloned().collect();
                // As many as one record may name, however many there are; at each try the same.
                to.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                to.truncate(MAX_REPORT_TO);
                match seen(&value, dnssec).filter(|_| !to.is_empty()) {
                    Some(seen) => Wanted::At(to, seen),
                    None => Wanted::Nowhere,
                }
            }
        }
    }

    /// Delivers a report, packed, to one address.
    pub(crate) async fn deliver(&self, head: &Head, packed: &Bytes, to: &ReportTo, now: Time) -> Fate {
        if let Err(fate) = self.consent(head, to, now).await {
            return fate;
        }
        match to.mailbox().map(Mailbox::parse) {
            Some(Ok(mailbox)) => self.mail(head, packed, &mailbox, now).await,
            Some(Err(_)) => Fate::Refused(Refusal::Mail(MailError::Address)),
            None => self.post(packed.clone(), to, now).await,
        }
    }

    /// Whether the receiver wants reports about the domain: within it always, outside by a record of its own.
    async fn consent(&self, head: &Head, to: &ReportTo, now: Time) -> Result<(), Fate> {
        let name = match to.consent_name(&head.domain) {
            Ok(None) => return Ok(()),
            Ok(Some(name)) => name,
            Err(_) => return Err(Fate::Refused(Refusal::NoName)),
        };
        match self.dns.txt(&name, now).await {
            Answer::Found { value, .. } if consents(value.records.iter().map(AsRef::as_ref)) => Ok(()),
            Answer::Found { .. } | Answer::Absent { .. } => Err(Fate::Refused(Refusal::NoConsent(name))),
            Answer::Unknown(_) => Err(Fate::Later(Delay::Consent)),
        }
    }

    async fn mail(&self, head: &Head, packed: &[u8], to: &Mailbox, now: Time) -> Fate {
        let Some(relay) = &self.relay else { return Fate::Refused(Refusal::NoRelay) };
        let mail = mail(head, packed, to, now);
        match relay.hand_over(mail, &head.contact, to, &self.connector).await {
            Ok(()) => Fate::Sent,
            Err(error) if error.is_final() => Fate::Refused(Refusal::Mail(error)),
            Err(error) => Fate::Later(Delay::Mail(error)),
        }
    }

    async fn post(&self, packed: Bytes, to: &ReportTo, now: Time) -> Fate {
        let post =
            Post { url: to.as_str(), content_type: MEDIA_TYPE, content_encoding: Some("gzip"), body: packed };
        match self.https.post(post, now).await {
            Ok(()) => Fate::Sent,
            Err(error) if is_final(&error) => Fate::Refused(Refusal::Https(error)),
            Err(error) => Fate::Later(Delay::Https(error)),
        }
    }
}

/// Whether trying again cannot help: the address is wrong, or its host says that it does not want this. Hosts say by
/// 408, 425 and 429 that they do, and by 5xx that they are in trouble.
fn is_final(error: &HttpsError) -> bool {
    match error {
        HttpsError::Url | HttpsError::NotPublic | HttpsError::Gone(_) => true,
        HttpsError::Status(status) => {
            !status.is_server_error() && !matches!(status.as_u16(), 408 | 425 | 429)
        }
        HttpsError::Name
        | HttpsError::Connect(_)
        | HttpsError::Http(_)
        | HttpsError::Encoded
        | HttpsError::MediaType
        | HttpsError::Body(_)
        | HttpsError::Timeout => false,
    }
}

/// The records of ours at a name, as far as a report holds them.
fn seen(found: &Txt, dnssec: Dnssec) -> Option<Seen> {
    let dnssec = Code::of(match dnssec {
        Dnssec::Secure => "secure",
        Dnssec::Insecure => "insecure",
    });
    let ours = found.records.iter().filter(|text| consents([text.as_ref()]));
    let mut texts: Vec<_> = ours.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    texts.sort_unstable();
    texts.truncate(MAX_RECORDS);
    while texts.iter().map(String::len).sum::<usize>() > MAX_OCTETS {
        texts.pop();
    }
    Some(Seen { dnssec: dnssec.ok()?, texts })
}
