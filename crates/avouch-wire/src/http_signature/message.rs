//! What a signature is checked against.

/// A message as it was received, its parts ready to be covered.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What a request asks for, or a response answers with.
    pub start: Start<'a>,
    /// Its fields, in order: name (any case) and value.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// Its trailers, where they were read.
    pub trailers: &'a [(&'a str, &'a [u8])],
    /// The request that a response answers.
    pub request: Option<&'a Message<'a>>,
}

/// The first line of a message, or what stands for it in HTTP/2.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// A request.
    Request {
        /// The method as sent.
        method: &'a str,
        /// `http` or `https`.
        scheme: &'a str,
        /// The authority in its normal form: lower case, without the default port.
        authority: &'a str,
        /// The path with its query as sent; `*` as is, empty for CONNECT.
        path: &'a str,
        /// The request target as sent (RFC 9112 section 3.2).
        target: &'a str,
    },
    /// A response.
    Response {
        /// The status code.
        status: u16,
    },
}

impl<'a> Message<'a> {
    /// The values of a field or trailer, without the blanks around them.
    pub(super) fn values(&self, name: &str, trailer: bool) -> impl Iterator<Item = &'a [u8]> {
        let fields = if trailer { self.trailers } else { self.fields };
        fields
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_ascii())
    }
}
