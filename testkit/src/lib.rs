//! What tests share: a fake root zone, a clock, keys, peers and certificate authorities.

pub mod access_log;
pub mod binary;
pub mod bind;
pub mod certificate;
pub mod https;
pub mod maker;
pub mod message;
pub mod mmdb;
pub mod nginx;
pub mod pebble;
pub mod peers;
pub mod postgres;
pub mod primary;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod raw;
pub mod receiver;
pub mod redis;
pub mod rsyslog;
pub mod smtp;
pub mod softhsm;
pub mod swtpm;
pub mod upstream;
pub mod vector;
