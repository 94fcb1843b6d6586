//! Outside programs read what is written here, and are read here.

mod acme;
mod bots;
mod breaker;
mod dns;
mod fleet;
mod front;
mod openssl;
mod own_server;
mod own_zone;
mod partners;
pub(crate) mod proxies;
mod publish;
mod record;
mod registrar;
mod site;
mod watch;
pub(crate) mod world;
