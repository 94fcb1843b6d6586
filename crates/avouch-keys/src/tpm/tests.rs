//! Against a real swtpm.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use avouch_wire::key::KeyType;
use testkit::peers;
use testkit::swtpm::{PROGRAMS, Slow, Swtpm};
use tpm2_protocol::basic::TpmHandle;
use tpm2_protocol::data::{
    Tpm2bPublic, Tpm2bSensitiveCreate, TpmCap, TpmaObject, TpmtPublic, TpmuCapabilities,
};
use tpm2_protocol::frame::{TpmCreateCommand, TpmCreateResponse};

use super::*;
use crate::SecretKey;
use crate::store::{Keeper, Problem, StoreError, create_in, describe, list, open, open_in};

/// Longer than a busy machine takes for anything here.
const LONG: Duration = Duration::from_secs(60);

fn swtpm() -> Option<Swtpm> {
    Some(Swtpm::start(&peers::require(&PROGRAMS)?).unwrap())
}

fn tpm(swtpm: &Swtpm) -> Tpm {
    Tpm::patient(&Device::parse(&swtpm.device()).unwrap(), LONG)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn signs(key: &SecretKey) {
    let signature = key.sign(b"a statement").unwrap();
    assert!(key.public().verify(b"a statement", &signature).is_ok());
    assert!(key.public().verify(b"a statemens", &signature).is_err());
}

fn problem(result: Result<SecretKey, StoreError>) -> TpmError {
    match result.unwrap_err().problem {
        Problem::Tpm { error, .. } => error,
        other => panic!("{other}"),
    }
}

/// The handles of the objects that are loaded.
fn left(tpm: &Tpm) -> Vec<TpmHandle> {
    let told = tpm.turn().unwrap().at_work(|chip| chip.capability(TpmCap::Handles, 0x8000_0000, 64)).unwrap();
    let TpmuCapabilities::Handles(handles) = told else { panic!("{told:?}") };
    handles.to_vec()
}

#[test]
fn a_key_of_a_tpm_signs_what_its_public_part_verifies_by_either_socket() {
    let Some(tools) = peers::require(&PROGRAMS) else { return };
    for swtpm in [Swtpm::start(&tools).unwrap(), Swtpm::start_tcp(&tools).unwrap()] {
        let (folder, tpm) = (Folder::new(), tpm(&swtpm));
        let key = create_in(&tpm, &folder.path("a.key")).unwrap();
        assert!(key.is_in_tpm() && key.public().key_type() == KeyType::P256);
        signs(&key);
        assert_eq!(key.to_pkcs8().err(), Some(crate::KeyError::InTpm));
        assert_eq!(left(&tpm), [], "no slot is left taken");
    }
}

#[test]
fn a_key_is_found_again_after_its_tpm_was_switched_off_and_on() {
    let Some(mut swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    let path = folder.path("a.key");
    let key = create_in(&tpm, &path).unwrap();
    swtpm.kill();
    assert_eq!(key.sign(b"a").err(), Some(crate::KeyError::Tpm(TpmError::Missing)));
    swtpm.run().unwrap();
    signs(&key);
    let again = open_in(&tpm, &path).unwrap();
    assert_eq!(again.public(), key.public());
    signs(&again);
}

#[test]
fn the_file_of_a_key_belongs_to_its_owner_and_is_never_overwritten() {
    let Some(swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    let path = folder.path("a.key");
    let key = create_in(&tpm, &path).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert!(matches!(create_in(&tpm, &path).unwrap_err().problem, Problem::Exists));
    let shown = describe(&path).unwrap();
    assert_eq!((shown.keeper, shown.public.as_ref()), (Keeper::Tpm, Some(key.public())));
    assert_eq!(list(folder.0.path()).unwrap().len(), 1, "and nothing beside it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open_in(&tpm, &path).unwrap_err().problem, Problem::OpenToOthers { .. }));
}

#[test]
fn a_key_of_a_tpm_is_none_of_a_file_and_the_other_way_round() {
    let Some(swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    create_in(&tpm, &folder.path("tpm.key")).unwrap();
    assert!(matches!(open(&folder.path("tpm.key"), None).unwrap_err().problem, Problem::InTpm));
    let soft = SecretKey::generate(KeyType::P256, &mut crate::entropy::SystemEntropy).unwrap();
    crate::store::create(&folder.path("file.key"), &soft, crate::store::Protection::None).unwrap();
    assert!(matches!(open_in(&tpm, &folder.path("file.key")).unwrap_err().problem, Problem::NotInTpm));
    assert!(matches!(open_in(&tpm, &folder.path("nowhere")).unwrap_err().problem, Problem::Missing));
    fs::write(folder.path("text"), "hello").unwrap();
    assert!(matches!(open_in(&tpm, &folder.path("text")).unwrap_err().problem, Problem::NoKey));
}

#[test]
fn a_key_of_another_tpm_is_refused() {
    let (Some(one), Some(other)) = (swtpm(), swtpm()) else { return };
    let folder = Folder::new();
    create_in(&tpm(&one), &folder.path("a.key")).unwrap();
    assert_eq!(problem(open_in(&tpm(&other), &folder.path("a.key"))), TpmError::Foreign);
    signs(&open_in(&tpm(&one), &folder.path("a.key")).unwrap());
    assert_eq!(left(&tpm(&other)), []);
}

#[test]
fn a_key_whose_file_was_changed_is_refused_by_its_tpm() {
    let Some(swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    create_in(&tpm, &folder.path("a.key")).unwrap();
    create_in(&tpm, &folder.path("b.key")).unwrap();
    let [a, b] =
        ["a.key", "b.key"].map(|name| Blob::parse(&fs::read_to_string(folder.path(name)).unwrap()).unwrap());
    let refused = |blob: Blob| tpm.open(blob).err();
    assert_eq!(refused(a.clone()), None);
    let mut private = a.private().unwrap().to_vec();
    *private.last_mut().unwrap() ^= 1;
    assert_eq!(refused(Blob::new(a.area().clone(), &private).unwrap()), Some(TpmError::Foreign));
    private.pop();
    assert!(refused(Blob::new(a.area().clone(), &private).unwrap()).is_some());
    // The public half of one with the private half of the other.
    assert_eq!(refused(Blob::new(b.area().clone(), &a.private().unwrap()).unwrap()), Some(TpmError::Foreign));
}

/// Keys that a TPM makes, and that are not as they have to be.
#[test]
fn a_key_made_otherwise_in_the_same_tpm_is_refused() {
    let Some(swtpm) = swtpm() else { return };
    let tpm = tpm(&swtpm);
    let made = |public: TpmtPublic| {
        let made: TpmCreateResponse = tpm
            .turn()
            .unwrap()
            .at_work(|chip| {
                let command = TpmCreateCommand {
                    handles: [chip.parent()?],
                    in_sensitive: Tpm2bSensitiveCreate::default(),
                    in_public: Tpm2bPublic { inner: public },
                    outside_info: Default::default(),
                    creation_pcr: Default::default(),
                };
                chip.ask_authorised(&command)
            })
            .unwrap();
        Blob::new(made.out_public.inner, &made.out_private).err()
    };
    let without = |attribute| {
        let mut public = template::key();
        public.object_attributes ^= attribute;
        made(public)
    };
    assert_eq!(made(template::key()), None);
    assert_eq!(without(TpmaObject::NO_DA), Some(BlobError::Unfit(Unfit::NoDa)));
    assert_eq!(without(TpmaObject::RESTRICTED), Some(BlobError::Unfit(Unfit::Restricted)));
    assert_eq!(
        without(TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT),
        Some(BlobError::Unfit(Unfit::FixedTpm))
    );
    assert_eq!(without(TpmaObject::USER_WITH_AUTH), Some(BlobError::Unfit(Unfit::UserWithAuth)));
}

#[test]
fn many_threads_share_one_tpm() {
    let Some(swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    let keys: Vec<_> =
        (0..5).map(|number| create_in(&tpm, &folder.path(&format!("{number}.key"))).unwrap()).collect();
    thread::scope(|scope| {
        for number in 0..16 {
            let key = &keys[number % keys.len()];
            scope.spawn(move || (0..4).for_each(|_| signs(key)));
        }
    });
    assert_eq!(left(&tpm), []);
}

#[test]
fn more_keys_than_a_tpm_has_slots_sign_in_turn_by_connections_of_their_own() {
    let Some(swtpm) = swtpm() else { return };
    let folder = Folder::new();
    let keys: Vec<_> = (0..6)
        .map(|number| create_in(&tpm(&swtpm), &folder.path(&format!("{number}.key"))).unwrap())
        .collect();
    for _ in 0..2 {
        keys.iter().for_each(signs);
    }
    let device = Device::parse(&swtpm.device()).unwrap();
    let (one, other) = (Tpm::at(&device), Tpm::at(&device));
    assert!(Arc::ptr_eq(&one.chip, &other.chip), "and one connection serves all that ask for the same TPM");
}

#[test]
fn what_a_killed_process_left_in_a_tpm_is_flushed_and_what_others_have_there_is_not() {
    let Some(swtpm) = swtpm() else { return };
    let (folder, tpm) = (Folder::new(), tpm(&swtpm));
    let key = create_in(&tpm, &folder.path("a.key")).unwrap();
    // As if killed: the connection goes, and nothing is flushed.
    let abandon = |public: fn() -> TpmtPublic| {
        let mut chip = tpm.turn().unwrap();
        let made: tpm2_protocol::frame::TpmCreatePrimaryResponse = chip
            .ask_authorised(&tpm2_protocol::frame::TpmCreatePrimaryCommand {
                handles: [TpmHandle::new(0x4000_0001)],
                in_sensitive: Tpm2bSensitiveCreate::default(),
                in_public: Tpm2bPublic { inner: public() },
                outside_info: Default::default(),
                creation_pcr: Default::default(),
            })
            .unwrap();
        chip.leave();
        made.handles[0]
    };
    let ours: Vec<_> = (0..3).map(|_| abandon(template::parent)).collect();
    assert_eq!(left(&tpm), ours);
    signs(&key);
    assert_eq!(left(&tpm), []);
    // Three that are another program's: a storage key that can be guessed at.
    let foreign = || {
        let mut public = template::parent();
        public.object_attributes ^= TpmaObject::NO_DA;
        public
    };
    let others: Vec<_> = (0..3).map(|_| abandon(foreign)).collect();
    assert_eq!(key.sign(b"a").err(), Some(crate::KeyError::Tpm(TpmError::Slots)));
    assert_eq!(left(&tpm), others);
    tpm.turn().unwrap().at_work(|chip| others.iter().try_for_each(|other| chip.flush(*other))).unwrap();
    signs(&key);
}

#[test]
fn a_tpm_that_hangs_is_given_up_in_time_by_all_who_wait() {
    let Some(swtpm) = swtpm() else { return };
    let folder = Folder::new();
    create_in(&tpm(&swtpm), &folder.path("a.key")).unwrap();
    let device = Device::parse(&swtpm.device()).unwrap();
    let hasty = Tpm::patient(&device, Duration::from_millis(700));
    let key = open_in(&hasty, &folder.path("a.key")).unwrap();
    swtpm.signal("STOP").unwrap();
    #[expect(clippy::disallowed_methods, reason = "a deadline is tested")]
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let error = key.sign(b"a").unwrap_err();
                assert!(
                    matches!(error, crate::KeyError::Tpm(TpmError::NoAnswer | TpmError::Queue)),
                    "{error}"
                );
            });
        }
    });
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    swtpm.signal("CONT").unwrap();
    signs(&open_in(&tpm(&swtpm), &folder.path("a.key")).unwrap());
}

#[test]
fn a_slow_tpm_signs_and_one_beyond_patience_does_not() {
    let Some(swtpm) = swtpm() else { return };
    let folder = Folder::new();
    let slow = Slow::start(&swtpm, Duration::from_millis(300)).unwrap();
    let device = Device::parse(&slow.device()).unwrap();
    let key = create_in(&Tpm::patient(&device, LONG), &folder.path("a.key")).unwrap();
    signs(&key);
    assert_eq!(slow.signatures(), 1);
    drop(key);
    let hasty = open_in(&Tpm::patient(&device, Duration::from_millis(100)), &folder.path("a.key"));
    let refused = hasty.map(|key| key.sign(b"a").err());
    assert!(!matches!(refused, Ok(None)), "no signature after the deadline");
}

#[test]
fn what_can_be_seen_of_a_tpm_is_seen_and_nothing_is_left_in_it() {
    let Some(swtpm) = swtpm() else { return };
    let tpm = tpm(&swtpm);
    let facts = tpm.examine().unwrap();
    assert_eq!((facts.manufacturer.as_str(), facts.model.starts_with("SW")), ("IBM", true), "{facts:?}");
    assert!(facts.signs && facts.parent.is_ok() && !facts.is_locked && facts.guesses == 0, "{facts:?}");
    assert!(facts.most_guesses > 0 && facts.firmware.split('.').count() == 4, "{facts:?}");
    assert_eq!(left(&tpm), []);
}

#[test]
fn what_is_no_tpm_says_why() {
    let folder = Folder::new();
    let asked = |text: &str| Tpm::patient(&Device::parse(text).unwrap(), LONG).examine().unwrap_err();
    let path = folder.path("file").display().to_string();
    assert_eq!(asked(&format!("device={path}")), TpmError::Missing);
    assert_eq!(asked(&format!("swtpm={path}")), TpmError::Missing);
    fs::write(folder.path("file"), "hello").unwrap();
    assert_eq!(asked(&format!("device={path}")), TpmError::NotADevice);
    assert_eq!(asked("device=/dev/null"), TpmError::Closed);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || drop(listener.accept()));
    assert_eq!(asked(&format!("swtpm={address}")), TpmError::Closed);
    assert_eq!(asked(&format!("swtpm={address}")), TpmError::Missing);
}

/// A character device, behind which a swtpm answers: a terminal that changes nothing of what goes through it.
fn device(swtpm: Swtpm) -> (Device, std::os::fd::OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use std::io::{Read as _, Write as _};
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let path = PathBuf::from(ptsname(&near, Vec::new()).unwrap().into_string().unwrap());
    let far = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut raw = tcgetattr(&far).unwrap();
    raw.make_raw();
    tcsetattr(&far, OptionalActions::Now, &raw).unwrap();
    let mut chip = fs::File::from(near);
    thread::spawn(move || {
        let mut command = [0; 4096];
        while let Ok(octets @ 1..) = chip.read(&mut command) {
            let answer = swtpm.exchange(&command[..octets]).unwrap();
            // In two parts, the second after a while, as no reader may rely on.
            let (first, rest) = answer.split_at(5);
            chip.write_all(first).unwrap();
            thread::yield_now();
            chip.write_all(rest).unwrap();
        }
    });
    (Device::Kernel(path), far.into())
}

#[test]
fn a_key_signs_by_a_character_device_and_one_that_is_silent_is_given_up() {
    let Some(swtpm) = swtpm() else { return };
    let folder = Folder::new();
    let (device, _kept) = device(swtpm);
    let key = create_in(&Tpm::patient(&device, LONG), &folder.path("a.key")).unwrap();
    signs(&key);
    let silent =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::unlockpt(&silent).unwrap();
    let path = PathBuf::from(rustix::pty::ptsname(&silent, Vec::new()).unwrap().into_string().unwrap());
    let hasty = Tpm::patient(&Device::Kernel(path), Duration::from_millis(100));
    assert_eq!(hasty.examine().unwrap_err(), TpmError::NoAnswer);
}
