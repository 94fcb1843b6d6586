//! Against a TPM that answers by a script.

use std::collections::VecDeque;

use tpm2_protocol::TpmWriter;
use tpm2_protocol::data::{
    Tpm2bEccParameter, TpmAlgId, TpmRc, TpmRcBase, TpmsAuthResponse, TpmsSignatureEcc,
};
use tpm2_protocol::data::{TpmtSignature, TpmuSignature};
use tpm2_protocol::frame::{TpmSignResponse, tpm_marshal_response};

use super::transport::Transport;
use super::*;

/// A patience that no script uses up.
const LONG: Duration = Duration::from_secs(60);

/// What it does to the next command.
#[derive(Debug, Clone)]
enum Act {
    /// Gives these octets.
    Answer(Vec<u8>),
    /// Breaks the line.
    Break(TpmError),
}

/// What a script says, and how many commands and connections it has seen.
#[derive(Debug, Default)]
struct Script {
    acts: VecDeque<Act>,
    commands: u32,
    connections: u32,
}

type Shared = Arc<Mutex<Script>>;

struct Line(Shared);

impl Transport for Line {
    fn exchange(&mut self, _: &[u8], _: Deadline) -> Result<Vec<u8>, TpmError> {
        let mut script = self.0.lock().unwrap();
        script.commands += 1;
        match script.acts.pop_front() {
            Some(Act::Answer(octets)) => Ok(octets),
            Some(Act::Break(error)) => Err(error),
            None => Err(TpmError::Closed),
        }
    }
}

fn chip(is_managed: bool, patience: Duration, acts: impl IntoIterator<Item = Act>) -> (Chip, Shared) {
    let script = Arc::new(Mutex::new(Script { acts: acts.into_iter().collect(), ..Script::default() }));
    let opened = Arc::clone(&script);
    let opener = Box::new(move |_: Deadline| {
        opened.lock().unwrap().connections += 1;
        Ok(Box::new(Line(Arc::clone(&opened))) as Box<dyn Transport>)
    });
    (Chip::new(opener, is_managed, patience), script)
}

/// The header of a refusal.
fn refusal(code: u32) -> Act {
    Act::Answer([[0x80, 0x01, 0, 0, 0, 10].as_slice(), &code.to_be_bytes()].concat())
}

/// What comes of making a key, and after how many commands.
fn ask(acts: Vec<Act>) -> (Option<TpmError>, u32) {
    let (mut chip, script) = chip(true, LONG, acts);
    let error = chip.create().err();
    let commands = script.lock().unwrap().commands;
    (error, commands)
}

#[test]
fn a_tpm_that_asks_to_be_asked_again_is_and_not_for_ever() {
    for code in [0x922, 0x908, 0x90a] {
        let (error, commands) = ask(vec![refusal(code), refusal(code), refusal(0x921)]);
        assert_eq!((error, commands), (Some(TpmError::Lockout), 3), "{code:#x}");
    }
    let (mut chip, script) = chip(true, Duration::from_millis(80), std::iter::repeat_n(refusal(0x922), 1000));
    assert_eq!(chip.create().err(), Some(TpmError::Busy));
    assert!((2..10).contains(&script.lock().unwrap().commands));
}

#[test]
fn each_refusal_is_an_error_of_its_own_and_is_not_asked_again() {
    for (code, error) in [
        (0x921, TpmError::Lockout),
        (0x902, TpmError::Slots),
        (0x100, TpmError::NotStarted),
        (0x101, TpmError::Failed),
        (0x9a2, TpmError::OwnerPassword),
        (0x185, TpmError::OwnerDisabled),
        (0x2e6, TpmError::Unsupported),
        (0x084, TpmError::Refused { command: 0x131, code: 0x084 }),
    ] {
        assert_eq!(ask(vec![refusal(code)]), (Some(error), 1), "{code:#x}");
    }
}

#[test]
fn what_is_no_answer_of_a_tpm_is_refused() {
    let garbage: [&[u8]; 7] = [
        b"",
        b"\x80\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        // Success with nothing in it, or with the tag of another kind, or a length that is not its own.
        b"\x80\x02\0\0\0\x0a\0\0\0\0",
        b"\x80\x14\0\0\0\x0a\0\0\0\0",
        b"\x80\x01\0\0\0\x0b\0\0\0\0",
        b"\x80\x02\0\0\0\x12\0\0\0\0\x80\0\0\0\xff\xff\xff\xff",
    ];
    for octets in garbage {
        let (error, commands) = ask(vec![Act::Answer(octets.to_vec())]);
        assert_eq!(commands, 1);
        assert!(matches!(error, Some(TpmError::Garbled | TpmError::Refused { .. })), "{octets:?}: {error:?}");
    }
    for error in [TpmError::NoAnswer, TpmError::Oversize { octets: 5000 }, TpmError::Closed] {
        assert_eq!(ask(vec![Act::Break(error)]), (Some(error), 1));
    }
}

/// What a swtpm that runs says to each command of a piece of work.
fn recorded(work: impl FnOnce(&Tpm)) -> Option<Vec<Act>> {
    struct Recording(Box<dyn Transport>, Arc<Mutex<Vec<Act>>>);
    impl Transport for Recording {
        fn exchange(&mut self, command: &[u8], deadline: Deadline) -> Result<Vec<u8>, TpmError> {
            let answer = self.0.exchange(command, deadline)?;
            self.1.lock().unwrap().push(Act::Answer(answer.clone()));
            Ok(answer)
        }
    }
    let swtpm = testkit::swtpm::Swtpm::start(&testkit::peers::require(&testkit::swtpm::PROGRAMS)?).unwrap();
    let device = Device::parse(&swtpm.device()).unwrap();
    let (opened, acts) = (device.clone(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&acts);
    let opener = Box::new(move |deadline| {
        let line = Recording(transport::open(&opened, deadline)?, Arc::clone(&heard));
        Ok(Box::new(line) as Box<dyn Transport>)
    });
    let tpm = Tpm { device, chip: Arc::new(Mutex::new(Chip::new(opener, true, LONG))), patience: LONG };
    work(&tpm);
    drop(tpm);
    let acts = acts.lock().unwrap().clone();
    Some(acts)
}

/// A key that was made, and what a TPM said when it loaded its parent and it, and signed with it once.
fn session() -> Option<(Blob, Vec<Act>)> {
    let mut made = None;
    let acts = recorded(|tpm| {
        let blob = tpm.create().unwrap();
        tpm.open(blob.clone()).unwrap().sign(b"a").unwrap();
        made = Some(blob);
    })?;
    let [parent, _create, load, sign] = acts.try_into().unwrap();
    Some((made?, vec![parent, load, sign]))
}

fn play(acts: Vec<Act>) -> (Tpm, Shared) {
    let (chip, script) = chip(true, LONG, acts);
    (Tpm { device: Device::default(), chip: Arc::new(Mutex::new(chip)), patience: LONG }, script)
}

#[test]
fn behind_a_resource_manager_a_key_stays_loaded() {
    let Some((blob, acts)) = session() else { return };
    let [parent, load, sign] = acts.try_into().unwrap();
    let (tpm, script) = play(vec![parent, load, sign.clone(), sign.clone(), sign]);
    let key = tpm.open(blob).unwrap();
    for _ in 0..3 {
        key.sign(b"a").unwrap();
    }
    let script = script.lock().unwrap();
    assert_eq!((script.connections, script.commands), (1, 5));
}

#[test]
fn a_key_that_a_reset_took_away_is_loaded_again_once() {
    let Some((blob, acts)) = session() else { return };
    let [parent, load, sign] = acts.try_into().unwrap();
    for lost in [refusal(0x910), refusal(0x18b), Act::Break(TpmError::Closed)] {
        let again = [parent.clone(), load.clone(), sign.clone()];
        let (tpm, script) = play([vec![parent.clone(), load.clone(), lost.clone()], again.to_vec()].concat());
        let key = tpm.open(blob.clone()).unwrap();
        key.sign(b"a").unwrap();
        assert_eq!(script.lock().unwrap().connections, 2);
        let twice = vec![parent.clone(), load.clone(), lost.clone(), parent.clone(), load.clone(), lost];
        let (tpm, script) = play(twice);
        let key = tpm.open(blob.clone()).unwrap();
        assert!(matches!(key.sign(b"a"), Err(TpmError::Forgotten | TpmError::Closed)));
        assert_eq!(script.lock().unwrap().commands, 6);
    }
}

#[test]
fn a_signature_of_something_else_is_not_used() {
    let Some((blob, acts)) = session() else { return };
    let (tpm, _) = play(acts);
    // What was recorded is a signature of another message.
    assert_eq!(tpm.open(blob).unwrap().sign(b"b").err(), Some(TpmError::BadSignature));
}

#[test]
fn another_key_under_the_same_handle_is_noticed() {
    let (Some((blob, _)), Some((_, acts))) = (session(), session()) else { return };
    let (tpm, _) = play(acts);
    assert_eq!(tpm.open(blob).err(), Some(TpmError::OtherKey));
}

#[test]
fn a_signature_by_another_algorithm_is_refused() {
    let Some((blob, acts)) = session() else { return };
    let other = |sig_alg, hash, signature: fn(TpmsSignatureEcc) -> TpmuSignature| {
        let number = Tpm2bEccParameter::try_from([1; 32].as_slice()).unwrap();
        let parts = TpmsSignatureEcc { hash, signature_r: number, signature_s: number };
        let response = TpmSignResponse {
            handles: [],
            signature: TpmtSignature { sig_alg, signature: signature(parts) },
        };
        let (mut octets, session) = ([0; 4096], [TpmsAuthResponse::default()]);
        let mut writer = TpmWriter::new(&mut octets);
        tpm_marshal_response(&response, TpmRc::Fmt0(TpmRcBase::Success), &session, &mut writer).unwrap();
        let mut acts = acts.clone();
        acts[2] = Act::Answer(writer.as_bytes().to_vec());
        play(acts).0.open(blob.clone()).unwrap().sign(b"a").err()
    };
    assert_eq!(other(TpmAlgId::Ecdsa, TpmAlgId::Sha256, TpmuSignature::Ecdsa), Some(TpmError::BadSignature));
    assert_eq!(other(TpmAlgId::Ecdsa, TpmAlgId::Sha384, TpmuSignature::Ecdsa), Some(TpmError::Garbled));
    assert_eq!(other(TpmAlgId::Sm2, TpmAlgId::Sha256, TpmuSignature::Sm2), Some(TpmError::Garbled));
}
