//! What is asked of an open database.

use avouch_wire::time::Time;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _};

use super::open::LedgerError;
use super::rows::{Agent, AgentState, Audited, Proposal, Publication, Token};

/// Most rows of one answer; lists go on after the last id.
pub(super) const PAGE: i64 = 1_000;

/// What is read and written together.
#[derive(Debug)]
pub struct Transaction(pub(super) sqlx::Transaction<'static, Any>);

impl Transaction {
    /// What was written lasts from now on.
    ///
    /// # Errors
    /// It does not, or nobody knows: the connection broke while this was asked.
    pub async fn commit(self) -> Result<(), LedgerError> {
        Ok(self.0.commit().await?)
    }

    /// The token of this digest.
    ///
    /// # Errors
    /// As all of them: the database fails, or holds what cannot be read.
    pub async fn token(&mut self, digest: &[u8; 32]) -> Result<Option<Token>, LedgerError> {
        let found = sqlx::query("SELECT * FROM token WHERE digest = $1").bind(digest.to_vec());
        found.fetch_optional(&mut *self.0).await?.map(|row| token(&row)).transpose()
    }

    /// Every token, by name, after `after`.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn tokens(&mut self, after: &str) -> Result<Vec<Token>, LedgerError> {
        let found = sqlx::query("SELECT * FROM token WHERE name > $1 ORDER BY name LIMIT $2");
        let found = found.bind(after.to_owned()).bind(PAGE).fetch_all(&mut *self.0).await?;
        found.iter().map(token).collect()
    }

    /// Adds a token; `false` where one has its name.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn add_token(&mut self, token: &Token) -> Result<bool, LedgerError> {
        let added = sqlx::query(
            "INSERT INTO token (digest, name, agents, uses, expires, approval, attested)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        );
        let added = added.bind(token.digest.to_vec()).bind(token.name.clone()).bind(token.agents.clone());
        let added = added.bind(i64::from(token.uses)).bind(millis(token.expires));
        let added = added
            .bind(i64::from(token.approval))
            .bind(i64::from(token.attested))
            .execute(&mut *self.0)
            .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Takes one use of a token; `false` where none is left.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn use_token(&mut self, digest: &[u8; 32]) -> Result<bool, LedgerError> {
        let used = sqlx::query("UPDATE token SET uses = uses - 1 WHERE digest = $1 AND uses > 0");
        Ok(used.bind(digest.to_vec()).execute(&mut *self.0).await?.rows_affected() == 1)
    }

    /// Removes a token, with what was asked for by it; `false` where there is none of this name.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn remove_token(&mut self, name: &str) -> Result<bool, LedgerError> {
        let asked = sqlx::query("DELETE FROM proposal WHERE token = $1").bind(name.to_owned());
        asked.execute(&mut *self.0).await?;
        let removed = sqlx::query("DELETE FROM token WHERE name = $1").bind(name.to_owned());
        Ok(removed.execute(&mut *self.0).await?.rows_affected() == 1)
    }

    /// The agent of this id.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn agent(&mut self, id: &str) -> Result<Option<Agent>, LedgerError> {
        let found = sqlx::query("SELECT * FROM agent WHERE id = $1").bind(id.to_owned());
        found.fetch_optional(&mut *self.0).await?.map(|row| agent(&row)).transpose()
    }

    /// Agents of a state, or all, by id, after `after`.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn agents(
        &mut self,
        state: Option<AgentState>,
        after: &str,
    ) -> Result<Vec<Agent>, LedgerError> {
        let found = match state {
            Some(state) => {
                let text = "SELECT * FROM agent WHERE state = $1 AND id > $2 ORDER BY id LIMIT $3";
                sqlx::query(text).bind(state.name()).bind(after.to_owned())
            }
            None => {
                sqlx::query("SELECT * FROM agent WHERE id > $1 ORDER BY id LIMIT $2").bind(after.to_owned())
            }
        };
        found.bind(PAGE).fetch_all(&mut *self.0).await?.iter().map(agent).collect()
    }

    /// How many agents are in a state.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn count(&mut self, state: AgentState) -> Result<u64, LedgerError> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM agent WHERE state = $1").bind(state.name());
        let count: i64 = count.fetch_one(&mut *self.0).await?;
        Ok(count.unsigned_abs())
    }

    /// Writes an agent in place of one of its id.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn put_agent(&mut self, agent: &Agent) -> Result<(), LedgerError> {
        let put = sqlx::query(
            "INSERT INTO agent (id, state, key, tier, token, changed) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, key = excluded.key, tier = excluded.tier,
             token = excluded.token, changed = excluded.changed",
        );
        let put = put.bind(agent.id.clone()).bind(agent.state.name()).bind(agent.key.clone());
        let put = put.bind(agent.tier.clone()).bind(agent.token.clone()).bind(millis(agent.changed));
        put.execute(&mut *self.0).await?;
        Ok(())
    }

    /// Forgets an agent.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn remove_agent(&mut self, id: &str) -> Result<(), LedgerError> {
        sqlx::query("DELETE FROM agent WHERE id = $1").bind(id.to_owned()).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Revokes every agent whose id ends with this, which begins with a dot; all, where it is empty. How many there
    /// were.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn revoke_below(&mut self, suffix: &str, now: Time) -> Result<u64, LedgerError> {
        let revoked = sqlx::query(
            "UPDATE agent SET state = 'revoked', changed = $1
             WHERE state <> 'revoked' AND id LIKE $2 ESCAPE '!'",
        );
        // `_` stands in ids, and for any character in patterns.
        let revoked = revoked.bind(millis(now)).bind(format!("%{}", suffix.replace('_', "!_")));
        Ok(revoked.execute(&mut *self.0).await?.rows_affected())
    }

    /// Ids that end with this, which begins with a dot, by id, after `after`; all, where it is empty.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn below(&mut self, suffix: &str, after: &str) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar(
            "SELECT id FROM agent WHERE id LIKE $1 ESCAPE '!' AND id > $2 ORDER BY id LIMIT $3",
        );
        let pattern = format!("%{}", suffix.replace('_', "!_"));
        Ok(found.bind(pattern).bind(after.to_owned()).bind(PAGE).fetch_all(&mut *self.0).await?)
    }

    /// The other key that an agent asked for.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn proposal(&mut self, id: &str) -> Result<Option<Proposal>, LedgerError> {
        let found = sqlx::query("SELECT * FROM proposal WHERE id = $1").bind(id.to_owned());
        found.fetch_optional(&mut *self.0).await?.map(|row| proposal(&row)).transpose()
    }

    /// What agents asked for, by id, after `after`.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn proposals(&mut self, after: &str) -> Result<Vec<Proposal>, LedgerError> {
        let found = sqlx::query("SELECT * FROM proposal WHERE id > $1 ORDER BY id LIMIT $2");
        let found = found.bind(after.to_owned()).bind(PAGE).fetch_all(&mut *self.0).await?;
        found.iter().map(proposal).collect()
    }

    /// Writes a proposal in place of one of its id.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn put_proposal(&mut self, proposal: &Proposal) -> Result<(), LedgerError> {
        let put = sqlx::query(
            "INSERT INTO proposal (id, key, tier, token, made) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET key = excluded.key, tier = excluded.tier, token = excluded.token,
             made = excluded.made",
        );
        let put = put.bind(proposal.id.clone()).bind(proposal.key.clone()).bind(proposal.tier.clone());
        put.bind(proposal.token.clone()).bind(millis(proposal.made)).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Forgets a proposal.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn remove_proposal(&mut self, id: &str) -> Result<(), LedgerError> {
        sqlx::query("DELETE FROM proposal WHERE id = $1").bind(id.to_owned()).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Queues what is to stand at a name, in place of what was queued for it; where it is `fresh`, only if nothing
    /// stands there.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn queue(
        &mut self,
        name: &str,
        texts: &[String],
        fresh: bool,
        now: Time,
    ) -> Result<(), LedgerError> {
        // Added first, so that its number is another than that of the one it replaces, which may be under way.
        let put = sqlx::query(
            "INSERT INTO publication (seq, name, texts, fresh, queued, due, tries)
             SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $4, 0 FROM publication",
        );
        put.bind(name.to_owned())
            .bind(texts.join("\n"))
            .bind(i64::from(fresh))
            .bind(millis(now))
            .execute(&mut *self.0)
            .await?;
        let earlier = sqlx::query(
            "DELETE FROM publication WHERE name = $1 AND seq < (SELECT MAX(seq) FROM publication)",
        );
        earlier.bind(name.to_owned()).execute(&mut *self.0).await?;
        Ok(())
    }

    /// What is due, the oldest first.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn due(&mut self, now: Time, most: usize) -> Result<Vec<Publication>, LedgerError> {
        let found = sqlx::query("SELECT * FROM publication WHERE due <= $1 ORDER BY seq LIMIT $2");
        let found = found.bind(millis(now)).bind(i64::try_from(most).unwrap_or(PAGE));
        found.fetch_all(&mut *self.0).await?.iter().map(publication).collect()
    }

    /// How many wait to be published, since when the oldest does, and how many were tried in vain.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn waiting(&mut self) -> Result<(u64, Option<Time>, u64), LedgerError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS waiting, COALESCE(MIN(queued), -1) AS oldest,
             COUNT(CASE WHEN tries > 0 THEN 1 END) AS tried FROM publication",
        );
        let row = row.fetch_one(&mut *self.0).await?;
        let (waiting, oldest, tried): (i64, i64, i64) =
            (row.try_get("waiting")?, row.try_get("oldest")?, row.try_get("tried")?);
        let oldest = u64::try_from(oldest).ok().map(Time::from_millis);
        Ok((waiting.unsigned_abs(), oldest, tried.unsigned_abs()))
    }

    /// It stands there now. One that was queued for the name meanwhile stays.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn published(&mut self, publication: &Publication) -> Result<(), LedgerError> {
        let done = sqlx::query("DELETE FROM publication WHERE seq = $1 AND name = $2");
        done.bind(publication.seq).bind(publication.name.clone()).execute(&mut *self.0).await?;
        Ok(())
    }

    /// It is to be tried again then.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn postponed(&mut self, publication: &Publication, until: Time) -> Result<(), LedgerError> {
        let put =
            sqlx::query("UPDATE publication SET due = $1, tries = tries + 1 WHERE seq = $2 AND name = $3");
        let put = put.bind(millis(until)).bind(publication.seq).bind(publication.name.clone());
        put.execute(&mut *self.0).await?;
        Ok(())
    }

    /// Writes down what was done.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn audit(&mut self, audited: &Audited) -> Result<(), LedgerError> {
        let put = sqlx::query(
            "INSERT INTO audit (seq, at, who, what, subject, detail)
             SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5 FROM audit",
        );
        let put = put.bind(millis(audited.at)).bind(audited.who.clone()).bind(audited.what.clone());
        put.bind(audited.subject.clone()).bind(audited.detail.clone()).execute(&mut *self.0).await?;
        Ok(())
    }

    /// What was done last, the latest first.
    ///
    /// # Errors
    /// As [`Transaction::token`].
    pub async fn audited(&mut self, most: u32) -> Result<Vec<Audited>, LedgerError> {
        let found = sqlx::query("SELECT * FROM audit ORDER BY seq DESC LIMIT $1").bind(i64::from(most));
        let read = |row: &AnyRow| {
            Ok(Audited {
                at: time(row, "at")?,
                who: row.try_get("who")?,
                what: row.try_get("what")?,
                subject: row.try_get("subject")?,
                detail: row.try_get("detail")?,
            })
        };
        found.fetch_all(&mut *self.0).await?.iter().map(read).collect()
    }
}

/// Times beyond what a column holds are as good as its end.
pub(super) fn millis(time: Time) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &AnyRow, column: &'static str) -> Result<Time, LedgerError> {
    let millis: i64 = row.try_get(column)?;
    u64::try_from(millis).map(Time::from_millis).map_err(|_| LedgerError::Damaged { what: "a time" })
}

pub(super) fn number(row: &AnyRow, column: &'static str) -> Result<u32, LedgerError> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| LedgerError::Damaged { what: "a number" })
}

fn flag(row: &AnyRow, column: &'static str) -> Result<bool, LedgerError> {
    Ok(number(row, column)? != 0)
}

fn token(row: &AnyRow) -> Result<Token, LedgerError> {
    let digest: Vec<u8> = row.try_get("digest")?;
    Ok(Token {
        digest: digest.try_into().map_err(|_| LedgerError::Damaged { what: "a digest" })?,
        name: row.try_get("name")?,
        agents: row.try_get("agents")?,
        uses: number(row, "uses")?,
        expires: time(row, "expires")?,
        approval: flag(row, "approval")?,
        attested: flag(row, "attested")?,
    })
}

fn agent(row: &AnyRow) -> Result<Agent, LedgerError> {
    let state: String = row.try_get("state")?;
    Ok(Agent {
        id: row.try_get("id")?,
        state: AgentState::parse(&state).ok_or(LedgerError::Damaged { what: "a state" })?,
        key: row.try_get("key")?,
        tier: row.try_get("tier")?,
        token: row.try_get("token")?,
        changed: time(row, "changed")?,
    })
}

fn proposal(row: &AnyRow) -> Result<Proposal, LedgerError> {
    Ok(Proposal {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        tier: row.try_get("tier")?,
        token: row.try_get("token")?,
        made: time(row, "made")?,
    })
}

fn publication(row: &AnyRow) -> Result<Publication, LedgerError> {
    let texts: String = row.try_get("texts")?;
    Ok(Publication {
        seq: row.try_get("seq")?,
        name: row.try_get("name")?,
        texts: texts.lines().map(str::to_owned).collect(),
        fresh: flag(row, "fresh")?,
        due: time(row, "due")?,
        tries: number(row, "tries")?,
    })
}
