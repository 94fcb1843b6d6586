//! `[attestation]`: whose TPMs count, and what their registers have to hold.

use std::fmt;
use std::path::{Path, PathBuf};

use avouch_wire::enrolment::REGISTERS;
use avouch_wire::settings::{Fault, Table, Value};

use super::{file, path};

/// Whose TPMs count. By default nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attestation {
    /// Files of certificates of makers.
    pub roots: Vec<PathBuf>,
    /// Files of certificates between makers and TPMs.
    pub intermediates: Vec<PathBuf>,
    /// Whether a TPM counts whose maker is not known: then the key may be in a program.
    pub allow_unknown_ek: bool,
    /// What registers have to hold, SHA-256, by number.
    pub registers: Vec<(u8, [u8; 32])>,
}

impl Attestation {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let read = Self {
            roots: table.list("roots", path).unwrap_or_default(),
            intermediates: table.list("intermediates", path).unwrap_or_default(),
            allow_unknown_ek: table.optional("allow_unknown_ek", |value| value.switch()).unwrap_or_default(),
            registers: table.list("registers", register).unwrap_or_default(),
        };
        if !table.has("roots") && !table.has("allow_unknown_ek") {
            let fix =
                "name files with the certificates of makers of TPMs, or write `allow_unknown_ek = true`";
            table.complain("roots", Fault::new("is missing, and so no TPM counts", fix));
        }
        let mut numbers: Vec<u8> = read.registers.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            table.complain("registers", Fault::new("names a register twice", "write each register once"));
        }
        read
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in self.roots.iter_mut().chain(&mut self.intermediates) {
            *path = folder.join(&path);
        }
    }
}

/// `7=` and 64 hexadecimal digits, as `tpm2_pcrread sha256:7` shows them.
fn register(value: Value<'_>) -> Result<(u8, [u8; 32]), Fault> {
    let fix =
        "write a number from 0 to 23, `=` and the 64 hexadecimal digits that `tpm2_pcrread sha256:7` shows";
    value.convert("what a register has to hold", fix, |text| {
        let (number, digits) = text.split_once('=')?;
        let number = number.trim().parse().ok().filter(|number| *number < REGISTERS)?;
        let digits = digits.trim();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(digits);
        let mut value = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (octet, pair) in value.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some((number, value))
    })
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[attestation]")?;
        for (name, files) in [("roots", &self.roots), ("intermediates", &self.intermediates)] {
            let files: Vec<String> = files.iter().map(|path| file(path).to_string()).collect();
            writeln!(f, "{name} = [{}]", files.join(", "))?;
        }
        writeln!(f, "allow_unknown_ek = {}", self.allow_unknown_ek)?;
        let shown = |(number, value): &(u8, [u8; 32])| {
            let digits: String = value.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("\"{number}={digits}\"")
        };
        let registers: Vec<String> = self.registers.iter().map(shown).collect();
        writeln!(f, "registers = [{}]", registers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::LEAST;
    use super::super::{Config, Problems};

    fn parse(more: &str) -> Result<Config, Problems> {
        Config::parse("f", &format!("{LEAST}{more}"))
    }

    #[test]
    fn what_is_written_is_read_and_shown_alike() {
        let more = format!(
            "[attestation]\nroots = ['a.pem']\nintermediates = ['b']\nregisters = ['7=0xAB{}']",
            "0".repeat(62)
        );
        let read = parse(&more).unwrap();
        let attestation = read.attestation.clone().unwrap();
        let value: [u8; 32] = std::array::from_fn(|at| if at == 0 { 0xab } else { 0 });
        assert_eq!(attestation.registers, [(7, value)]);
        assert_eq!((attestation.roots, attestation.allow_unknown_ek), (vec!["a.pem".into()], false));
        assert_eq!(Config::parse("f", &read.to_string()).unwrap(), read);
        assert!(
            parse("[attestation]\nallow_unknown_ek = true").unwrap().attestation.unwrap().allow_unknown_ek
        );
        assert_eq!(parse("").unwrap().attestation, None);
    }

    #[test]
    fn each_mistake_is_told_with_what_to_write() {
        let zeros = "0".repeat(64);
        for (more, said) in [
            ("[attestation]".to_owned(), "`attestation.roots` is missing"),
            ("[attestation]\nroots = ['']".to_owned(), "`attestation.roots`"),
            ("[attestation]\nallow_unknown_ek = 1".to_owned(), "`attestation.allow_unknown_ek`"),
            (format!("[attestation]\nroots = ['a']\nregisters = ['24={zeros}']"), "`attestation.registers`"),
            (
                format!("[attestation]\nroots = ['a']\nregisters = ['7={}']", "0".repeat(63)),
                "`attestation.registers`",
            ),
            (
                format!("[attestation]\nroots = ['a']\nregisters = ['7={}é']", "0".repeat(62)),
                "`attestation.registers`",
            ),
            (format!("[attestation]\nroots = ['a']\nregisters = ['7={zeros}', '7={zeros}']"), "twice"),
            ("[attestation]\nroots = ['a']\nroot = 'b'".to_owned(), "unknown key"),
        ] {
            let problems = parse(&more).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.contains("fix: "), "{more}: {problems}");
        }
    }
}
