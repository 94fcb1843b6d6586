//! The tables, and how an older schema becomes the present one.

/// As [`crate::ledger`]'s other list: what has been released is never changed; a step is added.
///
/// Names and keys are as there; `epoch` counts 300 s, `salt` and `former` are 32 octets (`former` none after a while), and
/// `line` is an event as it is sent.
pub(in crate::ledger) const MIGRATIONS: [&[&str]; 1] = [&[
    "CREATE TABLE entity_state (
        one BIGINT PRIMARY KEY,
        revision BIGINT NOT NULL,
        event BIGINT NOT NULL,
        ground BIGINT NOT NULL,
        revoked BIGINT NOT NULL,
        agents BIGINT NOT NULL,
        root BLOB NOT NULL)",
    "CREATE TABLE entity_token (
        digest BLOB PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        dom TEXT NOT NULL,
        agents TEXT NOT NULL,
        uses BIGINT NOT NULL,
        expires BIGINT NOT NULL)",
    "CREATE TABLE entity_agent (
        dom TEXT NOT NULL,
        id TEXT NOT NULL,
        state TEXT NOT NULL,
        key BLOB NOT NULL,
        token TEXT NOT NULL,
        version BIGINT NOT NULL,
        epoch BIGINT NOT NULL,
        salt BLOB NOT NULL,
        former BLOB NOT NULL,
        floor BIGINT NOT NULL,
        changed BIGINT NOT NULL,
        PRIMARY KEY (dom, id))",
    "CREATE INDEX entity_agent_state ON entity_agent (state)",
    "CREATE TABLE entity_revoked (
        dom TEXT NOT NULL,
        agents TEXT NOT NULL,
        at BIGINT NOT NULL,
        PRIMARY KEY (dom, agents))",
    "CREATE TABLE entity_event (
        number BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        line TEXT NOT NULL)",
    "CREATE TABLE entity_nonce (
        who TEXT NOT NULL,
        nonce TEXT NOT NULL,
        until BIGINT NOT NULL,
        PRIMARY KEY (who, nonce))",
    "CREATE INDEX entity_nonce_until ON entity_nonce (until)",
    "CREATE TABLE entity_turn (
        dom TEXT NOT NULL,
        id TEXT NOT NULL,
        at BIGINT NOT NULL)",
    "CREATE INDEX entity_turn_agent ON entity_turn (dom, id)",
    "CREATE TABLE IF NOT EXISTS audit (
        seq BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL)",
]];
