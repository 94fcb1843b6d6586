//! What is asked of the tables.

use std::time::Duration;

use avouch_wire::time::Time;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _};

use super::rows::{Agent, AgentState, Counts, Name, State, Token};
use crate::ledger::open::LedgerError;
use crate::ledger::transaction::{PAGE, millis, number, time};

/// The tables of a registration entity, within a transaction.
#[derive(Debug)]
pub struct Tables<'t>(pub(super) &'t mut sqlx::Transaction<'static, Any>);

impl Tables<'_> {
    /// How far it has come; `None` in a new database.
    ///
    /// # Errors
    /// As all of them: the database fails, or holds what cannot be read.
    pub async fn state(&mut self) -> Result<Option<State>, LedgerError> {
        let found = sqlx::query("SELECT * FROM entity_state").fetch_optional(&mut **self.0).await?;
        let read = |row: AnyRow| {
            Ok(State {
                revision: long(&row, "revision")?,
                event: long(&row, "event")?,
                ground: long(&row, "ground")?,
                revoked: long(&row, "revoked")?,
                agents: long(&row, "agents")?,
                root: octets(&row, "root")?,
            })
        };
        found.map(read).transpose()
    }

    /// Writes down how far it has come.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn put_state(&mut self, state: &State) -> Result<(), LedgerError> {
        let put = sqlx::query(
            "INSERT INTO entity_state (one, revision, event, ground, revoked, agents, root)
             VALUES (1, $1, $2, $3, $4, $5, $6)
             ON CONFLICT (one) DO UPDATE SET revision = excluded.revision, event = excluded.event,
             ground = excluded.ground, revoked = excluded.revoked, agents = excluded.agents, root = excluded.root",
        );
        let put = put.bind(signed(state.revision)?).bind(signed(state.event)?).bind(signed(state.ground)?);
        put.bind(signed(state.revoked)?)
            .bind(signed(state.agents)?)
            .bind(state.root.to_vec())
            .execute(&mut **self.0)
            .await?;
        Ok(())
    }

    /// The token of this digest.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn token(&mut self, digest: &[u8; 32]) -> Result<Option<Token>, LedgerError> {
        let found = sqlx::query("SELECT * FROM entity_token WHERE digest = $1").bind(digest.to_vec());
        found.fetch_optional(&mut **self.0).await?.map(|row| token(&row)).transpose()
    }

    /// Every token, by name, after `after`.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn tokens(&mut self, after: &str) -> Result<Vec<Token>, LedgerError> {
        let found = sqlx::query("SELECT * FROM entity_token WHERE name > $1 ORDER BY name LIMIT $2");
        let found = found.bind(after.to_owned()).bind(PAGE).fetch_all(&mut **self.0).await?;
        found.iter().map(token).collect()
    }

    /// Adds a token; `false` where one has its name.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn add_token(&mut self, token: &Token) -> Result<bool, LedgerError> {
        let added = sqlx::query(
            "INSERT INTO entity_token (digest, name, dom, agents, uses, expires)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        );
        let added = added.bind(token.digest.to_vec()).bind(token.name.clone()).bind(token.domain.clone());
        let added = added.bind(token.agents.clone()).bind(i64::from(token.uses)).bind(millis(token.expires));
        Ok(added.execute(&mut **self.0).await?.rows_affected() == 1)
    }

    /// Takes one use of a token; `false` where none is left.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn use_token(&mut self, digest: &[u8; 32]) -> Result<bool, LedgerError> {
        let used = sqlx::query("UPDATE entity_token SET uses = uses - 1 WHERE digest = $1 AND uses > 0");
        Ok(used.bind(digest.to_vec()).execute(&mut **self.0).await?.rows_affected() == 1)
    }

    /// Removes a token; `false` where there is none of this name.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn remove_token(&mut self, name: &str) -> Result<bool, LedgerError> {
        let removed = sqlx::query("DELETE FROM entity_token WHERE name = $1").bind(name.to_owned());
        Ok(removed.execute(&mut **self.0).await?.rows_affected() == 1)
    }

    /// An agent.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn agent(&mut self, name: &Name) -> Result<Option<Agent>, LedgerError> {
        let found = sqlx::query("SELECT * FROM entity_agent WHERE dom = $1 AND id = $2");
        let found = found.bind(name.domain.clone()).bind(name.id.clone());
        found.fetch_optional(&mut **self.0).await?.map(|row| agent(&row)).transpose()
    }

    /// Agents of a state, or all, by domain and id, after `after`.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn agents(
        &mut self,
        state: Option<AgentState>,
        after: &Name,
    ) -> Result<Vec<Agent>, LedgerError> {
        let found = sqlx::query(
            "SELECT * FROM entity_agent WHERE state LIKE $1 AND (dom > $2 OR (dom = $2 AND id > $3))
             ORDER BY dom, id LIMIT $4",
        );
        let found = found.bind(state.map_or("%", AgentState::name)).bind(after.domain.clone());
        let found = found.bind(after.id.clone()).bind(PAGE).fetch_all(&mut **self.0).await?;
        found.iter().map(agent).collect()
    }

    /// How many there are.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn counts(&mut self) -> Result<Counts, LedgerError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM entity_agent WHERE state = 'registered') AS registered,
             (SELECT COUNT(*) FROM entity_agent WHERE state = 'revoked') AS revoked,
             (SELECT COUNT(*) FROM entity_token) AS tokens",
        );
        let row = row.fetch_one(&mut **self.0).await?;
        Ok(Counts {
            registered: long(&row, "registered")?,
            revoked: long(&row, "revoked")?,
            tokens: long(&row, "tokens")?,
        })
    }

    /// Writes an agent in place of one of its name.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn put_agent(&mut self, agent: &Agent) -> Result<(), LedgerError> {
        let put = sqlx::query(
            "INSERT INTO entity_agent (dom, id, state, key, token, version, epoch, salt, former, floor, changed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (dom, id) DO UPDATE SET state = excluded.state, key = excluded.key, token = excluded.token,
             version = excluded.version, epoch = excluded.epoch, salt = excluded.salt, former = excluded.former,
             floor = excluded.floor, changed = excluded.changed",
        );
        let put = put.bind(agent.name.domain.clone()).bind(agent.name.id.clone()).bind(agent.state.name());
        let put = put.bind(agent.key.clone()).bind(agent.token.clone()).bind(signed(agent.version)?);
        let put = put.bind(signed(agent.epoch)?).bind(agent.salt.to_vec());
        let put = put.bind(agent.former.map(|octets| octets.to_vec()).unwrap_or_default());
        put.bind(signed(agent.floor)?).bind(millis(agent.changed)).execute(&mut **self.0).await?;
        Ok(())
    }

    /// Registered agents of a domain that a pattern means, at most so many: an id, `*.` and the labels after it, or `*`
    /// for all.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn meant(
        &mut self,
        domain: &str,
        agents: &str,
        most: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar(
            "SELECT id FROM entity_agent WHERE state = 'registered' AND dom = $1 AND id LIKE $2 ESCAPE '!'
             ORDER BY id LIMIT $3",
        );
        let found = found.bind(domain.to_owned()).bind(like(agents));
        Ok(found.bind(i64::try_from(most).unwrap_or(PAGE)).fetch_all(&mut **self.0).await?)
    }

    /// Revokes the registered agents of a domain that a pattern means, and writes the pattern down. How many agents.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn revoke(&mut self, domain: &str, agents: &str, now: Time) -> Result<u64, LedgerError> {
        let put = sqlx::query(
            "INSERT INTO entity_revoked (dom, agents, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        );
        let put = put.bind(domain.to_owned()).bind(agents.to_owned()).bind(millis(now));
        put.execute(&mut **self.0).await?;
        let revoked = sqlx::query(
            "UPDATE entity_agent SET state = 'revoked', changed = $1
             WHERE state = 'registered' AND dom = $2 AND id LIKE $3 ESCAPE '!'",
        );
        let revoked = revoked.bind(millis(now)).bind(domain.to_owned()).bind(like(agents));
        Ok(revoked.execute(&mut **self.0).await?.rows_affected())
    }

    /// Whether this very pattern is revoked.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn is_revoked(&mut self, domain: &str, agents: &str) -> Result<bool, LedgerError> {
        let found = sqlx::query_scalar("SELECT COUNT(*) FROM entity_revoked WHERE dom = $1 AND agents = $2");
        let found: i64 =
            found.bind(domain.to_owned()).bind(agents.to_owned()).fetch_one(&mut **self.0).await?;
        Ok(found > 0)
    }

    /// Adds an event, as it is sent.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn add_event(&mut self, number: u64, line: &str, now: Time) -> Result<(), LedgerError> {
        let put = sqlx::query("INSERT INTO entity_event (number, at, line) VALUES ($1, $2, $3)");
        let put = put.bind(signed(number)?).bind(millis(now)).bind(line.to_owned());
        put.execute(&mut **self.0).await?;
        Ok(())
    }

    /// What came after an event, at most so many.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn events(&mut self, after: u64, most: usize) -> Result<Vec<(u64, String)>, LedgerError> {
        let found =
            sqlx::query("SELECT number, line FROM entity_event WHERE number > $1 ORDER BY number LIMIT $2");
        // Beyond every number that was given away nothing came.
        let found = found.bind(signed(after).unwrap_or(i64::MAX)).bind(i64::try_from(most).unwrap_or(PAGE));
        let found = found.fetch_all(&mut **self.0).await?;
        found.iter().map(|row| Ok((long(row, "number")?, row.try_get("line")?))).collect()
    }

    /// Notes a nonce until then; `false` where it was noted already.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn note_nonce(&mut self, who: &str, nonce: &str, until: Time) -> Result<bool, LedgerError> {
        let put = sqlx::query(
            "INSERT INTO entity_nonce (who, nonce, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        );
        let put = put.bind(who.to_owned()).bind(nonce.to_owned()).bind(millis(until));
        Ok(put.execute(&mut **self.0).await?.rows_affected() == 1)
    }

    /// How many nonces of somebody are noted, and have not ended yet.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn nonces(&mut self, who: &str, now: Time) -> Result<u64, LedgerError> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM entity_nonce WHERE who = $1 AND until >= $2");
        let count = count.bind(who.to_owned()).bind(millis(now));
        let count: i64 = count.fetch_one(&mut **self.0).await?;
        Ok(count.unsigned_abs())
    }

    /// When an agent had its sequence begin elsewhere since then, the first one first.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn turns(&mut self, name: &Name, since: Time) -> Result<Vec<Time>, LedgerError> {
        let found =
            sqlx::query("SELECT at FROM entity_turn WHERE dom = $1 AND id = $2 AND at > $3 ORDER BY at");
        let found = found.bind(name.domain.clone()).bind(name.id.clone()).bind(millis(since));
        found.fetch_all(&mut **self.0).await?.iter().map(|row| time(row, "at")).collect()
    }

    /// Writes down that it did.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn add_turn(&mut self, name: &Name, now: Time) -> Result<(), LedgerError> {
        let put = sqlx::query("INSERT INTO entity_turn (dom, id, at) VALUES ($1, $2, $3)");
        let put = put.bind(name.domain.clone()).bind(name.id.clone()).bind(millis(now));
        put.execute(&mut **self.0).await?;
        Ok(())
    }

    /// Forgets what counts no more: nonces that ended, events and turns older than `kept`, and what secrets before the
    /// present ones were derived of, where those began in an epoch before this one. How many nonces are left.
    ///
    /// # Errors
    /// As [`Tables::state`].
    pub async fn tidy(&mut self, now: Time, kept: Duration, epoch: u64) -> Result<u64, LedgerError> {
        let before = millis(Time::from_millis(now.since(Time::default().after(kept)).as_millis() as u64));
        let nonces = sqlx::query("DELETE FROM entity_nonce WHERE until < $1").bind(millis(now));
        nonces.execute(&mut **self.0).await?;
        for delete in ["DELETE FROM entity_event WHERE at < $1", "DELETE FROM entity_turn WHERE at < $1"] {
            sqlx::query(delete).bind(before).execute(&mut **self.0).await?;
        }
        let wiped = sqlx::query("UPDATE entity_agent SET former = $1 WHERE epoch < $2 AND former <> $1");
        wiped.bind(Vec::<u8>::new()).bind(signed(epoch)?).execute(&mut **self.0).await?;
        let left: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM entity_nonce").fetch_one(&mut **self.0).await?;
        Ok(left.unsigned_abs())
    }
}

/// A pattern of agents as one of the database's. `_` stands in ids, and for any character in patterns.
fn like(agents: &str) -> String {
    agents.replace('_', "!_").replace('*', "%")
}

/// Numbers beyond what a column holds are never written.
fn signed(number: u64) -> Result<i64, LedgerError> {
    i64::try_from(number).map_err(|_| LedgerError::Damaged { what: "a number too large" })
}

fn long(row: &AnyRow, column: &'static str) -> Result<u64, LedgerError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| LedgerError::Damaged { what: "a number" })
}

fn octets(row: &AnyRow, column: &'static str) -> Result<[u8; 32], LedgerError> {
    let octets: Vec<u8> = row.try_get(column)?;
    octets.try_into().map_err(|_| LedgerError::Damaged { what: "32 octets" })
}

fn token(row: &AnyRow) -> Result<Token, LedgerError> {
    Ok(Token {
        digest: octets(row, "digest")?,
        name: row.try_get("name")?,
        domain: row.try_get("dom")?,
        agents: row.try_get("agents")?,
        uses: number(row, "uses")?,
        expires: time(row, "expires")?,
    })
}

fn agent(row: &AnyRow) -> Result<Agent, LedgerError> {
    let state: String = row.try_get("state")?;
    let former: Vec<u8> = row.try_get("former")?;
    Ok(Agent {
        name: Name { domain: row.try_get("dom")?, id: row.try_get("id")? },
        state: AgentState::parse(&state).ok_or(LedgerError::Damaged { what: "a state" })?,
        key: row.try_get("key")?,
        token: row.try_get("token")?,
        version: long(row, "version")?,
        epoch: long(row, "epoch")?,
        salt: octets(row, "salt")?,
        former: if former.is_empty() { None } else { Some(octets(row, "former")?) },
        floor: long(row, "floor")?,
        changed: time(row, "changed")?,
    })
}
