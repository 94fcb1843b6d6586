//! The npm package, run by node.

use super::request::Sent;
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use testkit::peers::{npm_folder, require_npm};

/// The package at work, with a key of its own; it ends when dropped.
pub(in crate::interop) struct Npm {
    process: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Its public key, as a JWK.
    pub(in crate::interop) key: String,
}

impl Npm {
    /// Starts it where it is installed.
    #[track_caller]
    pub(in crate::interop) fn start() -> Option<Self> {
        let node = require_npm("web-bot-auth")?;
        let mut command = Command::new(node.path("node"));
        command.arg("partner.mjs").current_dir(npm_folder()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (tasks, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut own = Self { process, tasks, answers: BufReader::new(answers), key: String::new() };
        own.key = own.does(&json!({ "do": "key" }))["key"].to_string();
        Some(own)
    }

    fn does(&mut self, task: &Value) -> Value {
        writeln!(self.tasks, "{task}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Signs these components of a request: names, and their parameters where they have any.
    pub(in crate::interop) fn sign(&mut self, sent: Sent, covered: &Value) -> Sent {
        let answer = self.does(&json!({ "do": "sign", "message": message(&sent), "covered": covered }));
        with(sent, &answer)
    }

    /// Whether it takes a request, knowing these keys; or its words of refusal.
    pub(in crate::interop) fn verify(&mut self, sent: &Sent, keys: &[String]) -> Result<(), String> {
        heard(&self.does(&json!({ "do": "verify", "message": message(sent), "keys": parsed(keys) })))
    }

    /// Its fields of signature on a directory that stands at a URL.
    pub(in crate::interop) fn sign_directory(&mut self, url: &str) -> Value {
        let request = json!({ "method": "GET", "url": url, "headers": {} });
        self.does(&json!({ "do": "signDirectory", "request": request }))["fields"].clone()
    }

    /// Whether it takes the signature on a directory that stands at a URL.
    pub(in crate::interop) fn verify_directory(
        &mut self,
        url: &str,
        fields: &Value,
        keys: &[String],
    ) -> Result<(), String> {
        let request = json!({ "method": "GET", "url": url, "headers": {} });
        let response = json!({ "status": 200, "headers": fields });
        let task = json!({ "do": "verifyDirectory", "request": request, "response": response, "keys": parsed(keys) });
        heard(&self.does(&task))
    }
}

impl Drop for Npm {
    fn drop(&mut self) {
        // Where it has ended already, nothing is left to do.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn parsed(keys: &[String]) -> Vec<Value> {
    keys.iter().map(|key| serde_json::from_str(key).unwrap()).collect()
}

fn message(sent: &Sent) -> Value {
    let fields: Map<_, _> =
        sent.fields.iter().map(|(name, _)| (name.clone(), sent.field(name).into())).collect();
    json!({ "method": sent.method, "url": sent.url(), "headers": fields })
}

fn with(mut sent: Sent, answer: &Value) -> Sent {
    let fields = answer["fields"].as_object().unwrap_or_else(|| panic!("{answer}"));
    let field = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
    sent.fields.extend(fields.iter().map(field));
    sent
}

fn heard(answer: &Value) -> Result<(), String> {
    answer["refused"].as_str().map_or(Ok(()), |words| Err(words.to_owned()))
}
