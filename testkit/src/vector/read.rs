//! A vector file, read strictly.

use super::passes::Passes;
use super::sign::Signing;
use super::{Case, Expect, Outcome, Vector};
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};
use avouch_wire::time::Time;
use std::net::IpAddr;

/// What a file describes before changes are applied: the request is still text to be edited.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) now: u64,
    zones: Vec<String>,
    authorities: Vec<String>,
    draft: bool,
    peer: IpAddr,
    unlisted_proxy: bool,
    sni: Option<String>,
    certificate_names: Vec<String>,
    asn: Option<String>,
    ranges: Vec<(String, String)>,
    directories: Vec<(String, String)>,
    passes: Option<Passes>,
    registered: Option<String>,
    received: Option<u64>,
    delegation: Option<String>,
    pub(super) request: String,
    pub(super) body: String,
}

pub(super) fn vector(name: &str, file: &str) -> Result<Vector, Problems> {
    let reader = Reader::new(name, file);
    let mut root = reader.root();
    let about = root.required("about", text);
    let _section = root.required("section", text);
    let scene = scene(&mut root);
    let expect = root.sub("expect").and_then(expect);
    let mut changed = |key| changes(name, scene.as_ref(), &mut root, key);
    let (variants, near_misses) = (changed("variant"), changed("near_miss"));
    root.sub("signed").and_then(Signing::read);
    root.finish();
    let built = || {
        let base = scene.as_ref()?.case(name.to_owned(), expect?);
        Some(Vector {
            name: name.to_owned(),
            about: about?,
            base,
            variants: variants?,
            near_misses: near_misses?,
        })
    };
    reader.into_result(built())
}

pub(super) fn scene(table: &mut Table<'_>) -> Option<Scene> {
    let now = table.required("now", |value| value.number(0..=u64::MAX));
    let zones = table.list("zones", text).unwrap_or_default();
    let authorities = table.list("authorities", text);
    let draft = table.optional("draft", Value::switch).unwrap_or_default();
    let peer = table.optional("peer", Value::address).unwrap_or([203, 0, 113, 9].into());
    let unlisted_proxy = table.optional("unlisted_proxy", Value::switch).unwrap_or_default();
    let sni = table.optional("sni", text);
    let certificate_names = table.list("certificate_names", text).unwrap_or_default();
    let (asn, ranges) = (table.optional("asn", text), table.list("ranges", of_crawler).unwrap_or_default());
    let directories = table.list("directories", of_url).unwrap_or_default();
    let passes = passes(table);
    let registered = table.optional("registered", text);
    let received = table.optional("received", |value| value.number(0..=u64::MAX));
    let delegation = table.optional("delegation", text);
    let request = table.required("request", text);
    let body = table.optional("body", any_text).unwrap_or_default();
    let authorities = authorities.unwrap_or_else(|| vec!["www.shop.example".to_owned()]);
    let (now, request) = (now?, request?);
    Some(Scene {
        now,
        zones,
        authorities,
        draft,
        peer,
        unlisted_proxy,
        sni,
        certificate_names,
        asn,
        ranges,
        directories,
        passes,
        registered,
        received,
        delegation,
        request,
        body,
    })
}

/// An empty delegation stands for none, as does its absence.
fn passes(table: &mut Table<'_>) -> Option<Passes> {
    let trust = table.optional("pass_trust", |value| value.number(0..=2)).unwrap_or(2);
    let delegation = table.optional("pass_delegation", text);
    delegation.map(|delegation| Passes { trust, delegation })
}

impl Scene {
    fn case(&self, name: String, expect: Expect) -> Case {
        Case {
            name,
            now: Time::from_seconds(self.now),
            zones: self.zones.clone(),
            authorities: self.authorities.clone(),
            draft: self.draft,
            peer: self.peer,
            unlisted_proxy: self.unlisted_proxy,
            sni: self.sni.clone(),
            certificate_names: self.certificate_names.clone(),
            asn: self.asn.clone(),
            ranges: self.ranges.clone(),
            directories: self.directories.clone(),
            passes: self.passes.clone(),
            registered: self.registered.clone(),
            received: Time::from_seconds(self.received.unwrap_or(self.now)),
            message: [self.head().as_bytes(), self.body.as_bytes()].concat(),
            expect,
        }
    }

    fn head(&self) -> String {
        match &self.delegation {
            Some(token) => message_head(&format!("{}\nSAIP-Delegation: {token}", self.request.trim_end())),
            None => message_head(&self.request),
        }
    }

    /// The scene with what a variant or near miss says differently.
    pub(super) fn change(&mut self, table: &mut Table<'_>) {
        let number = |value: Value<'_>| value.number(0..=u64::MAX);
        replace(&mut self.now, table.optional("now", number));
        replace(&mut self.zones, table.list("zones", text));
        replace(&mut self.authorities, table.list("authorities", text));
        replace(&mut self.draft, table.optional("draft", Value::switch));
        replace(&mut self.peer, table.optional("peer", Value::address));
        replace(&mut self.unlisted_proxy, table.optional("unlisted_proxy", Value::switch));
        // An empty name stands for none.
        let mut name =
            |key| table.optional(key, any_text).map(|name| Some(name).filter(|name| !name.is_empty()));
        replace(&mut self.sni, name("sni"));
        replace(&mut self.asn, name("asn"));
        replace(&mut self.registered, name("registered"));
        replace(&mut self.certificate_names, table.list("certificate_names", text));
        replace(&mut self.ranges, table.list("ranges", of_crawler));
        replace(&mut self.directories, table.list("directories", of_url));
        self.passes = passes(table).or_else(|| self.passes.take());
        self.received = table.optional("received", number).or(self.received);
        // An empty one stands for none.
        let delegation = table.optional("delegation", any_text);
        replace(&mut self.delegation, delegation.map(|token| Some(token).filter(|token| !token.is_empty())));
        replace(&mut self.body, table.optional("body", any_text));
        replace(&mut self.request, table.optional("request", text));
        let saip = table.optional("saip", text);
        saip.into_iter().for_each(|saip| self.request = with_saip(&self.request, &saip));
        for mut edit in table.tables("edit") {
            let (from, to) = (edit.required("from", text), edit.required("to", any_text));
            let Some((from, to)) = from.zip(to) else { continue };
            if self.request.matches(&from).count() != 1 {
                edit.complain("from", Fault::new("does not stand exactly once in the request", "quote more"));
            }
            self.request = self.request.replace(&from, &to);
        }
    }
}

/// The request with another value in its SAIP field.
fn with_saip(request: &str, saip: &str) -> String {
    let mut lines = Vec::new();
    let mut within = false;
    for line in request.lines() {
        within = line.starts_with("SAIP:") || (within && line.starts_with(' '));
        if line.starts_with("SAIP:") {
            lines.push(format!("SAIP: {saip}"));
        } else if !within {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

fn changes(name: &str, scene: Option<&Scene>, root: &mut Table<'_>, key: &'static str) -> Option<Vec<Case>> {
    let change = |mut table: Table<'_>| {
        let mut scene = scene?.clone();
        scene.change(&mut table);
        table.sub("signed").and_then(Signing::read);
        let what = table.required("name", text);
        let expect = table.sub("expect").and_then(expect);
        Some(scene.case(format!("{name}: {}", what?), expect?))
    };
    root.tables(key).into_iter().map(change).collect()
}

fn expect(mut table: Table<'_>) -> Option<Expect> {
    if table.optional("refused", Value::switch) == Some(true) {
        return Some(Expect::Refused);
    }
    let class = table.required("class", |value| value.number(0..=3));
    let standing = table.required("standing", text);
    let mut optional = |key| table.optional(key, text);
    let [identity, instance, claimed, via, pseudonym, cause, mechanism] =
        ["identity", "instance", "claimed", "via", "pseudonym", "cause", "mechanism"].map(&mut optional);
    let reasons = table.list("reasons", text).unwrap_or_default();
    let not_checked = table.list("not_checked", text).unwrap_or_default();
    let decision = table.required("decision", text);
    Some(Expect::Judged(Box::new(Outcome {
        class: u8::try_from(class?).ok()?,
        standing: standing?,
        identity,
        instance,
        claimed,
        mechanism: mechanism.unwrap_or_else(|| "none".to_owned()),
        via,
        pseudonym,
        cause,
        reasons,
        not_checked,
        decision: decision?,
    })))
}

/// The head as octets: a line that begins with blanks goes on where the one before ended, after
/// one blank; lines end in CR LF; an empty line ends it.
pub(super) fn message_head(text: &str) -> String {
    let mut head = String::new();
    for line in text.lines() {
        let unfolded = line.trim_start();
        if unfolded.len() < line.len() {
            head.truncate(head.trim_end().len());
            head.push(' ');
        }
        head.push_str(unfolded);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

fn replace<T>(slot: &mut T, by: Option<T>) {
    by.into_iter().for_each(|by| *slot = by);
}

pub(super) fn text(value: Value<'_>) -> Result<String, Fault> {
    value.text().map(str::to_owned)
}

/// A crawler and the file of its ranges: `GPTBot=gptbot.json`.
fn of_crawler(value: Value<'_>) -> Result<(String, String), Fault> {
    value.convert("CRAWLER=FILE", "write \"GPTBot=gptbot.json\"", |text| {
        text.split_once('=').map(|(crawler, file)| (crawler.to_owned(), file.to_owned()))
    })
}

/// A URL and the file that stands there: `https://bot.example=bot.json`.
fn of_url(value: Value<'_>) -> Result<(String, String), Fault> {
    value.convert("URL=FILE", "write \"https://bot.example=bot.json\"", |text| {
        text.rsplit_once('=').map(|(url, file)| (url.to_owned(), file.to_owned()))
    })
}

/// A string that may be empty: what an edit leaves out.
fn any_text(value: Value<'_>) -> Result<String, Fault> {
    Ok(value.text().unwrap_or_default().to_owned())
}
