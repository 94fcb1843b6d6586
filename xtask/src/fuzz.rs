//! Fuzzing: every target of `fuzz/` for some seconds, from seeds taken out of the vectors.
//!
//! libFuzzer needs to see which branches an input takes. The stable compiler can tell it, by passes
//! that cargo would give to every dependency, or to none. So for this build xtask is also the wrapper
//! that cargo calls instead of the compiler, and adds them to what is ours.

use crate::cargo;
use crate::finding::Finding;
use crate::house::{self, Workspace};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

/// Seconds each target runs in the gate: enough to meet a parser that panics on short input.
const SECONDS: u32 = 10;

/// Targets that run at the same time. The smallest machine that builds this has two cores.
const AT_ONCE: usize = 2;

/// The longest input, in octets; the longest that one of the parsers takes apart.
const LONGEST: usize = 4096;

/// Seconds after which one input counts as an endless loop.
const PATIENCE: u32 = 10;

/// What a configuration, a policy, a PROXY header, the list of a backup, tables of networks and lines of a log look like; no
/// vector holds one.
const CONFIGURATION: &str =
    "listen = ['127.0.0.1:0']\nupstream = 'http://127.0.0.1:1'\n[[route]]\npath = '/*'\n";
const POLICY: &str = "[[rule]]\nname = 'a'\nwhen = { class = 3, identity = ['*.b.example'], path = ['/c/*'] }\n\
    then = { action = 'accept', rate = '9/s' }\n";
const REPORT: &str = r#"{"version":1,"report_id":"a","organization":"b","contact":"a@b.example",
"domain":"c.example","begin":"2026-11-25T00:00:00Z","end":"2026-11-26T00:00:00Z",
"record":{"dnssec":"secure","texts":["v=saip1"]},"unlisted":0,"rows":[{"requests":1,"class":3,
"standing":"verified","mechanism":"saip-rolling","reason":"signature-verified","agent":"d","network":"192.0.2.0/24"}]}"#;
const BACKUP: &str = r#"{"format":"avouch-backup-1","made":1795219500,"files":[{"path":"/etc/a","mode":"0644",
"owner":"root","group":"root","octets":0,"sha256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}],
"left_out":[{"path":"/b","why":"used-nonces"}]}"#;
const RANGES: &str = "{\"creationTime\":\"2026-01-01T00:00:00.000001\",\"prefixes\":[{\"ipv4Prefix\":\"192.0.2.0/24\"},\
    {\"ipv6Prefix\":\"2001:db8::/32\",\"scope\":[]}]}";
const ASN: &str = "192.0.2.0\t192.0.2.255\t64500\tZZ\tA\n192.0.2.0/25,64501,B\n2001:db8::/32,64500\n";
const CHALLENGE: &str = "PrivateToken challenge=\"AAIADmlzc3Vlci5leGFtcGxlIIo-g6M9mABdLzC-9Bn6a_TNXGAF42sShbu0zNQPpLODAA5vcmlnaW4uZXhhbXBsZQ==\", max-age=\"10\"";
/// Areas, statements and a signature of a TPM, in base64url.
const ATTESTATIONS: [&str; 5] = [
    "ACMACwAEBHIAAAAQABgACwADABAAII74A31BhrFyDkaLwne-ztnqGQNAp_9pOJ7TFOAgOjvfACA5uz4PBUb04YC3gXsfgYxE9SUgRfhRxl_C2cbEXY6bCQ",
    "ACMACwAFBHIAAAAQABgACwADABAAINTqeeM4rp_N2uAn-6EIqpI2GhHEFmy0f3QLkc1qjH81ACASSCScbIs5H_lrwbiu6Y9rhMUaQQ-NoJ14Y6CfGLQHlQ",
    "_1RDR4AXACIACxKzpgU7w0uTqtfCRAvWIAa9K5mDL2n1fCThv0mqZbdyACC-rmHv33LzVpr0Sw2kxFks6_NoSYONhbL0vIinVHiDuwAAAAAAAABQAAAAAQAAAAABIBkQIwAWNjYAIgALjXWYmuD7VGrVboVYaFpG50ya1csACoEK9QbxjQ0a6VAAIgALrh2gcKiMlslo18lwxtOMjKNJ2gY2wGaNSMVW3YH3WPw",
    "_1RDR4AYACIACxKzpgU7w0uTqtfCRAvWIAa9K5mDL2n1fCThv0mqZbdyACC-rmHv33LzVpr0Sw2kxFks6_NoSYONhbL0vIinVHiDuwAAAAAAAABuAAAAAQAAAAABIBkQIwAWNjYAAAABAAsDgQAAACD1pf1C0WogMCeY727TCZebQwA9IyDZ8OjqmDGpJ1n7Sw",
    "ABgACwAgYpYkXDapC85xGW7LyXEm6h2zFB-bc0gNoewGEisE-dsAIIexsCp_IgTW0ZAaGZsP2yTjZM5Xpd-wQ3ozlpsqjfgj",
];
const TPM_KEY: &str = "-----BEGIN TSS2 PRIVATE KEY-----\n\
    MIHyBgZngQUKAQOgAwEB/wIEQAAAAQRaAFgAIwALAAQEcgAAABAAGAALAAMAEAAg\n\
    egAR+dvksDsD3qvgQTiXsP7NXoY4hdn3qyugJ7WJkssAIBUCDLpwNX62xkpD9Eo4\n\
    sAyhvgIe/8MhuI1+iAHfhJLBBIGAAH4AIHGxhJ5pff5rCfq7A/XKS5nRJESo3V4U\n\
    8/+v/HQy/6kZABDgxEyceQD4iZKgaz95KxZ9mB+U3DRvatlf0JZM5XStkd4caRDo\n\
    jB84lUgMZLINnr2iQNgy/rPMiDRaOl7dQdZ9YVPWb0wdEC8m8awcqCa1V7mm01cj\n\
    gS0OIgA=\n\
    -----END TSS2 PRIVATE KEY-----\n";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PASSKEY: &str = "{\"type\":\"webauthn.get\",\"challenge\":\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\",\"origin\":\"http://localhost:9180\",\"crossOrigin\":false}\n\
    IHAVE32OCTETSIHAVE32OCTETSIHAVE3\x05\0\0\0\x01\n\x30\x06\x02\x01\x01\x02\x01\x02";
const ENTITY: [&str; 6] = [
    "{\"re\":\"re.example\",\"aud\":\"a.example\",\"time\":1,\"nonce\":\"0123456789abcdef\",\"agents\":[{\"dom\":\"b.example\",\"id\":\"c\",\"epoch\":1}]}\n\
     {\"re\":\"re.example\",\"aud\":\"a.example\",\"until\":300,\"event\":1,\"agents\":[{\"dom\":\"b.example\",\"id\":\"c\",\"epoch\":1,\"standing\":\"registered\",\"keys\":[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"],\"floor\":0}]}",
    "{\"event\":2,\"kind\":\"revoked\",\"dom\":\"b.example\",\"id\":\"c\"}",
    "{\"event\":2,\"kind\":\"floor\",\"dom\":\"b.example\",\"id\":\"c\",\"floor\":4294967296}",
    "{\"re\":\"re.example\",\"dom\":\"b.example\",\"id\":\"c\",\"key\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\",\"token\":\"avouch-enrol-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"time\":1,\"nonce\":\"0123456789abcdef\"}",
    "{\"re\":\"re.example\",\"dom\":\"b.example\",\"id\":\"c\",\"secret\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"version\":1,\"epoch\":1,\"floor\":1}",
    "{\"number\":1,\"previous\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"act\":\"join\",\"host\":\"re.example\",\"time\":1,\"sig\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}\n",
];
const ENROLMENT: [&str; 3] = [
    r#"{"agent":"a.b","key":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY","token":"avouch-enrol-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","time":1,"proof":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
"tpm":{"endorsement_key":"AA","certificate":"AA","attestation_key":"AA"},"attestation":{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","hidden":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
"key":"AA","statement":"AA","signature":"AA","quote":{"values":[],"statement":"AA","signature":"AA"}}}"#,
    r#"{"agent":"a.b","key":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY","token":"avouch-enrol-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","time":1,"proof":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","tpm":{"endorsement_key":"AA","attestation_key":"AA"}}"#,
    r#"{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","object":"AA","secret":"AA","registers":[0,7]}"#,
];
const PROXY: &str = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c12 octets...";
const QUESTION: [&str; 2] = [
    "\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x06gptbot\x05_saip\x04acme\x07example\0\0\x10\0\x01\0\0\x29\x04\0\0\0\0\0\0\0",
    "\x12\x34\0\0\0\x01\0\0\0\0\0\0\x01x\x01*\x05_saip\x04acme\x07example\0\0\x2f\0\x01",
];
const SPOP: [&str; 3] = [
    "\x01\0\0\0\x01\0\0\x12supported-versions\x08\x032.0\x0emax-frame-size\x03\x7f\x0ccapabilities\x08\x0apipelining",
    "\x03\0\0\0\x01\x07\x02\x0eavouch-request\x03\x06method\x08\x03GET\x03tls\x11\x06fields\x09\x06\x01a\x01b\0\0",
    "\x67\0\0\0\x01\x07\x02\x01\x03\x02\x06status\x03\x64\x02\x02\x02\x04body",
];

const LOG: [&str; 2] = [
    r#"192.0.2.7 - a [21/Nov/2026:00:05:00 +0000] "GET /a HTTP/1.1" 200 1 "-" "\x47ooglebot/2.1""#,
    r#"{"ts":1795219500.5,"request":{"client_ip":"192.0.2.7","uri":"/a","headers":{"User-Agent":["Googlebot"]}}}"#,
];

const MANIFEST: &str = "fuzz/Cargo.toml";

/// Counts each edge, tells comparisons, and says where the counters are.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Builds every target and runs it.
pub(crate) fn run() -> Vec<Finding> {
    let (targets, folder) = match (Workspace::at(MANIFEST), Workspace::at("Cargo.toml")) {
        (Ok(fuzz), Ok(own)) => (fuzz.programs(), own.target_folder()),
        (Err(findings), _) | (_, Err(findings)) => return findings,
    };
    let findings = build(&folder);
    if !findings.is_empty() {
        return findings;
    }
    if let Err(error) = sow(&folder) {
        return vec![Finding::new("tests/vectors", format!("gave no seeds: {error}"), "mend the folder")];
    }
    let run = |target: &String| run_one(&folder, target);
    let share = targets.len().div_ceil(AT_ONCE).max(1);
    thread::scope(|scope| {
        let shares = targets
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().flat_map(run).collect::<Vec<_>>()));
        let running: Vec<_> = shares.collect();
        let died = || vec![Finding::new(MANIFEST, "a thread of xtask died", "report this as a defect")];
        running.into_iter().flat_map(|one| one.join().unwrap_or_else(|_| died())).collect()
    })
}

/// One target folder for both workspaces: what they share is built once.
fn build(folder: &Path) -> Vec<Finding> {
    // Not the path of the running program: building the workspace may have replaced it.
    let own = folder.join("debug").join("xtask");
    let folder = folder.display().to_string();
    let mut build =
        cargo::command("cargo", &["build", "--quiet", "--manifest-path", MANIFEST, "--target-dir", &folder]);
    build.env("RUSTC_WRAPPER", own);
    cargo::open(&mut build, "mend what does not compile")
}

fn run_one(folder: &Path, target: &str) -> Vec<Finding> {
    let corpus = folder.join("fuzz-corpus").join(target);
    let program = folder.join("debug").join(target).display().to_string();
    // What breaks a target is printed in base 64; no file is left behind.
    let words = [
        format!("-max_total_time={SECONDS}"),
        format!("-timeout={PATIENCE}"),
        format!("-max_len={LONGEST}"),
        "-verbosity=0".to_owned(),
        "-exact_artifact_path=/dev/null".to_owned(),
        corpus.display().to_string(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cargo::quiet(&mut cargo::command(&program, &words), "make a test of the input it prints, then mend")
}

/// Makes a first corpus for each target of what the vectors hold.
fn sow(folder: &Path) -> std::io::Result<()> {
    let vectors = house::root().join("tests/vectors");
    let (files, zones) = (texts(&vectors, "toml")?, texts(&vectors.join("zones"), "zone")?);
    let messages: Vec<_> = files.iter().filter_map(|text| message(text)).collect();
    let within = |before: &str, after: &str| -> Vec<String> {
        messages.iter().filter_map(|text| between(text, before, after)).collect()
    };
    let registered = vectors.join("registered");
    let keys = [texts(&registered, "pem")?, texts(&registered, "json")?].concat();
    let strings = zones.iter().flat_map(|zone| zone.split('"')).map(str::to_owned);
    let seeds = [
        ("header", within("SAIP: ", "\r\n")),
        ("base64url", within("sig=\"", "\"")),
        ("batch_proof", within("rproof=\"", "\"")),
        ("key", within("rpk=\"", "\"")),
        ("name", within("dom=\"", "\"")),
        ("authority", within("aud=\"", "\"")),
        ("target", within(" ", " ")),
        ("record", strings.filter(|text| text.starts_with("v=")).collect()),
        ("configuration", vec![CONFIGURATION.to_owned()]),
        ("policy", vec![POLICY.to_owned()]),
        ("proxy_protocol", vec![PROXY.to_owned()]),
        ("backup", vec![BACKUP.to_owned()]),
        ("own_zone", QUESTION.map(str::to_owned).to_vec()),
        ("spop", SPOP.map(str::to_owned).to_vec()),
        ("ranges", vec![RANGES.to_owned()]),
        ("report", vec![REPORT.to_owned(), mailed(REPORT)]),
        ("public_key", keys),
        ("asn", vec![ASN.to_owned()]),
        ("entity", ENTITY.map(str::to_owned).to_vec()),
        ("enrolment", ENROLMENT.map(str::to_owned).to_vec()),
        ("passkey", vec![PASSKEY.to_owned()]),
        ("access_log", LOG.map(str::to_owned).to_vec()),
        (
            "http_signature",
            within("Signature-Input: ", "\r\n").iter().map(|one| format!("{one}\n/a?b=c\nd")).collect(),
        ),
        ("delegation", files.iter().flat_map(|file| tokens(file)).collect()),
        ("privacy_pass", [within("Authorization: ", "\r\n"), vec![CHALLENGE.to_owned()]].concat()),
        ("trace_context", vec![TRACE.to_owned()]),
        ("tpm_key", vec![TPM_KEY.to_owned()]),
        ("attestation", ATTESTATIONS.map(str::to_owned).to_vec()),
        ("structured", within("Signature-Input: ", "\r\n")),
        ("capture", messages.clone()),
        ("settings", files),
        ("zone", zones),
    ];
    for (target, seeds) in seeds {
        let folder = folder.join("fuzz-corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

/// The delegation tokens of a vector.
fn tokens(vector: &str) -> Vec<String> {
    let values = vector.split("delegation = '").skip(1).filter_map(|rest| rest.split('\'').next());
    values.map(str::to_owned).collect()
}

/// A mail with this attached.
fn mailed(report: &str) -> String {
    let kind = "Content-Type: application/vnd.avouch.saip-report+json";
    format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{kind}\n\n{report}\n--x--\n")
}

/// The files of a folder with this ending.
fn texts(folder: &Path, ending: &str) -> std::io::Result<Vec<String>> {
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let files = files.filter(|file| file.extension().is_some_and(|found| found == ending));
    files.map(fs::read_to_string).collect()
}

/// The message of a vector, its long lines joined, as `tests/vectors/README.md` says.
fn message(vector: &str) -> Option<String> {
    let head = between(vector, "request = '''\n", "'''")?;
    Some(format!("{}\r\n\r\n", head.replace("\n  ", " ").replace('\n', "\r\n")))
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}

/// When cargo calls xtask instead of the compiler, with its path and arguments: calls the compiler.
/// `None` otherwise.
pub(crate) fn wrapped() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let compiler =
        words.next().filter(|word| Path::new(word).file_stem().is_some_and(|name| name == "rustc"))?;
    let words: Vec<OsString> = words.collect();
    let mut named = words.iter().skip_while(|word| *word != "--crate-name").skip(1);
    let ours = named.next().is_some_and(|name| name.to_string_lossy().starts_with("avouch_"));
    let mut compiler = Command::new(compiler);
    compiler.args(&words).args(COVERAGE.iter().filter(|_| ours));
    let code = compiler.status().ok().and_then(|status| status.code());
    Some(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
