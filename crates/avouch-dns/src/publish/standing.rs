//! What stands at a name before it is changed, as the primary itself has it.

use std::net::SocketAddr;

use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::direct::{AskError, absolute, authoritative, over_tcp, shown};

/// The TXT records at one name, asked of the server that has them.
///
/// A change can be made to depend on them ([`Publisher::publish_over`](super::Publisher::publish_over)), so that
/// nobody's change in between is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    name: Name,
    records: Vec<TXT>,
    ttl: u32,
}

impl Standing {
    /// That nothing stands there.
    #[must_use]
    pub fn nothing(name: &str) -> Option<Self> {
        Some(Self { name: absolute(name).ok()?, records: Vec::new(), ttl: 0 })
    }

    /// Asks the server itself.
    ///
    /// # Errors
    /// [`AskError`]: the server cannot be reached or does not answer for the name, or an alias stands there.
    pub async fn ask(server: SocketAddr, name: &str) -> Result<Self, AskError> {
        let name = absolute(name)?;
        let answer = authoritative(server, &name, over_tcp(server, &name, RecordType::TXT).await?)?;
        let here = || answer.answers.iter().filter(|record| record.name.to_lowercase() == name);
        let target = here().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(shown(&target.0)),
            _ => None,
        });
        if let Some(target) = target {
            return Err(AskError::Alias { name: shown(&name), target });
        }
        let records: Vec<TXT> = here().filter_map(txt).collect();
        let ttl = match records.is_empty() {
            false => here().map(|record| record.ttl).min(),
            true => answer.authorities.iter().find_map(negative_ttl),
        };
        Ok(Self { name, records, ttl: ttl.unwrap_or(0) })
    }

    /// The records, each with its strings joined.
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<u8>> {
        self.records.iter().map(|txt| txt.txt_data.concat()).collect()
    }

    /// For how many seconds caches may keep what stands there, or that nothing does.
    #[must_use]
    pub const fn ttl(&self) -> u32 {
        self.ttl
    }

    /// The prerequisites that it still stands there as it was seen (RFC 2136 sections 2.4.2 and 2.4.3).
    pub(super) fn prerequisites(&self) -> Vec<Record> {
        let same = |txt: &TXT| Record::from_rdata(self.name.clone(), 0, RData::TXT(txt.clone()));
        if !self.records.is_empty() {
            return self.records.iter().map(same).collect();
        }
        let mut none = Record::update0(self.name.clone(), 0, RecordType::TXT);
        none.dns_class = DNSClass::NONE;
        vec![none.into_record_of_rdata()]
    }
}

fn txt(record: &Record) -> Option<TXT> {
    match &record.data {
        RData::TXT(txt) => Some(txt.clone()),
        _ => None,
    }
}

/// RFC 2308 section 5.
fn negative_ttl(record: &Record) -> Option<u32> {
    match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    }
}
