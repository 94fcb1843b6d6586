//! What a linter can have to say.

use crate::name::NameError;
use crate::record::{Limit, MAX_LIVE_KEYS, MAX_OCTETS, MAX_RECORDS, Network, PlaceError, RecordError};
use crate::time::Time;
use std::fmt;
use thiserror::Error;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something does not work as it was written.
    Error,
    /// It works, but probably not as it was meant.
    Warning,
    /// It works as meant; something to know or to do better.
    Advice,
}

impl Severity {
    /// As printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something found in the records at a name. Shown, it says what; [`Concern::fix`] says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Concern {
    /// A record breaks a rule.
    #[error("{0}; the record is ignored whole")]
    Broken(RecordError),
    /// A text that was meant to be a record and is not recognised as one.
    #[error("the text does not begin with v=saip1, so it is not read as a record")]
    NotRecognised,
    /// A text that holds what a zone file writes around and into texts.
    #[error("the text itself holds {0}, which belong to the way a zone file writes texts")]
    ZoneSyntax(&'static str),
    /// A text that looks like the rest of another.
    #[error("the text looks like a part of a record; texts of several TXT records are never joined")]
    Fragment,
    /// The end of the name stands there twice.
    #[error("the name ends with {0} twice, so nobody asks for it")]
    Doubled(String),
    /// An alias, and records beside it.
    #[error("an alias (CNAME) stands there beside records, which the DNS does not allow")]
    AliasBesideRecords,
    /// The name is none at which a record counts.
    #[error("the name {0}, so nothing there counts")]
    Name(PlaceError),
    /// The records come from a wildcard.
    #[error("the records come from a wildcard, which never publishes a key")]
    Synthesised,
    /// No record of ours stands at the name.
    #[error("no v=saip1 record stands there")]
    Nothing,
    /// A limit of the name is exceeded.
    #[error("{}", limit_text(*.0))]
    Limit(Limit),
    /// A tag that is not known.
    #[error("the tag {0} is not known and ignored")]
    UnknownTag(String),
    /// A known tag in upper case, which is not known.
    #[error("the tag {0} is not known and ignored, for tags are lower case")]
    UpperCaseTag(String),
    /// A tag that counts at `_saip.<dom>` only.
    #[error("{0} counts at _saip.<domain> only and does nothing at an agent's name")]
    NoEffect(&'static str),
    /// An empty `pk=` beside something it makes ineffective.
    #[error("an empty pk= revokes everything else that stands there")]
    RevokedHere,
    /// An empty `pk=` at a name above.
    #[error("an empty pk= at {0} revokes everything at this name")]
    RevokedAbove(String),
    /// The answers live so long that revocation takes long.
    #[error("the TTL of {ttl} s delays revocation; {most} s is the most that is advised here")]
    LongTtl {
        /// The TTL in seconds.
        ttl: u32,
        /// The most that is advised.
        most: u32,
    },
    /// The answers do not live at all.
    #[error("with a TTL of 0 s every request causes a look-up")]
    ZeroTtl,
    /// `exp` has passed.
    #[error("the record expired at {0} and is ignored")]
    Expired(Time),
    /// `exp` is near.
    #[error("the record expires at {0}")]
    ExpiresSoon(Time),
    /// A network so broad that it hardly is the agents' alone.
    #[error("{0} is broad: everyone in it can speak for the domain")]
    BroadNetwork(Network),
    /// A network from which no request comes over the Internet.
    #[error("no request comes over the Internet from {0}")]
    LocalNetwork(Network),
    /// A number no autonomous system on the Internet has.
    #[error("no network on the Internet belongs to AS{0}, which is reserved")]
    ReservedAsn(u32),
    /// A key that stands in records with and without `t=y`.
    #[error("t=y has no effect on this key, which also stands in a record without it")]
    TestingOverridden,
    /// `k` without `pk`.
    #[error("k says nothing in a record without a key")]
    KeyTypeAlone,
    /// The same key at another name.
    #[error("the same key stands at {0}: whoever holds it can speak as both")]
    SharedKey(String),
    /// `t=y`.
    #[error("t=y: requests signed with this key are treated as anonymous")]
    Testing,
    /// `v=saip1` alone.
    #[error("the record authorises nothing")]
    Null,
    /// An empty `pk=`.
    #[error("everything at this name and below is revoked")]
    Revoked,
    /// The zone is not signed.
    #[error("the zone is not signed: whoever can forge a DNS answer can publish keys for it")]
    Unsigned,
    /// The compressed form of a P-256 key.
    #[error("the key is in compressed form, which other verifiers may not read")]
    CompressedKey,
    /// Blanks where none are usual.
    #[error("blanks stand elsewhere than behind a semicolon, which other verifiers may not read")]
    Blanks,
    /// Reports go to a host outside the domain.
    #[error("reports are sent outside the domain only when {0} holds the TXT record v=saip1")]
    ReportConsent(String),
    /// Reports go to a host that cannot consent.
    #[error("no reports are sent to {host}: the name of its consent {error}")]
    NoReportConsent {
        /// The host that would receive the reports.
        host: String,
        /// Why.
        error: NameError,
    },
    /// The name is an alias.
    #[error("the name is an alias (CNAME): whoever can change {0} publishes keys here")]
    Alias(String),
    /// A text that has nothing to do with us.
    #[error("a text that is not a record stands there and is passed over")]
    Foreign,
    /// More than fits in one datagram.
    #[error("the records take {0} octets, too many for one UDP answer")]
    Large(usize),
}

fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::Records => format!("more than {MAX_RECORDS} records stand there; none of them counts"),
        Limit::Octets => format!("more than {MAX_OCTETS} octets of records stand there; none of them counts"),
        Limit::Keys => {
            format!("more than {MAX_LIVE_KEYS} different keys are live there; none of them counts")
        }
    }
}

impl Concern {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Broken(_)
            | Self::NotRecognised
            | Self::ZoneSyntax(_)
            | Self::Fragment
            | Self::Doubled(_)
            | Self::AliasBesideRecords
            | Self::Name(_)
            | Self::Synthesised
            | Self::Nothing
            | Self::Limit(_) => Severity::Error,
            Self::UnknownTag(_)
            | Self::UpperCaseTag(_)
            | Self::NoEffect(_)
            | Self::RevokedHere
            | Self::RevokedAbove(_)
            | Self::LongTtl { .. }
            | Self::ZeroTtl
            | Self::Expired(_)
            | Self::ExpiresSoon(_)
            | Self::BroadNetwork(_)
            | Self::LocalNetwork(_)
            | Self::ReservedAsn(_)
            | Self::TestingOverridden
            | Self::KeyTypeAlone
            | Self::NoReportConsent { .. }
            | Self::SharedKey(_) => Severity::Warning,
            Self::Testing
            | Self::Null
            | Self::Revoked
            | Self::Unsigned
            | Self::CompressedKey
            | Self::Blanks
            | Self::ReportConsent(_)
            | Self::Alias(_)
            | Self::Foreign
            | Self::Large(_) => Severity::Advice,
        }
    }

    /// The code, for machines and for looking it up in `docs/formats/record.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Broken(error) => error.flaw.code(),
            Self::NotRecognised => "version-not-first",
            Self::ZoneSyntax(_) => "zone-file-syntax",
            Self::Fragment => "record-split",
            Self::Doubled(_) => "name-doubled",
            Self::AliasBesideRecords => "alias-beside-records",
            Self::Alias(_) => "alias",
            Self::Name(PlaceError::Wildcard) | Self::Synthesised => "wildcard",
            Self::Name(_) => "name-invalid",
            Self::Nothing => "no-record",
            Self::Limit(_) => "record-limit",
            Self::UnknownTag(_) => "tag-unknown",
            Self::UpperCaseTag(_) => "tag-upper-case",
            Self::NoEffect(_) => "tag-without-effect",
            Self::RevokedHere => "revoked-with-more",
            Self::RevokedAbove(_) => "revoked-above",
            Self::LongTtl { .. } => "ttl-long",
            Self::ZeroTtl => "ttl-zero",
            Self::Expired(_) => "expired",
            Self::ExpiresSoon(_) => "expires-soon",
            Self::BroadNetwork(_) => "network-broad",
            Self::LocalNetwork(_) => "network-local",
            Self::ReservedAsn(_) => "asn-reserved",
            Self::TestingOverridden => "testing-overridden",
            Self::KeyTypeAlone => "key-type-alone",
            Self::SharedKey(_) => "key-shared",
            Self::Testing => "testing",
            Self::Null => "null-record",
            Self::Revoked => "revoked",
            Self::Unsigned => "zone-unsigned",
            Self::CompressedKey => "key-compressed",
            Self::Blanks => "blanks",
            Self::ReportConsent(_) => "report-consent",
            Self::NoReportConsent { .. } => "report-consent-impossible",
            Self::Foreign => "text-foreign",
            Self::Large(_) => "answer-large",
        }
    }

    /// What to do about it, as an instruction.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Broken(error) => return error.flaw.fix(),
            Self::UpperCaseTag(tag) => return format!("write {}", tag.to_ascii_lowercase()),
            Self::LongTtl { most, .. } => return format!("set the TTL to {most} s or less"),
            Self::ReportConsent(name) => {
                return format!("have the receiver publish: {name}. 3600 IN TXT \"v=saip1\"");
            }
            _ => self.fixed_fix(),
        }
        .to_owned()
    }

    /// The instructions that are always the same.
    const fn fixed_fix(&self) -> &'static str {
        match self {
            Self::NotRecognised => "begin the text with v=saip1, in lower case and without quotes of its own",
            Self::Name(PlaceError::Wildcard) | Self::Synthesised => {
                "publish each agent at its own name, or the shared key at the label of the fleet"
            }
            Self::ZoneSyntax(_) => {
                "give the text alone: the quotes, backslashes and lines around it are the zone file's"
            }
            Self::Fragment => {
                "publish one TXT record; what is longer than 255 octets becomes several strings of that one record"
            }
            Self::Doubled(_) => {
                "end the name with a dot in a zone file; in a form give only what stands before the zone's name"
            }
            Self::AliasBesideRecords => "remove the alias, or the records",
            Self::Alias(_) => "nothing, if that is meant; otherwise publish the records here",
            Self::Name(_) => "publish at _saip.<domain> or <agent>._saip.<domain>",
            Self::Nothing => "print one with `avouch dns record` and publish it there",
            Self::Limit(_) => "remove records that are no longer used",
            Self::UnknownTag(_) => "remove it, or write one of re pk asn ip exp k t rua",
            Self::NoEffect(_) => "move it to a record at _saip.<domain>",
            Self::RevokedHere => "remove the other records, or the empty pk= if nothing is to be revoked",
            Self::RevokedAbove(_) => "remove this name, or the empty pk= above if it is to live again",
            Self::ZeroTtl => "set a TTL from 30 to 300 s",
            Self::Expired(_) => "remove the record, or give it a later exp",
            Self::ExpiresSoon(_) => "publish its successor now",
            Self::BroadNetwork(_) => "name the narrower networks the agents really use",
            Self::LocalNetwork(_) => "remove it, or name the addresses servers see",
            Self::ReservedAsn(_) => "write the number of the network the agents send from",
            Self::TestingOverridden => "remove one of the two records",
            Self::KeyTypeAlone => "remove k, or add the key",
            Self::NoReportConsent { .. } => "choose a receiver with a shorter name",
            Self::SharedKey(_) => "give each name its own key, or publish once at the label of the fleet",
            Self::Testing => "remove t=y when the tests are done",
            Self::Null => "add a key, or leave it to say that this name has none",
            Self::Revoked => "leave it in place for as long as names below might answer",
            Self::Unsigned => "have the zone signed with DNSSEC",
            Self::CompressedKey => "write the key as `avouch dns record` prints it",
            Self::Blanks => "write pairs as tag=value, one blank behind each semicolon",
            Self::Foreign => "nothing, if it is meant to be there",
            Self::Large(_) => "remove records that are no longer used; TCP will be needed until then",
            Self::Broken(_) | Self::UpperCaseTag(_) | Self::LongTtl { .. } | Self::ReportConsent(_) => "",
        }
    }
}
