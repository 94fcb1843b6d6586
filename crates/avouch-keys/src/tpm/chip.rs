//! What a TPM is asked for, and which of its few slots are ours meanwhile.

use std::time::Duration;

use avouch_wire::attestation::signature;
use avouch_wire::key::Fingerprint;
use aws_lc_rs::digest::{SHA256, digest};
use tpm2_protocol::TpmWriter;
use tpm2_protocol::basic::{TpmHandle, TpmUint32};
use tpm2_protocol::data::{
    Tpm2bDigest, Tpm2bPublic, Tpm2bSensitiveCreate, TpmCap, TpmRh, TpmSt, TpmaSession, TpmsAuthCommand,
    TpmtPublic, TpmtSigScheme, TpmtTkHashcheck, TpmuCapabilities,
};
use tpm2_protocol::frame::{
    TpmCreateCommand, TpmCreatePrimaryCommand, TpmCreatePrimaryResponse, TpmCreateResponse,
    TpmFlushContextCommand, TpmFlushContextResponse, TpmFrame, TpmGetCapabilityCommand,
    TpmGetCapabilityResponse, TpmLoadCommand, TpmLoadResponse, TpmReadPublicCommand, TpmReadPublicResponse,
    TpmResponse, TpmSignCommand, TpmSignResponse, TpmUnmarshalBody, tpm_marshal_command,
};

use super::blob::Blob;
use super::problem::TpmError;
use super::transport::{Deadline, MAX_OCTETS, Transport};
use super::{code, template};

/// How often a command is sent that the TPM asks to be sent again: with the pauses below some 20 seconds.
const MAX_TRIES: u32 = 24;

/// The pause before a command is sent again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Objects that are looked at when no slot is free: a TPM has three, or a few more.
const MAX_OBJECTS: u32 = 64;

/// Where the handles of transient objects begin.
const TRANSIENT: u32 = 0x8000_0000;

/// SHA-256 in front of a name.
const NAMED_BY: [u8; 2] = [0x00, 0x0b];

/// What opens the way to the TPM.
pub(super) type Opener = Box<dyn Fn(Deadline) -> Result<Box<dyn Transport>, TpmError> + Send>;

/// A TPM as one user of it at a time sees it.
///
/// A TPM has room for three objects. We take two, the parent and one key. Behind a resource manager, which gives each
/// program room of its own and empties it at its end, they stay loaded from one signature to the next. Where there is
/// none, both are flushed and the connection is given up after each use, so that others get their turn.
pub(super) struct Chip {
    opener: Opener,
    is_managed: bool,
    patience: Duration,
    line: Option<Box<dyn Transport>>,
    parent: Option<TpmHandle>,
    key: Option<(TpmHandle, Fingerprint)>,
    /// What is loaded for a piece of work, and flushed at its end.
    held: Vec<TpmHandle>,
}

impl Chip {
    pub(super) fn new(opener: Opener, is_managed: bool, patience: Duration) -> Self {
        Self { opener, is_managed, patience, line: None, parent: None, key: None, held: Vec::new() }
    }

    /// Makes a key.
    pub(super) fn create(&mut self) -> Result<Blob, TpmError> {
        self.at_work(|chip| {
            let command = TpmCreateCommand {
                handles: [chip.parent()?],
                in_sensitive: Tpm2bSensitiveCreate::default(),
                in_public: Tpm2bPublic { inner: template::key() },
                outside_info: Default::default(),
                creation_pcr: Default::default(),
            };
            let made: TpmCreateResponse = chip.with_room(|chip| chip.ask_authorised(&command))?;
            Blob::new(made.out_public.inner, &made.out_private).map_err(|_| TpmError::OtherKey)
        })
    }

    /// Whether this TPM made the key.
    pub(super) fn check(&mut self, blob: &Blob) -> Result<(), TpmError> {
        self.at_work(|chip| chip.loaded(blob).map(drop))
    }

    /// r ‖ s of a digest, which the caller has computed from a message of ours.
    pub(super) fn sign(&mut self, blob: &Blob, digest: &[u8]) -> Result<[u8; 64], TpmError> {
        let may_be_stale = self.line.is_some();
        match self.at_work(|chip| chip.sign_once(blob, digest)) {
            // The machine slept, or the TPM was reset: what was loaded is gone, and is loaded again once.
            Err(TpmError::Forgotten | TpmError::Closed) if may_be_stale => {
                self.at_work(|chip| chip.sign_once(blob, digest))
            }
            signed => signed,
        }
    }

    fn sign_once(&mut self, blob: &Blob, digest: &[u8]) -> Result<[u8; 64], TpmError> {
        let command = TpmSignCommand {
            handles: [self.loaded(blob)?],
            digest: Tpm2bDigest::try_from(digest).map_err(|_| TpmError::Unwritten)?,
            in_scheme: TpmtSigScheme::default(),
            // The key is not restricted, so no ticket has to say who hashed.
            validation: TpmtTkHashcheck {
                tag: TpmSt::HashCheck,
                hierarchy: TpmRh::Null,
                digest: Tpm2bDigest::default(),
            },
        };
        let signed: TpmSignResponse = self.ask_authorised(&command)?;
        signature(&template::octets(&signed.signature)?).ok_or(TpmError::Garbled)
    }

    /// The handle of the key, loaded.
    pub(super) fn loaded(&mut self, blob: &Blob) -> Result<TpmHandle, TpmError> {
        let fingerprint = *blob.public().fingerprint();
        match self.key.take() {
            Some((handle, loaded)) if loaded == fingerprint => {
                self.key = Some((handle, loaded));
                return Ok(handle);
            }
            Some((handle, _)) => self.flush(handle)?,
            None => {}
        }
        let command = TpmLoadCommand {
            handles: [self.parent()?],
            in_private: blob.private()?,
            in_public: Tpm2bPublic { inner: blob.area().clone() },
        };
        let loaded: TpmLoadResponse = self.with_room(|chip| chip.ask_authorised(&command))?;
        let [handle] = loaded.handles;
        self.key = Some((handle, fingerprint));
        let name = [&NAMED_BY, digest(&SHA256, &template::octets(blob.area())?).as_ref()].concat();
        if *loaded.name == *name { Ok(handle) } else { Err(TpmError::OtherKey) }
    }

    /// The handle of the parent, which every TPM makes of its owner's seed and the template.
    pub(super) fn parent(&mut self) -> Result<TpmHandle, TpmError> {
        if let Some(handle) = self.parent {
            return Ok(handle);
        }
        let (handle, _) = self.primary(TpmRh::Owner, template::parent())?;
        self.parent = Some(handle);
        Ok(handle)
    }

    fn primary(&mut self, hierarchy: TpmRh, public: TpmtPublic) -> Result<(TpmHandle, TpmtPublic), TpmError> {
        let command = TpmCreatePrimaryCommand {
            handles: [TpmHandle::new(hierarchy as u32)],
            in_sensitive: Tpm2bSensitiveCreate::default(),
            in_public: Tpm2bPublic { inner: public },
            outside_info: Default::default(),
            creation_pcr: Default::default(),
        };
        let made: TpmCreatePrimaryResponse = self.with_room(|chip| chip.ask_authorised(&command))?;
        let [handle] = made.handles;
        Ok((handle, made.out_public.inner))
    }

    /// Does something with a primary key of the endorsement hierarchy, which is flushed then.
    pub(super) fn with_primary<T>(
        &mut self,
        public: TpmtPublic,
        work: impl FnOnce(&mut Self, TpmHandle, &TpmtPublic) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let (handle, public) = self.primary(TpmRh::Endorsement, public)?;
        self.held.push(handle);
        let done = work(self, handle, &public)?;
        self.held.pop();
        self.flush(handle)?;
        Ok(done)
    }

    /// Does something that takes a slot. Where none is free and no resource manager keeps programs apart, what one of
    /// ours left that was killed is flushed first.
    fn with_room<T>(&mut self, ask: impl Fn(&mut Self) -> Result<T, TpmError>) -> Result<T, TpmError> {
        match ask(self) {
            Err(TpmError::Slots) if !self.is_managed && self.reclaim()? => ask(self),
            answer => answer,
        }
    }

    /// Flushes objects that look like ours and are not in use now; says whether there were any. The parent can be made
    /// again and a key be loaded again, so nothing is lost to whom they belonged.
    fn reclaim(&mut self) -> Result<bool, TpmError> {
        let TpmuCapabilities::Handles(handles) = self.capability(TpmCap::Handles, TRANSIENT, MAX_OBJECTS)?
        else {
            return Err(TpmError::Garbled);
        };
        let mut any = false;
        for &handle in handles.iter() {
            let in_use = self.parent == Some(handle)
                || self.key.is_some_and(|(key, _)| key == handle)
                || self.held.contains(&handle);
            if !in_use && self.shown(handle).is_ok_and(|public| template::is_ours(&public)) {
                self.flush(handle)?;
                any = true;
            }
        }
        Ok(any)
    }

    fn shown(&mut self, handle: TpmHandle) -> Result<TpmtPublic, TpmError> {
        let shown: TpmReadPublicResponse = self.ask(&TpmReadPublicCommand { handles: [handle] })?;
        Ok(shown.out_public.inner)
    }

    pub(super) fn capability(
        &mut self,
        cap: TpmCap,
        property: u32,
        count: u32,
    ) -> Result<TpmuCapabilities, TpmError> {
        let command = TpmGetCapabilityCommand {
            handles: [],
            cap,
            property: TpmUint32::new(property),
            property_count: TpmUint32::new(count),
        };
        let told: TpmGetCapabilityResponse = self.ask(&command)?;
        Ok(told.capability_data.data)
    }

    pub(super) fn flush(&mut self, handle: TpmHandle) -> Result<(), TpmError> {
        let command = TpmFlushContextCommand { handles: [], flush_handle: handle };
        self.ask::<TpmFlushContextResponse>(&command).map(drop)
    }

    /// Does something, and leaves the TPM as this chip has to be left.
    pub(super) fn at_work<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let done = work(self);
        if done.is_err() || !self.is_managed {
            self.leave();
        }
        done
    }

    /// Gives up what is loaded, and the connection. A resource manager flushes what was loaded by itself.
    pub(super) fn leave(&mut self) {
        let (key, parent, held) = (self.key.take(), self.parent.take(), core::mem::take(&mut self.held));
        if !self.is_managed {
            for handle in held.into_iter().chain(key.map(|(handle, _)| handle)).chain(parent) {
                if self.line.is_some() {
                    // What cannot be flushed now is reclaimed when its slot is missed.
                    let _ = self.flush(handle);
                }
            }
        }
        self.line = None;
    }

    /// Asks for what anybody may.
    pub(super) fn ask<R: TpmUnmarshalBody>(&mut self, command: &impl TpmFrame) -> Result<R, TpmError> {
        self.command(command, TpmSt::NoSessions, &[])
    }

    /// Asks for what wants the password of the first handle, which is empty.
    pub(super) fn ask_authorised<R: TpmUnmarshalBody>(
        &mut self,
        command: &impl TpmFrame,
    ) -> Result<R, TpmError> {
        self.command(command, TpmSt::Sessions, &[empty_password()])
    }

    pub(super) fn command<R: TpmUnmarshalBody>(
        &mut self,
        command: &impl TpmFrame,
        tag: TpmSt,
        sessions: &[TpmsAuthCommand],
    ) -> Result<R, TpmError> {
        let mut octets = [0; MAX_OCTETS];
        let mut writer = TpmWriter::new(&mut octets);
        tpm_marshal_command(command, tag, sessions, &mut writer).map_err(|_| TpmError::Unwritten)?;
        let answer = self.answer(writer.as_bytes(), command.cc() as u32)?;
        let read = TpmResponse::cast(&answer).and_then(TpmResponse::unmarshal);
        read.map_err(|_| TpmError::Garbled).inspect_err(|_| self.hang_up())
    }

    /// Sends a command until it is answered, within bounds.
    fn answer(&mut self, command: &[u8], number: u32) -> Result<Vec<u8>, TpmError> {
        let deadline = Deadline::within(self.patience);
        let mut pause = FIRST_PAUSE;
        for _ in 0..MAX_TRIES {
            let answer = self.exchange(command, deadline).inspect_err(|_| self.hang_up())?;
            match code::of(&answer)? {
                0 => return Ok(answer),
                code if code::asks_again(code) => deadline.pause(pause).ok_or(TpmError::Busy)?,
                code => return Err(code::refusal(code, number)),
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        Err(TpmError::Busy)
    }

    fn exchange(&mut self, command: &[u8], deadline: Deadline) -> Result<Vec<u8>, TpmError> {
        let line = match &mut self.line {
            Some(line) => line,
            closed => closed.insert((self.opener)(deadline)?),
        };
        line.exchange(command, deadline)
    }

    /// The connection is out of step: it is not used again, and nothing is known of what is loaded.
    fn hang_up(&mut self) {
        (self.line, self.parent, self.key) = (None, None, None);
        self.held.clear();
    }

    /// Whether there is a connection, by which what is loaded can be flushed.
    pub(super) const fn is_connected(&self) -> bool {
        self.line.is_some()
    }
}

/// The password of what has none.
pub(super) fn empty_password() -> TpmsAuthCommand {
    TpmsAuthCommand {
        session_handle: TpmHandle::new(TpmRh::Pw as u32),
        session_attributes: TpmaSession::CONTINUE_SESSION,
        ..TpmsAuthCommand::default()
    }
}
