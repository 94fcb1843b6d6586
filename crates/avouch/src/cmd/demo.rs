//! `avouch demo`: the whole system at work on this machine, in a few seconds.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_demo::{DemoError, Fleet, Happening, Row, SIZES, Table, World, Zone};
use clap::Args;

/// See a site behind avouch receive every kind of request
///
/// Starts a signed DNS root, a web server, the gateway before it and agents with fresh keys, all
/// on free ports of this machine, and sends real requests: honest ones, false ones, attacks. Each
/// is shown with the class of the sender, who it is, what was decided, and why. Nothing is kept.
///
/// With --fleet, agents make their keys in software TPMs and enrol with a registrar; plain curl asks through them; a part of
/// them is revoked by one record. It wants swtpm and curl.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch demo
  avouch demo --once --json
  avouch demo --fleet 100
  avouch demo --serve")]
pub(crate) struct Demo {
    /// Play the script once and end: 0 if all came out as it must, 1 otherwise (the default)
    #[arg(long, conflicts_with = "serve")]
    once: bool,
    /// Keep everything running afterwards, for requests of your own
    #[arg(long)]
    serve: bool,
    /// Print one JSON array, an object for each request
    #[arg(long)]
    json: bool,
    /// Print the gateway's configuration instead of playing the script
    #[arg(long, conflicts_with_all = ["json", "once"])]
    print_config: bool,
    /// See a fleet of so many agents instead, from enrolment to revocation
    #[arg(long, value_name = "AGENTS", conflicts_with_all = ["serve", "print_config"],
        value_parser = clap::value_parser!(u16).range(i64::from(*SIZES.start())..=i64::from(*SIZES.end())))]
    fleet: Option<u16>,
}

impl Demo {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        if let Some(size) = self.fleet {
            return self.fleet(size).await;
        }
        let mut world = World::start().await.map_err(|error| failure(&error))?;
        let exit = if self.print_config {
            output::octets(world.config().as_bytes())?;
            Exit::Positive
        } else {
            let rows = if self.json { quietly(&mut world).await? } else { aloud(&mut world).await? };
            Exit::from_answer(rows.iter().all(|row| row.as_expected))
        };
        if self.serve {
            serve(&world).await?;
        }
        world.stop().await;
        Ok(exit)
    }

    async fn fleet(&self, size: u16) -> Result<Exit, Failure> {
        let mut fleet = Fleet::start(size, &Zone::OfRegistrar).await.map_err(|error| failure(&error))?;
        let played = match self.json {
            true => fleet.play(|_| ()).await,
            false => {
                let table = Table { coloured: output::is_data_coloured() };
                let mut told = Ok(());
                let tell = |happening: &Happening<'_>| {
                    if told.is_ok() {
                        told = output::data(table.lines(happening));
                    }
                };
                let played = fleet.play(tell).await;
                told?;
                played
            }
        };
        let rows = played.map_err(|error| failure(&error))?;
        match self.json {
            true => output::json(&rows)?,
            false => output::data(Table { coloured: output::is_data_coloured() }.fleets(rows))?,
        }
        let exit = Exit::from_answer(rows.iter().all(|row| row.as_expected));
        fleet.stop().await;
        Ok(exit)
    }
}

async fn quietly(world: &mut World) -> Result<Vec<Row>, Failure> {
    let rows = world.play(|_| ()).await.map_err(|error| failure(&error))?;
    output::json(&rows)?;
    Ok(rows)
}

async fn aloud(world: &mut World) -> Result<Vec<Row>, Failure> {
    let table = Table { coloured: output::is_data_coloured() };
    output::data(table.head())?;
    let mut told = Ok(());
    let tell = |happening: &Happening<'_>| {
        if told.is_ok() {
            told = output::data(table.lines(happening));
        }
    };
    let rows = world.play(tell).await.map_err(|error| failure(&error))?;
    told?;
    output::data(table.summary(&rows))?;
    Ok(rows)
}

/// Waits for Ctrl-C.
async fn serve(world: &World) -> Result<(), Failure> {
    output::talk(format_args!(
        "\nThe gateway listens on {0} until Ctrl-C. For example:\n  \
         curl -H 'Host: www.shop.example' http://{0}/",
        world.address()
    ));
    tokio::signal::ctrl_c().await.map_err(|error| Failure::unknown(format_args!("signals: {error}")))
}

fn failure(error: &DemoError) -> Failure {
    let failure = Failure::configuration(error);
    match error {
        DemoError::Missing(program) => {
            failure.fix(format_args!("install it, on Debian by `apt install {program}`"))
        }
        _ => failure,
    }
}
