-- Who may do what, who did, and what functions know that nobody may read.
CREATE TABLE tokens (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL,
  hash        TEXT NOT NULL UNIQUE,   -- SHA-256 of the token, in hexadecimal
  scope       TEXT NOT NULL,
  is_local    INTEGER NOT NULL,       -- 1: the one in the file `token`
  created_at  INTEGER NOT NULL,       -- milliseconds since the Unix epoch
  expires_at  INTEGER,
  used_at     INTEGER                 -- to the minute
) STRICT;

CREATE TABLE audit (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at          INTEGER NOT NULL,       -- milliseconds since the Unix epoch
  token       INTEGER,                -- none: no token that is known
  who         TEXT NOT NULL,
  peer        TEXT,
  action      TEXT NOT NULL,
  target      TEXT,
  outcome     TEXT NOT NULL,
  detail      TEXT
) STRICT;

CREATE TABLE secrets (
  function    TEXT NOT NULL,
  name        TEXT NOT NULL,
  key_id      TEXT NOT NULL,          -- which key it is sealed with
  nonce       BLOB NOT NULL,
  sealed      BLOB NOT NULL,          -- XChaCha20-Poly1305
  updated_at  INTEGER NOT NULL,       -- milliseconds since the Unix epoch
  PRIMARY KEY (function, name)
) STRICT, WITHOUT ROWID;
