//! Why: the one closed list of reason codes, each with a sentence, a way to mend it, and a page.

use std::fmt;

/// Where the documentation of each reason stands; the code is the fragment.
pub const DOCUMENTATION: &str = "https://avouch.example/reasons#";

macro_rules! reasons {
    ($($(#[$page:meta])* $name:ident, $code:literal, $sentence:literal, $fix:literal;)+) => {
        /// A reason for a verdict or a decision.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code, as it stands in logs, policies and answers.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),+ }
            }

            /// What the one to whom it happens can do.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix),+ }
            }
        }
    };
}

reasons! {
    NoClaim, "no-claim", "The request says nothing about who sends it.",
        "Nothing needs mending; anonymous requests are welcome.";
    Pseudonym, "pseudonym", "A key that no domain vouches for holds the signature; the key is the pseudonym.",
        "Name a domain in dom and publish the key at its _saip name to be known by it.";
    SignatureVerified, "signature-verified", "Every signature holds under a key the domain publishes, and the request was not seen before.",
        "Nothing needs mending.";
    DirectoryVerified, "directory-verified", "A Web Bot Auth signature for this site holds under a key that the domain's directory or record lists.",
        "Nothing needs mending; a nonce would show that the request is new.";
    RegisteredVerified, "registered-verified", "A signature for this site holds under a key that the site's operator registered.",
        "Nothing needs mending; a nonce would show that the request is new.";
    DelegationVerified, "delegation-verified", "A token, signed by a key the domain publishes, names the sender's key or network, and holds for this request.",
        "Nothing needs mending.";
    RegistryVerified, "registry-verified", "The request is sealed by a key that a registration entity of the domain made for this site and agent, and was not seen before.",
        "Nothing needs mending.";
    ForwardConfirmed, "forward-confirmed", "The client's address resolves to a name within the claimed domain, and that name back to the address.",
        "Nothing needs mending; a signature would raise the class to 3.";
    AddressOfDomain, "address-of-domain", "The claimed domain resolves to the client's address.",
        "Nothing needs mending; a signature would raise the class to 3.";
    NetworkDelegated, "network-delegated", "The claimed domain's _saip record names the client's network.",
        "Nothing needs mending; a signature would raise the class to 3.";
    RangeConfirmed, "range-confirmed", "The client's address lies in the ranges that the crawler's operator publishes.",
        "Nothing needs mending; a signature would raise the class to 3.";
    PassRedeemed, "pass-redeemed", "An attester vouches for the client without naming it, by a Privacy Pass token that was not redeemed before.",
        "Nothing needs mending; the next request needs another token.";
    PassUnneeded, "pass-unneeded", "The request says who sends it, so the Privacy Pass token beside that was not redeemed.",
        "Leave the token out of requests that say who sends them.";
    AudienceUnbound, "audience-unbound", "The draft form of the header does not bind the receiving site.",
        "Sign the full form, with aud.";
    DomainUnbound, "domain-unbound", "The draft form of the header does not sign the claimed domain.",
        "Sign the full form, with aud.";
    AuthoritiesUnset, "authorities-unset", "This verifier has no list of its own authorities, so a signature made for another site could be relayed to it.",
        "Set authorities in the gateway's configuration.";
    Testing, "testing", "The key is published for testing (t=y), so success proves nothing yet.",
        "Remove t=y from the record when the key is in use.";
    NotTransferable, "not-transferable", "The proof rests on a key that this site shares with a registration entity, so it convinces nobody else.",
        "Nothing needs mending; a signature under a published key would convince others too.";
    UnknownValues, "unknown-values", "The header holds names that mean nothing here; they were ignored.",
        "Remove them, unless another verifier reads them.";

    HeaderMalformed, "header-malformed", "The SAIP header is not well formed.",
        "Compare the header with docs/formats/saip.md; avouch verify says where it breaks.";
    HeaderRepeated, "header-repeated", "There is more than one SAIP or SAIP-Delegation header, or one spelled with an underscore.",
        "Send exactly one field of each name.";
    ModeUnsupported, "mode-unsupported", "The claim is in registry mode, and this site works with no registration entity.",
        "Use rolling, direct or stateless mode.";
    EntityNotConfigured, "entity-not-configured", "This site works with registration entities, and not with the one that the claim names.",
        "Use rolling, direct or stateless mode, or another entity that the domain's record names.";
    Expired, "expired", "The signed timestamp is older than 300 seconds, or the end that was signed is reached.",
        "Sign each request when it is sent, and keep the clock right.";
    AheadOfTime, "ahead-of-time", "The signed timestamp is more than 30 seconds ahead.",
        "Keep the clock right.";
    AudienceMismatch, "audience-mismatch", "The signature was made for another site than the one the request names.",
        "Sign aud as the authority the request is sent to, in lower case, without the default port.";
    AuthorityNotOurs, "authority-not-ours", "The request names a site that this verifier does not serve.",
        "Send the request to the site it was signed for; the operator lists sites in authorities.";
    DraftFormRefused, "draft-form-refused", "The header is in the draft form, which this site does not accept.",
        "Sign the full form, with aud.";
    AlgorithmMismatch, "algorithm-mismatch", "alg is not the algorithm of the key.",
        "Name the algorithm of the key that signs.";
    BadKey, "bad-key", "The key in the header is not a point of its curve, or a weak one.",
        "Send the key that signs, as it was generated.";
    SignatureMissing, "signature-missing", "Signature-Agent names a domain, and there is no signature.",
        "Send Signature-Input and Signature, or leave Signature-Agent out.";
    SignatureMalformed, "signature-malformed", "Signature-Input or Signature cannot be read.",
        "Compare the fields with docs/formats/http-signatures.md; avouch verify says where they break.";
    TagMissing, "tag-missing", "Signature-Agent names a domain, and no signature has the tag web-bot-auth.",
        "Sign with tag=\"web-bot-auth\".";
    ComponentRepeated, "component-repeated", "A signature covers the same component twice.",
        "Cover each component once.";
    CoverageEmpty, "coverage-empty", "A signature covers nothing.",
        "Cover @authority and signature-agent at least.";
    AuthorityUncovered, "authority-uncovered", "A signature covers neither @authority nor @target-uri, so it could be relayed from another site.",
        "Cover @authority.";
    ComponentUncovered, "component-uncovered", "A signature under a registered key does not cover all that the site asks for.",
        "Cover @method, @authority, @path, @query where there is one, and content-digest where there is content, or what the site's operator names instead.";
    KeyidInvalid, "keyid-invalid", "keyid is missing, or not the thumbprint of a key.",
        "Send the RFC 7638 thumbprint of the key in base64url.";
    AgentMissing, "agent-missing", "A Web Bot Auth signature names no domain, for there is no Signature-Agent.",
        "Send Signature-Agent, and cover it.";
    AgentMalformed, "agent-malformed", "Signature-Agent does not name a domain in a form that is known.",
        "Send an https origin of a registered domain; docs/formats/web-bot-auth.md shows the forms.";
    AgentNotHttps, "agent-not-https", "The URL in Signature-Agent is not of https, so nobody vouches for what stands there.",
        "Serve the key directory by https.";
    AgentNotCovered, "agent-not-covered", "The signature does not cover a Signature-Agent of its own, so it is no proof for that domain.",
        "Cover \"signature-agent\", or its member under the signature's label.";
    TimesMissing, "times-missing", "created or expires is missing, so the signature would count for ever.",
        "Sign created and expires.";
    LifetimeTooLong, "lifetime-too-long", "expires lies before created, or further behind it than this site accepts.",
        "Let a signature last for a minute; 24 hours are the most.";
    AlgorithmRefused, "algorithm-refused", "This site does not take the algorithm of the signature.",
        "Sign with ed25519; a site takes ecdsa-p256-sha256, ecdsa-p384-sha384 and rsa-pss-sha512 too, unless its operator says otherwise.";
    KeyNotListed, "key-not-listed", "The domain's key directory was read, and lists no key of this thumbprint.",
        "Publish the key in the directory; caches keep an earlier one for as long as it asked them to.";
    KeyExpired, "key-expired", "The directory lists the key, or the operator registered it, with times at which it does not count.",
        "Publish a key whose nbf and exp lie around now.";
    PublicTestKey, "public-test-key", "The key is an example of a specification, whose private part everyone knows.",
        "Make a key of your own.";
    ComponentMissing, "component-missing", "The signature covers something that the request does not have.",
        "Cover what is sent; proxies on the way may have removed a field.";
    ComponentUnusable, "component-unusable", "The signature covers something that has no one value in this request.",
        "Cover fields that are text and stand once, or use bs and key.";
    DigestUnusable, "digest-unusable", "The signature covers Content-Digest, which says nothing about the content.",
        "Send sha-256 or sha-512.";
    PassMalformed, "pass-malformed", "The Authorization field is of the scheme PrivateToken, and holds no token of type 2, or does not stand alone.",
        "Send one field, Authorization: PrivateToken token=\"…\", with a token of 354 octets in base64url.";
    PassKeyUnknown, "pass-key-unknown", "The Privacy Pass token names a key that this site does not ask for.",
        "Get a token from an issuer, and by a key, that this site's challenge names.";
    PassChallengeUnknown, "pass-challenge-unknown", "The Privacy Pass token was made for no challenge of this site since its gateway started.",
        "Get a token for a challenge as this site sends it now.";
    PassExpired, "pass-expired", "The Privacy Pass token was made for a challenge whose time is over.",
        "Redeem a token within the max-age of its challenge.";
    PassElsewhere, "pass-elsewhere", "The Privacy Pass token was made for a challenge of another site that this gateway serves.",
        "Redeem a token at the site that sent its challenge.";
    PassInvalid, "pass-invalid", "The issuer's key did not sign the Privacy Pass token.",
        "Get a token from the issuer that the challenge names, and send it unchanged.";
    AttesterUnverified, "attester-unverified", "The attester behind the Privacy Pass token has no live key at its _saip name, so its word counts for nothing.",
        "The attester publishes its key; avouch dns check says what is wrong with the record.";
    AttesterUndelegated, "attester-undelegated", "No delegation token in force, which a live key of the attester signed, names the issuer's key for what is asked here.",
        "The attester issues one with avouch delegate issue; the site's operator names it in delegation.";
    EntityNotNamed, "entity-not-named", "The domain's _saip record does not name the registration entity of the claim.",
        "Name the entity by re in the record at the domain's _saip name.";
    NotRegistered, "not-registered", "The registration entity knows no agent of this name.",
        "Register the agent with the entity.";
    KeyNotPublished, "key-not-published", "There is no _saip record at the agent's name.",
        "Publish the agent's key; avouch dns record prints the record.";
    NoLiveKey, "no-live-key", "The records at the agent's name hold no key in force.",
        "Publish a key that has not expired; avouch dns check says what is wrong with the records.";
    RecordLimit, "record-limit", "There are too many records or keys at the agent's name, so none is in force.",
        "Keep to 16 records, 4 keys and 4 KiB at a name.";
    WildcardRecord, "wildcard-record", "The record was made from a wildcard, which names no agent.",
        "Publish a record at the agent's own name.";
    Revoked, "revoked", "The key, or everything below a parent name, is revoked by an empty pk.",
        "Publish a new key and remove the record with the empty pk.";
    KeyMismatch, "key-mismatch", "The key in the header is not one the domain publishes.",
        "Publish the key at the domain's _saip name.";
    DelegationMalformed, "delegation-malformed", "The delegation token cannot be read, or breaks a rule of its own.",
        "Send the token as it was issued; avouch delegate check says what is wrong with it.";
    DelegationMismatch, "delegation-mismatch", "The delegation token does not fit its request: it is for another key, network, site, method or path.",
        "Send the token only where it holds; avouch delegate check prints what it allows.";
    DelegationNotInForce, "delegation-not-in-force", "The delegation token does not count yet, or no longer.",
        "Have the domain issue another.";
    DelegationInvalid, "delegation-invalid", "No key that the domain publishes at _saip signed the delegation token.",
        "Issue the token with a key that stands at the domain's _saip name.";
    CertificateInvalid, "certificate-invalid", "No published key made the rolling certificate for this key and request.",
        "Certify the rolling key with the published master key, over the request as it is sent.";
    SignatureInvalid, "signature-invalid", "The signature does not hold for this request.",
        "Sign the request as it is sent: method, path, authority and body unchanged on the way.";
    BodyMismatch, "body-mismatch", "The content is not the content that was signed.",
        "Sign the digest of the content as it is sent.";
    Replayed, "replayed", "A request with this key, nonce and time was accepted before.",
        "Make a fresh nonce for each request, and do not retry with the same header.";
    SequenceBehind, "sequence-behind", "The sequence number was used or passed before, or lies below the beginning that was agreed.",
        "Count every request of an instance, and send them in order; an agent that lost its count agrees on another beginning with its registration entity.";
    SequenceAhead, "sequence-ahead", "The sequence number lies further ahead of the last one than this site accepts.",
        "Go on from SAIP-Next-Seq of the last answer; an agent that lost its count agrees on another beginning with its registration entity.";
    NotConfirmed, "not-confirmed", "DNS and the domain's records do not connect the client's address with the claimed domain.",
        "Sign the request, or have the domain name this network in its _saip record.";
    CrawlerNotConfirmed, "crawler-not-confirmed", "The user agent names a crawler, and the address is not one of its operator's.",
        "Use a user agent of your own.";
    CrawlerNotCheckable, "crawler-not-checkable", "The crawler's operator publishes address ranges instead of names in DNS, and this verifier has none of them.",
        "Sign the request, or use a user agent of your own; the site's operator loads the crawler's ranges.";
    RangesStale, "ranges-stale", "This verifier received the crawler's address ranges too long ago to judge by them.",
        "Try again later; the site's operator fetches the crawler's ranges anew.";
    AsnUnknown, "asn-unknown", "The claimed domain's record names autonomous systems, and this verifier does not know the one of the client's address.",
        "Sign the request, or name the network by ip; the site's operator loads a current table of autonomous systems.";
    ClaimsConflict, "claims-conflict", "The request claims two different domains.",
        "Make one claim; a user agent that names a crawler is one.";
    TransportMismatch, "transport-mismatch", "What TLS showed contradicts the claim: the site that was asked for, or the names in the client's certificate.",
        "Ask for the site by its own name, and present a certificate of the claimed domain, or none.";

    DnsTimeout, "dns-timeout", "DNS did not answer in time, so the claim could not be checked.",
        "Try again; if it lasts, the domain's name servers or the verifier's resolvers are out of reach.";
    DnsFailure, "dns-failure", "A name server failed, so the claim could not be checked.",
        "Try again; if it lasts, mend the domain's name servers.";
    DnsUnreachable, "dns-unreachable", "No name server could be reached, so the claim could not be checked.",
        "Try again; the operator checks the resolvers in the configuration.";
    LookupBudget, "lookup-budget", "This client has caused too many look-ups for now.",
        "Try again later; keys already known cost no look-up.";
    DnssecBogus, "dnssec-bogus", "The domain's DNS answer failed DNSSEC validation.",
        "Mend the zone's signatures; avouch dns check says where the chain breaks.";
    DnssecIndeterminate, "dnssec-indeterminate", "DNSSEC validation could reach no conclusion.",
        "Mend the delegation between the zone and its parent.";
    DirectoryUnreachable, "directory-unreachable", "The domain's key directory could not be fetched, and its record does not list the key.",
        "Try again; the domain's operator checks the directory, or publishes the key at _saip as well.";
    DirectoryUnusable, "directory-unusable", "What the domain serves as its key directory is none.",
        "Serve a JWK Set with status 200, of at most 256 KiB and 100 keys.";
    EntityUnreachable, "entity-unreachable", "The registration entity did not give its answer, so the claim could not be checked.",
        "Try again; the operator of the entity checks it.";
    EntityUnusable, "entity-unusable", "What the registration entity answered is no answer to what it was asked.",
        "The operators of the site and of the entity compare their versions, and the names in both configurations.";
    AnswerExpired, "answer-expired", "The DNS answer's time to live ran out before it could be used.",
        "Publish the record with a TTL of a minute or more; 0 can never be used.";
    NotLookedUp, "not-looked-up", "Evidence the claim needs was not gathered.",
        "This is a defect of the verifier; report it.";
    PeerIsUntrustedProxy, "peer-is-untrusted-proxy", "The request came through a proxy that does not say, or is not trusted to say, who the client is, so its address is not known.",
        "List the proxy in trusted_proxies, and have it name the client.";
    ReplayShareFull, "replay-share-full", "The domain's share of the replay table is full, so the request could not be accepted.",
        "Try again later, more slowly; the operator may enlarge the table.";
    ReplayTableFull, "replay-table-full", "The replay table is full, so the request could not be accepted.",
        "Try again later; the operator may enlarge the table.";
    SequenceTableFull, "sequence-table-full", "The table of sequence numbers is full, or the domain's part of it, so the request could not be accepted.",
        "Try again later, and use fewer instances.";
    ReplayStartRule, "replay-start-rule", "The verifier has just started and cannot know whether it saw this request before.",
        "Try again in half a minute, freshly signed.";
    ReplayStoreUnreachable, "replay-store-unreachable", "The replay store could not be written, so the request could not be accepted.",
        "Try again later; the operator checks the store.";
    RevocationChanged, "revocation-changed", "A revocation arrived while the request was judged.",
        "Try again.";

    ByPolicy, "by-policy", "The site's policy decides so for requests of this kind.",
        "Ask the site's operator.";
    ClassRequired, "class-required", "This part of the site asks for proof of who sends the request.",
        "Sign the request.";
    NonceRequired, "nonce-required", "This part of the site takes each signed request once, and the signature has no nonce.",
        "Sign a nonce, made anew for each request.";
    RateLimited, "rate-limited", "Too many requests for now.",
        "Wait as long as Retry-After says.";
    Overloaded, "overloaded", "The site has more to do than it can; requests with less standing wait first.",
        "Try again later.";
    RequestMalformed, "request-malformed", "The request is not one this site can read without doubt.",
        "Send one Host that agrees with the target, and a target without stray octets.";
    UpstreamUnreachable, "upstream-unreachable", "The site behind the gateway could not be reached.",
        "Try again later.";
    UpstreamTimeout, "upstream-timeout", "The site behind the gateway did not answer in time.",
        "Try again later.";
}

impl Reason {
    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// Whether it says that a proof holds.
    #[must_use]
    pub(crate) const fn says_proved(self) -> bool {
        matches!(
            self,
            Self::SignatureVerified
                | Self::DirectoryVerified
                | Self::RegisteredVerified
                | Self::DelegationVerified
                | Self::RegistryVerified
        )
    }

    /// The URL of the reason's documentation.
    #[must_use]
    pub fn documentation(self) -> String {
        format!("{DOCUMENTATION}{}", self.code())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_read_back() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().all(|reason| Reason::parse(reason.code()) == Some(*reason)));
        assert_eq!(Reason::parse("fine"), None);
    }

    #[test]
    fn every_reason_is_a_heading_of_its_documentation_and_no_other_is() {
        let page = include_str!("../../../docs/formats/reasons.md");
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(headings, codes);
        for reason in Reason::ALL {
            let entry = format!("### {reason}\n\n{}\n", reason.sentence());
            let mend = format!("- mend: {}\n", reason.fix());
            assert!(page.contains(&entry) && page.contains(&mend), "{reason} in docs/formats/reasons.md");
        }
    }

    #[test]
    fn every_reason_has_a_sentence_and_a_way_to_mend_it() {
        for reason in Reason::ALL {
            assert!(reason.sentence().ends_with('.') && reason.fix().ends_with('.'), "{reason}");
        }
    }
}
