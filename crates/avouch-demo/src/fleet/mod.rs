//! A fleet of agents with their keys in TPMs, from enrolment to the revocation of a part of it.
//!
//! Everything runs in this process but the TPMs (swtpm, one for each part of the fleet) and the programs that ask
//! (curl, one for each request). The registrar holds the zone of the agents, `_saip.acme.example`, itself, or a name
//! server does that it tells; a root zone delegates it, and the gateway and the agents validate from that root.

mod agent;
mod office;
mod site;
mod tpm;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::access_log::Line;
use crate::upstream::Visit;
use crate::{DemoError, Expected, Happening, Row};
use agent::{Agent, Surroundings, curl};
use office::Office;
pub use office::Zone;
use site::{Site, resolving};
use tpm::SoftwareTpm;

/// The domain that answers for the fleet.
pub(crate) const DOMAIN: &str = "acme.example";

/// The parts of the fleet, each with a TPM; a part is revoked by its name.
pub(crate) const FLEETS: [&str; 4] = ["berlin", "lagos", "lima", "osaka"];

/// The part that is revoked.
const REVOKED: &str = "lagos";

/// How many agents there may be: one in each part, and as many as a registrar's token takes.
pub const SIZES: RangeInclusive<u16> = 4..=1000;

/// The seconds that a record may be kept, and so the longest that a revocation takes.
const TTL: u32 = 5;

/// What is added to the TTL: publication is batched for half a second, and clocks count in milliseconds.
const AFTER_TTL: Duration = Duration::from_millis(900);

/// How many programs ask at once.
const AT_ONCE: usize = 16;

const BEFORE: &str = "Every agent is published";
const AFTER: &str = "One fleet is revoked";

/// An agent of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    fleet: &'static str,
    number: u16,
}

impl Member {
    /// As its record is named: `unit-007.lagos`.
    fn id(self) -> String {
        format!("unit-{:03}.{}", self.number, self.fleet)
    }
}

/// The fleet's world. Nothing of it outlives this.
pub struct Fleet {
    site: Site,
    office: Office,
    agents: Vec<Agent>,
    members: Vec<Member>,
    tpms: Vec<SoftwareTpm>,
    rows: Vec<Row>,
    folder: TempDir,
}

impl Fleet {
    /// Starts everything but the agents; `zone` says who holds theirs. Must run within a tokio runtime.
    ///
    /// # Errors
    /// [`DemoError`]; [`DemoError::Missing`] where swtpm or curl is not there.
    pub async fn start(size: u16, zone: &Zone) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("avouch-fleet-").tempdir()?;
        curl(&["--version"]).await?;
        let mut tpms = Vec::new();
        for fleet in FLEETS {
            tpms.push(SoftwareTpm::start(&folder.path().join(fleet)).await?);
        }
        let site = Site::start(folder.path()).await?;
        let office = Office::start(folder.path(), zone).await?;
        site.zones.delegate(&office.at_parent, office.server)?;
        let member = |number| FLEETS.iter().cycle().nth(usize::from(number)).map(|fleet| (number, *fleet));
        let members =
            (0..size).filter_map(member).map(|(number, fleet)| Member { fleet, number: number + 1 });
        let members = members.collect();
        Ok(Self { site, office, agents: Vec::new(), members, tpms, rows: Vec::new(), folder })
    }

    /// Enrols the agents, has them visit the site, revokes a fleet, and has them visit it again. Everything is told when
    /// it happens.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn play(&mut self, mut tell: impl FnMut(&Happening<'_>)) -> Result<&[Row], DemoError> {
        tell(&Happening::Scene("Enrolment"));
        let began = Instant::now();
        self.enrol().await?;
        let (count, tpms) = (self.agents.len(), self.tpms.len());
        let took = began.elapsed().as_secs_f64();
        tell(&Happening::Event(&format!(
            "{count} agents made keys in {tpms} TPMs and enrolled; the DNS has all of them after {took:.1} s"
        )));
        self.visit(BEFORE, false, &mut tell).await?;
        tell(&Happening::Event(&format!(
            "the owner: avouch revoke {REVOKED}@{DOMAIN} (an empty pk at {REVOKED}._saip.{DOMAIN})"
        )));
        self.office.revoke(REVOKED).await?;
        tell(&Happening::Event(&format!("… the TTL of {TTL} seconds passes …")));
        tokio::time::sleep(Duration::from_secs(u64::from(TTL)) + AFTER_TTL).await;
        self.visit(AFTER, true, &mut tell).await?;
        Ok(&self.rows)
    }

    /// Ends everything.
    pub async fn stop(self) {
        let mut stopping = JoinSet::new();
        self.agents.into_iter().for_each(|agent| _ = stopping.spawn(agent.stop()));
        while stopping.join_next().await.is_some() {}
        self.office.stop().await;
        self.site.stop().await;
    }

    /// All at once, as after a delivery of machines.
    async fn enrol(&mut self) -> Result<(), DemoError> {
        let around = Surroundings {
            site: self.site.authority,
            resolving: resolving(&self.site.zones, self.folder.path()),
            registrar: self.office.url(),
        };
        let mut enrolling = JoinSet::new();
        for (fleet, tpm) in FLEETS.into_iter().zip(&self.tpms) {
            let members: Vec<_> = self.members.iter().filter(|member| member.fleet == fleet).collect();
            let token = Arc::<str>::from(self.office.token(fleet, members.len()).await?);
            for member in members {
                let (member, device, folder) = (*member, tpm.device(), self.folder.path().to_owned());
                let (token, around) = (Arc::clone(&token), around.clone());
                enrolling.spawn(async move { Agent::enrol(member, &device, &token, &around, &folder).await });
            }
        }
        while let Some(enrolled) = enrolling.join_next().await {
            self.agents.push(enrolled.map_err(|_| DemoError::Broken)??);
        }
        self.agents.sort_by_key(|agent| (agent.member.fleet, agent.member.number));
        Ok(())
    }

    /// Every agent asks for a page of its own that only class 3 may have, and somebody without an agent for another.
    async fn visit(
        &mut self,
        scene: &'static str,
        is_revoked: bool,
        tell: &mut impl FnMut(&Happening<'_>),
    ) -> Result<(), DemoError> {
        tell(&Happening::Scene(scene));
        let folder = if is_revoked { "after" } else { "before" };
        let site = self.site.authority;
        let url = |path: &str| format!("http://{site}{path}");
        let path = |member: Member| format!("/members/{folder}/{}", member.id());
        let mut statuses = Vec::new();
        for group in self.agents.chunks(AT_ONCE) {
            let visits = group.iter().map(|agent| async { agent.visit(&url(&path(agent.member))).await });
            statuses.extend(futures_util::future::try_join_all(visits).await?);
        }
        let visits: Vec<_> = self.agents.iter().map(|agent| agent.member).zip(statuses).collect();
        for fleet in FLEETS {
            let from = self.rows.len();
            for (member, status) in visits.iter().filter(|(member, _)| member.fleet == fleet) {
                let expected = match is_revoked && fleet == REVOKED {
                    true => Expected::rejected("revoked"),
                    false => Expected::verified(format!("{}@{DOMAIN}", member.id()), "saip-rolling"),
                };
                self.note((scene, member.id()), path(*member), expected, *status).await?;
            }
            tell(&Happening::Fleet(fleet, self.rows.get(from..).unwrap_or_default()));
        }
        let path = format!("/{folder}");
        let status = curl(&[&url(&path)]).await?;
        self.note((scene, "somebody without an agent".to_owned()), path, Expected::anonymous(), status)
            .await?;
        tell(&Happening::Fleet("anybody", self.rows.get(self.rows.len() - 1..).unwrap_or_default()));
        Ok(())
    }

    /// Puts together what gateway and web server saw of a request.
    async fn note(
        &mut self,
        (scene, name): (&'static str, String),
        path: String,
        expected: Expected,
        status: Option<u16>,
    ) -> Result<(), DemoError> {
        let told = self.site.told(&path).await;
        let (line, visit): (Line, Visit) = told.ok_or(DemoError::NotLogged(name.clone().into()))?;
        let number = self.rows.len() + 1;
        let sent = ("GET", path.into());
        self.rows.push(Row::of((number, scene, name.into()), sent, expected, (&line, status), &visit));
        Ok(())
    }
}
