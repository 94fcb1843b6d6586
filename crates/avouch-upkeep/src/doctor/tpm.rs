//! Whether keys can be kept in a TPM.

use avouch_keys::tpm::{Device, Facts, Tpm, TpmError};

use super::{About, Finding, PATIENCE};

/// The tiers of keys, as verdicts write them.
const CHIP: &str = "tpm";
const SOFTWARE: &str = "software";

/// What the models of TPMs begin with that are programs, as libtpms calls itself.
const PROGRAM: &str = "SW";

pub(super) async fn examine(named: Option<&Device>) -> Vec<Finding> {
    let device = named.cloned().unwrap_or_default();
    let asked = device.clone();
    // A chip takes its time.
    let asking = tokio::task::spawn_blocking(move || Tpm::patient(&asked, PATIENCE).examine());
    let told = asking.await.unwrap_or(Err(TpmError::NoAnswer));
    match told {
        Ok(facts) => judge(&device, &facts),
        Err(error) => vec![unusable(&device, named.is_some(), error)],
    }
}

fn unusable(device: &Device, is_wanted: bool, error: TpmError) -> Finding {
    let said = format!("the TPM ({device}) {error}");
    match error {
        // Nothing in a gateway needs one.
        TpmError::Missing | TpmError::NotPermitted if !is_wanted => {
            let why = if error == TpmError::Missing { "is not there" } else { "is closed to this user" };
            Finding::fine(
                About::Tpm,
                format!("the TPM ({device}) {why}: keys are kept in files (tier {SOFTWARE})"),
            )
        }
        error if error.may_pass() => Finding::unknown(About::Tpm, said, "look again in a minute"),
        _ => Finding::wrong(About::Tpm, said, "mend it, or keep keys in files: file:PATH"),
    }
}

fn judge(device: &Device, facts: &Facts) -> Vec<Finding> {
    let Facts { manufacturer, model, firmware, .. } = facts;
    let is_program = device.is_software() || model.starts_with(PROGRAM);
    let (tier, what) = match (device.is_software(), is_program) {
        (false, false) => (CHIP, ""),
        (false, true) => (CHIP, "; it is a program, of whoever runs this machine"),
        (true, _) => (SOFTWARE, "; it is a program, and keys in it are as safe as its memory and files"),
    };
    let name = format!("the TPM ({device}), {manufacturer} {model}, firmware {firmware},");
    let mut found = Vec::new();
    if !facts.signs {
        let said = format!("{name} knows no ECDSA with SHA-256 on P-256");
        found.push(Finding::wrong(About::Tpm, said, "keep keys in files: file:PATH"));
    } else if let Err(error) = facts.parent {
        let said = format!("{name} makes no storage key: it {error}");
        found.push(Finding::wrong(About::Tpm, said, "mend it, or keep keys in files: file:PATH"));
    } else {
        let said = format!("{name} holds keys: tpm:PATH makes one (tier {tier}{what})");
        found.push(Finding::fine(About::Tpm, said));
    }
    let (guesses, most) = (facts.guesses, facts.most_guesses);
    if facts.is_locked || (most > 0 && guesses >= most) {
        let said = format!("the TPM ({device}) is locked: {guesses} guesses at passwords failed");
        let fix = "wait for its recovery time, or run `tpm2_dictionarylockout --clear-lockout`; avouch's keys sign meanwhile";
        found.push(Finding::wrong(About::Tpm, said, fix));
    } else if guesses > 0 {
        let said = format!(
            "{guesses} of {most} guesses at passwords of the TPM ({device}) failed: somebody guesses"
        );
        found.push(Finding::wrong(About::Tpm, said, "find out who; at the last one it locks itself"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;
    use testkit::peers;
    use testkit::swtpm::{PROGRAMS, Swtpm};

    fn facts() -> Facts {
        Facts {
            manufacturer: "IFX".into(),
            model: "SLB9670".into(),
            firmware: "7.85.4555.0".into(),
            signs: true,
            parent: Ok(()),
            guesses: 0,
            most_guesses: 32,
            is_locked: false,
        }
    }

    fn judged(facts: &Facts) -> Vec<(Standing, String)> {
        let found = judge(&Device::default(), facts);
        found.into_iter().map(|finding| (finding.standing, finding.said)).collect()
    }

    #[test]
    fn a_chip_that_holds_keys_is_fine_and_named_with_its_tier() {
        let found = judged(&facts());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, Standing::Fine);
        assert!(found[0].1.contains("IFX SLB9670, firmware 7.85.4555.0") && found[0].1.contains("tier tpm"));
        let virtual_chip = Facts { manufacturer: "IBM".into(), model: "SW TPM".into(), ..facts() };
        assert!(judged(&virtual_chip)[0].1.contains("it is a program"));
    }

    #[test]
    fn what_a_chip_lacks_is_wrong() {
        for lacking in [
            Facts { signs: false, ..facts() },
            Facts { parent: Err(TpmError::OwnerPassword), ..facts() },
            Facts { parent: Err(TpmError::Unsupported), ..facts() },
        ] {
            let found = judged(&lacking);
            assert_eq!((found.len(), found[0].0), (1, Standing::Wrong), "{found:?}");
        }
        assert!(judged(&Facts { guesses: 32, ..facts() })[1].1.contains("is locked"));
        assert!(judged(&Facts { is_locked: true, ..facts() })[1].1.contains("is locked"));
        assert!(judged(&Facts { guesses: 3, ..facts() })[1].1.contains("3 of 32"));
    }

    #[test]
    fn a_tpm_that_nobody_named_may_be_missing_and_one_that_was_named_may_not() {
        let of = |is_wanted, error| unusable(&Device::default(), is_wanted, error).standing;
        for error in [TpmError::Missing, TpmError::NotPermitted] {
            assert_eq!((of(false, error), of(true, error)), (Standing::Fine, Standing::Wrong));
        }
        for is_wanted in [false, true] {
            assert_eq!(of(is_wanted, TpmError::Garbled), Standing::Wrong);
            assert_eq!(of(is_wanted, TpmError::NoAnswer), Standing::Unknown);
            assert_eq!(of(is_wanted, TpmError::Busy), Standing::Unknown);
        }
    }

    #[tokio::test]
    async fn swtpm_is_named_a_program_and_not_a_chip() {
        let Some(tools) = peers::require(&PROGRAMS) else { return };
        let mut swtpm = Swtpm::start(&tools).unwrap();
        let device = Device::parse(&swtpm.device()).unwrap();
        let found = examine(Some(&device)).await;
        assert_eq!((found.len(), found[0].standing), (1, Standing::Fine), "{found:?}");
        assert!(found[0].said.contains("tier software; it is a program"), "{found:?}");
        swtpm.kill();
        assert_eq!(examine(Some(&device)).await[0].standing, Standing::Wrong);
    }
}
