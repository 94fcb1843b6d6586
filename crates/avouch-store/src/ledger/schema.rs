//! The tables, and how an older schema becomes the present one.

/// Steps from nothing to the present schema. What has been released is never changed; a step is added.
///
/// Times are milliseconds since 1970, flags 0 or 1 (SQLite has no other), keys the octets of a record's `pk`, digests SHA-256.
pub(super) const MIGRATIONS: [&[&str]; 3] = [FIRST, ZONE, ATTESTED];

const FIRST: &[&str] = &[
    "CREATE TABLE token (
        digest BLOB PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        agents TEXT NOT NULL,
        uses BIGINT NOT NULL,
        expires BIGINT NOT NULL,
        approval BIGINT NOT NULL,
        attested BIGINT NOT NULL)",
    "CREATE TABLE agent (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        key BLOB NOT NULL,
        tier TEXT NOT NULL,
        token TEXT NOT NULL,
        changed BIGINT NOT NULL)",
    "CREATE INDEX agent_state ON agent (state, id)",
    "CREATE TABLE proposal (
        id TEXT PRIMARY KEY,
        key BLOB NOT NULL,
        tier TEXT NOT NULL,
        token TEXT NOT NULL,
        made BIGINT NOT NULL)",
    "CREATE TABLE publication (
        seq BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        texts TEXT NOT NULL,
        fresh BIGINT NOT NULL,
        queued BIGINT NOT NULL,
        due BIGINT NOT NULL,
        tries BIGINT NOT NULL)",
    "CREATE INDEX publication_name ON publication (name)",
    "CREATE TABLE audit (
        seq BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL)",
];

/// The serial number of a zone of our own, which never goes back.
const ZONE: &[&str] = &["CREATE TABLE zone (
        name TEXT PRIMARY KEY,
        serial BIGINT NOT NULL)"];

/// By which TPM a key was attested, and who made that.
const ATTESTED: &[&str] = &[
    "ALTER TABLE agent ADD COLUMN endorsement TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE agent ADD COLUMN maker TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE proposal ADD COLUMN endorsement TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE proposal ADD COLUMN maker TEXT NOT NULL DEFAULT ''",
];

/// PostgreSQL has another word for octets.
pub(super) fn of_postgres(statement: &str) -> String {
    statement.replace(" BLOB", " BYTEA")
}
