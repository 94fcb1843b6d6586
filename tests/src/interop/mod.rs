//! Outside programs read what is written here, and are read here.

mod dns;
mod openssl;
mod record;
