//! What is wrong with the store, in words for whoever can mend it.

use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::script::SKEW;

/// Why nothing can be entered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("does not take the name or password: correct `url` or `password_file` in [store] ({0})")]
    Refused(RedisError),
    #[error("has no database {0}: correct `url` in [store], or raise `databases` of Redis")]
    Database(i64),
    #[error("did not answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("broke the connection")]
    Broken,
    #[error("is another server than when the connection began, or has evicted since")]
    Another,
    #[error(
        "may forget what is used (maxmemory-policy {0}), so a replay could get through: set `maxmemory-policy noeviction` in Redis"
    )]
    Evicts(String),
    #[error("is full: raise `maxmemory` of Redis; what has ended makes room by itself")]
    Full,
    #[error(
        "has a clock that is {0} s ahead of this gateway's (negative: behind), which is more than {SKEW} s: keep both by NTP"
    )]
    Clock(i64),
    #[error("is a replica that takes no writes: name the primary in `url` of [store]")]
    ReadOnly,
    #[error("is a Redis Cluster, which is not spoken: name a single server in `url` of [store]")]
    Cluster,
    #[error("lets this user do too little: allow it {NEEDS} ({0})")]
    Forbidden(RedisError),
    #[error("says nothing of its run and its eviction by INFO, without which nothing can be accepted")]
    Untold,
    #[error(
        "holds something that is none of ours under avouch:GROUP: delete it, and give whoever wrote it another prefix ({0})"
    )]
    Foreign(RedisError),
    #[error("is loading its data")]
    Loading,
    #[error("answers with an error: {0}")]
    Error(RedisError),
}

/// What a user of Redis must be allowed for us.
pub(crate) const NEEDS: &str = "`+select +info +script|load +evalsha +eval +time +get +set +del ~avouch:*`";

impl Trouble {
    /// What an error while a connection begins means.
    pub(crate) fn of_greeting(error: RedisError, database: i64) -> Self {
        // One error of a pipeline stands in a list of them.
        let text = error.to_string();
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Refused(error),
            _ if ["WRONGPASS", "NOAUTH", "AUTH"].iter().any(|word| text.contains(word)) => {
                Self::Refused(error)
            }
            _ if text.contains("DB index") || text.contains("database number") => Self::Database(database),
            _ => Self::of(error),
        }
    }

    /// What an error of a command means.
    pub(crate) fn of(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => Self::Loading,
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot,
            ) => Self::Cluster,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Forbidden(error),
            _ if error.code() == Some("NOAUTH") => Self::Refused(error),
            _ if error.code() == Some("OOM") => Self::Full,
            _ if error.code() == Some("WRONGTYPE") => Self::Foreign(error),
            // Redis rewraps errors of commands that a script called.
            _ if error.detail().is_some_and(|detail| detail.contains("READONLY")) => Self::ReadOnly,
            _ if error.detail().is_some_and(|detail| detail.contains("OOM ")) => Self::Full,
            _ if error.is_io_error() || error.is_unrecoverable_error() => Self::Broken,
            _ => Self::Error(error),
        }
    }

    /// Whether another connection may mend it, and this one will not.
    pub(crate) const fn ends_connection(&self) -> bool {
        !matches!(
            self,
            Self::Evicts(_) | Self::Full | Self::Clock(_) | Self::Foreign(_) | Self::Loading | Self::Error(_)
        )
    }
}
