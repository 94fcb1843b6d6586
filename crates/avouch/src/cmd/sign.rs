//! `avouch sign`: a signed request, to be sent by another program.

use super::signing::{SignedRequest, Signing};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use clap::Args;
use serde_json::json;

/// Sign a request, and print its header for another program to send
///
/// By SAIP, by Web Bot Auth, or by both at once. A SAIP signature is good for one request within
/// five minutes, and covers that there is no body where there is none.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch sign --key file:crawler.key --dom acme.example --id crawler-7 https://www.shop.example/
  avouch sign --key tpm:crawler.key --dom acme.example --id crawler-7 https://www.shop.example/
  avouch sign … https://www.shop.example/ | curl -H @- https://www.shop.example/
  avouch sign --raw … https://www.shop.example/ | avouch verify --zone acme.zone -
  avouch sign --profile web-bot-auth-a --key file:bot.key --dom bot.example https://www.shop.example/")]
pub(crate) struct Sign {
    /// Print the whole HTTP/1.1 request instead of the header lines
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    signing: Signing,
}

impl Sign {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let request = self.signing.sign()?;
        if self.raw {
            output::octets(&raw(&request))?;
        } else if self.json {
            let fields: Vec<_> =
                request.fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            output::json(&json!({ "method": request.method, "path": request.path,
                "authority": request.authority.as_str(), "fields": fields }))?;
        } else {
            for (name, value) in &request.fields {
                output::data(format_args!("{name}: {value}"))?;
            }
        }
        Ok(Exit::Positive)
    }
}

/// The request as it goes over the wire (RFC 9112 section 2.1).
fn raw(request: &SignedRequest) -> Vec<u8> {
    let mut message = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in request.all_fields() {
        message.extend([&*name, ": ", &*value, "\r\n"]);
    }
    message.push_str("\r\n");
    [message.as_bytes(), request.body.as_deref().unwrap_or_default()].concat()
}
