//! Opening a database.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Once};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, AssertSqlSafe};

use super::entity::MarkError;
use super::entity::schema::MIGRATIONS as OF_ENTITY;
use super::schema::{MIGRATIONS as OF_REGISTRAR, of_postgres};
use super::transaction::Transaction;

/// Connections to the database: one writes, the others read lists.
const CONNECTIONS: u32 = 8;

/// The number of the lock in PostgreSQL: `avouch` and a one, in octets.
const ADVISORY_LOCK: i64 = 0x61_76_6f_75_63_68_01;

/// Why the database does not do what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Not the address of a database.
    #[error("{0:?} is no database: write sqlite:PATH, or postgres://USER@HOST/NAME")]
    Address(String),
    /// Another service uses it.
    #[error("another service uses the database: stop it, or name another database")]
    InUse,
    /// The lock beside the database cannot be had.
    #[error("cannot lock {}: {source}", path.display())]
    Lock {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It does not answer in time.
    #[error("the database does not answer in time")]
    Slow,
    /// A newer avouch has been here.
    #[error("the database has schema {found}, and this version knows {known}: use the version that wrote it")]
    Newer {
        /// Which it has.
        found: i64,
        /// Which is the latest known here.
        known: i64,
    },
    /// It cannot be reached, or refuses.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The mark beside the database cannot be used.
    #[error("{0}")]
    Mark(#[from] MarkError),
    /// Something stands in it that was never written there.
    #[error("the database holds {what} that cannot be read: restore a backup")]
    Damaged {
        /// What.
        what: &'static str,
    },
}

/// Whose database it is: each service has tables of its own, and a version of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// A registrar.
    Registrar,
    /// A registration entity.
    Entity,
}

impl Service {
    /// From nothing to the present schema.
    const fn steps(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Registrar => &OF_REGISTRAR,
            Self::Entity => &OF_ENTITY,
        }
    }

    /// The table that says how many of them were taken.
    const fn versions(self) -> &'static str {
        match self {
            Self::Registrar => "schema_version",
            Self::Entity => "entity_schema_version",
        }
    }
}

/// An open database with the present schema.
#[derive(Clone, Debug)]
pub struct Ledger {
    pool: AnyPool,
    /// Where it is.
    url: Arc<str>,
}

/// Held by whoever alone may use a database; it ends with this.
#[derive(Debug)]
pub struct Alone {
    _file: Option<File>,
    _connection: Option<PoolConnection<Any>>,
}

impl Ledger {
    /// Opens a registrar's.
    ///
    /// # Errors
    /// As [`Ledger::open_for`].
    pub async fn open(url: &str) -> Result<Self, LedgerError> {
        Self::open_for(Service::Registrar, url).await
    }

    /// Opens `sqlite:PATH` (made where it is not there) or `postgres://…`, and brings its schema up to date.
    ///
    /// # Errors
    /// [`LedgerError`]; a schema that is newer than known is not touched.
    pub async fn open_for(service: Service, url: &str) -> Result<Self, LedgerError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let address = match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() && path != ":memory:" => {
                close_to_others(Path::new(path))?;
                format!("sqlite:{path}?mode=rwc")
            }
            _ if is_postgres => url.to_owned(),
            _ => return Err(LedgerError::Address(url.to_owned())),
        };
        let options = AnyConnectOptions::from_str(&address)?;
        let pool = AnyPoolOptions::new().max_connections(CONNECTIONS);
        let pool = match is_postgres {
            true => pool,
            false => pool.after_connect(|connection, _| {
                Box::pin(async move {
                    // What is deleted is overwritten: of a secret that counts no more nothing is left in the file.
                    let lasting = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                        PRAGMA busy_timeout = 5000; PRAGMA secure_delete = ON;";
                    sqlx::raw_sql(lasting).execute(connection).await.map(drop)
                })
            }),
        };
        let ledger = Self { pool: pool.connect_with(options).await?, url: url.into() };
        ledger.migrate(service, is_postgres).await?;
        Ok(ledger)
    }

    /// Begins a transaction; dropped without a commit, nothing of it happened.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn begin(&self) -> Result<Transaction, LedgerError> {
        Ok(Transaction(self.pool.begin().await?))
    }

    /// Has it for oneself, among all who ask so: the rules of a registrar rest on what they have read.
    ///
    /// # Errors
    /// [`LedgerError::InUse`].
    pub async fn alone(&self) -> Result<Alone, LedgerError> {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let path = PathBuf::from(format!("{path}.lock"));
            let failed = |source| LedgerError::Lock { path: path.clone(), source };
            let file =
                File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
            return match file.try_lock() {
                Ok(()) => Ok(Alone { _file: Some(file), _connection: None }),
                Err(TryLockError::WouldBlock) => Err(LedgerError::InUse),
                Err(TryLockError::Error(source)) => Err(failed(source)),
            };
        }
        // PostgreSQL keeps the lock for as long as the connection is there.
        let mut connection = self.pool.acquire().await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(ADVISORY_LOCK);
        match lock.fetch_one(&mut *connection).await? {
            true => Ok(Alone { _file: None, _connection: Some(connection) }),
            false => Err(LedgerError::InUse),
        }
    }

    /// Closes it, once nothing is under way any more.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn migrate(&self, service: Service, is_postgres: bool) -> Result<(), LedgerError> {
        let (steps, table) = (service.steps(), service.versions());
        let known = steps.len() as i64;
        let mut transaction = self.pool.begin().await?;
        // Constants of ours, one of which is the name of a table.
        let versions = AssertSqlSafe(format!("CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL)"));
        sqlx::query(versions).execute(&mut *transaction).await?;
        let latest = AssertSqlSafe(format!("SELECT COALESCE(MAX(version), 0) FROM {table}"));
        let found: i64 = sqlx::query_scalar(latest).fetch_one(&mut *transaction).await?;
        if found > known {
            return Err(LedgerError::Newer { found, known });
        }
        for (version, step) in (1_i64..).zip(steps).skip(found as usize) {
            for statement in *step {
                let statement = if is_postgres { of_postgres(statement) } else { (*statement).to_owned() };
                // A constant of ours, with one word replaced.
                sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
            }
            let note = AssertSqlSafe(format!("INSERT INTO {table} (version) VALUES ($1)"));
            let note = sqlx::query(note).bind(version);
            note.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// SQLite makes files as the umask says; this one is made closed before it is opened.
fn close_to_others(path: &Path) -> Result<(), LedgerError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    file.map(drop).map_err(|error| LedgerError::Database(error.into()))
}

#[cfg(test)]
impl Ledger {
    /// Does to the database what nobody else does.
    pub(super) async fn pretend(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }
}
