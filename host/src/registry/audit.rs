//! Who changed what, and who was refused: the last entries, in the database.

use super::millis::Millis;
use super::{Registry, RegistryError, now_ms};
use rusqlite::{Row, TransactionBehavior, params};
use schemars::JsonSchema;
use serde::Serialize;

/// Entries that are kept of those who showed a token, or needed none.
pub const MAX_ENTRIES: u32 = 10_000;

/// Entries that are kept of everybody else: whoever knocks often enough to fill
/// these drives no others out.
const MAX_STRANGERS: u32 = 1_000;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Who asked may not, or what they asked cannot be.
    Refused,
    /// The host could not.
    Failed,
}

impl Outcome {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "done" => Self::Done,
            "refused" => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever has this token.
    Token {
        /// Its number.
        id: u32,
        /// Its name.
        name: String,
    },
    /// Whoever started the process, as with `dunlin up`.
    Local,
    /// The host itself.
    Host,
    /// Nobody knows: no token, or none that opens.
    Stranger,
}

impl Actor {
    fn id(&self) -> Option<u32> {
        match self {
            Self::Token { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// For people.
    pub fn name(&self) -> &str {
        match self {
            Self::Token { name, .. } => name,
            Self::Local => "local",
            Self::Host => "host",
            Self::Stranger => "unknown",
        }
    }
}

/// One entry to be.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// From which address.
    pub peer: Option<String>,
    /// What, as in `deploy`.
    pub action: &'a str,
    /// To what: a function, a version, a secret, a token.
    pub target: Option<&'a str>,
    /// What became of it.
    pub outcome: Outcome,
    /// How, or why not.
    pub detail: Option<&'a str>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuditEntry {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The number of the token, if there was one.
    pub token: Option<u32>,
    /// Its name, or who else it was.
    pub who: String,
    /// From which address.
    pub peer: Option<String>,
    /// What.
    pub action: String,
    /// To what.
    pub target: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// How, or why not.
    pub detail: Option<String>,
}

impl AuditEntry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            at_ms: row.get::<_, Millis>("at")?.0,
            token: row.get("token")?,
            who: row.get("who")?,
            peer: row.get("peer")?,
            action: row.get("action")?,
            target: row.get("target")?,
            outcome: Outcome::parse(&row.get::<_, String>("outcome")?),
            detail: row.get("detail")?,
        })
    }
}

impl Registry {
    /// Writes an entry down, here and in the process's log. What was done is
    /// done: that it could not be written down is logged, and no error.
    pub fn audit(&self, act: &Act<'_>) {
        let Act {
            actor,
            peer,
            action,
            target,
            outcome,
            detail,
        } = act;
        let who = actor.name();
        tracing::info!(
            target: "dunlin",
            who,
            token = actor.id(),
            peer,
            on = target,
            detail,
            "{action}: {}",
            outcome.as_str()
        );
        if let Err(error) = self.insert_act(act) {
            tracing::error!(
                target: "dunlin",
                error = &error as &dyn std::error::Error,
                "this is missing in the audit log"
            );
        }
    }

    fn insert_act(&self, act: &Act<'_>) -> Result<(), RegistryError> {
        let mut database = self.database();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "INSERT INTO audit (at, token, who, peer, action, target, outcome, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                Millis(now_ms()),
                act.actor.id(),
                act.actor.name(),
                act.peer,
                act.action,
                act.target,
                act.outcome.as_str(),
                act.detail,
            ],
        )?;
        let stranger = Actor::Stranger.name();
        for (of, most) in [
            ("(who <> ?1 OR token IS NOT NULL)", MAX_ENTRIES),
            ("(who = ?1 AND token IS NULL)", MAX_STRANGERS),
        ] {
            transaction.execute(
                &format!(
                    "DELETE FROM audit WHERE {of} AND id <= (SELECT id FROM audit WHERE {of}
                     ORDER BY id DESC LIMIT 1 OFFSET ?2)"
                ),
                params![stranger, most],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// The last `tail` entries, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn audit_log(&self, tail: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let database = self.database();
        let mut entries = database.prepare("SELECT * FROM audit ORDER BY id DESC LIMIT ?1")?;
        let entries = entries.query_map([tail], AuditEntry::read)?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.reverse();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_drive_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        registry
            .database()
            .pragma_update(None, "synchronous", "OFF")
            .unwrap();
        let deploy = |actor: &Actor, outcome| {
            let target = Some("shop@1");
            let act = Act {
                actor,
                peer: None,
                action: "deploy",
                target,
                outcome,
                detail: None,
            };
            registry.insert_act(&act).unwrap();
        };
        // The name proves nothing: only a token does.
        let named = Actor::Token {
            id: 7,
            name: "unknown".to_owned(),
        };
        deploy(&named, Outcome::Done);
        deploy(&Actor::Local, Outcome::Done);
        for _ in 0..=MAX_STRANGERS {
            deploy(&Actor::Stranger, Outcome::Refused);
        }
        let entries = registry.audit_log(u32::MAX).unwrap();
        assert_eq!(entries.len(), 2 + MAX_STRANGERS as usize);
        assert_eq!((entries[0].token, &*entries[1].who), (Some(7), "local"));
        assert_eq!(entries[2].outcome, Outcome::Refused);
        assert_eq!(registry.audit_log(1).unwrap(), entries[entries.len() - 1..]);
    }

    #[test]
    fn the_oldest_entries_go() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let fill = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_ENTRIES})
             INSERT INTO audit (at, token, who, action, outcome) SELECT i, 1, 'a', 'split', 'done' FROM n"
        );
        registry.database().execute(&fill, []).unwrap();
        registry.audit(&Act {
            actor: &Actor::Host,
            peer: None,
            action: "abort",
            target: None,
            outcome: Outcome::Failed,
            detail: None,
        });
        let entries = registry.audit_log(u32::MAX).unwrap();
        assert_eq!(entries.len(), MAX_ENTRIES as usize);
        assert_eq!(entries[0].at_ms, 2);
        assert_eq!(entries[entries.len() - 1].who, "host");
    }
}
