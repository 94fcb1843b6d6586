//! The mail that carries a report.

use super::{Head, Mailbox};
use crate::time::Time;
use data_encoding::BASE64_MIME;
use mail_parser::{MessageParser, MimeHeaders as _};
use thiserror::Error;

/// The media type of the attachment (the suffix is of RFC 8460 section 6.4).
pub const ATTACHMENT_TYPE: &str = "application/vnd.avouch.saip-report+gzip";

/// The longest mail that is read: the largest report, written in base64, and what mail servers add.
pub const MAX_MAIL: usize = 8 << 20;

/// Why a mail holds no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MailError {
    /// Too large.
    #[error("has more than {MAX_MAIL} octets, more than any mail with a report")]
    TooLong,
    /// Neither a report nor a mail.
    #[error("is no report: neither JSON, nor gzip, nor a mail")]
    NoMail,
    /// No part of the mail is a report.
    #[error("is a mail, and no attachment of it is a report; name the one that holds it")]
    NoReport,
}

/// The report in a mail: the first part whose type or file name says that it is one.
pub(super) fn attachment(mail: &[u8]) -> Result<Vec<u8>, MailError> {
    if mail.len() > MAX_MAIL {
        return Err(MailError::TooLong);
    }
    let message = MessageParser::new().with_mime_headers().parse(mail).ok_or(MailError::NoMail)?;
    let is_report = |part: &&mail_parser::MessagePart<'_>| {
        let subtype = part.content_type().and_then(|kind| kind.subtype()).unwrap_or_default();
        let by_type = subtype.to_ascii_lowercase().starts_with("vnd.avouch.saip-report+");
        let by_name =
            |name: &str| name.contains('!') && (name.ends_with(".json.gz") || name.ends_with(".json"));
        by_type || part.attachment_name().is_some_and(by_name)
    };
    let found = message.parts.iter().find(is_report).ok_or(MailError::NoReport)?;
    Ok(found.contents().to_vec())
}

/// A mail with a packed report, whole: header fields, a sentence for whoever opens it, the attachment.
#[must_use]
pub fn mail(head: &Head, packed: &[u8], to: &Mailbox, now: Time) -> Vec<u8> {
    let (domain, sender, id) = (&head.domain, head.contact.domain(), &head.id);
    let boundary = format!("=_avouch-{id}");
    let file = head.file_name();
    let attached = BASE64_MIME.encode(packed);
    format!(
        "From: {from}\r\n\
         To: {to}\r\n\
         Date: {date}\r\n\
         Message-ID: <{id}@{sender}>\r\n\
         Subject: Report Domain: {domain}\r\n Submitter: {sender}\r\n Report-ID: {id}\r\n\
         SAIP-Report-Domain: {domain}\r\n\
         SAIP-Report-Submitter: {sender}\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         This is an aggregate report about requests that claimed to come from\r\n\
         {domain}\r\n\
         between {begin} and {end}.\r\n\
         \r\n\
         \"avouch report read\" shows it, given the attachment or this mail as a file.\r\n\
         You get it because of the rua in the record at _saip.{domain};\r\n\
         remove that to get no more.\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: {ATTACHMENT_TYPE}\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n filename=\"{file}\"\r\n\
         \r\n\
         {attached}\
         --{boundary}--\r\n",
        from = head.contact,
        date = date(now),
        begin = head.begin,
        end = head.end,
    )
    .into_bytes()
}

/// A moment as mail writes it (RFC 5322 section 3.3).
fn date(moment: Time) -> String {
    let seconds = i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
