-- Deployments have a history, and what was counted once is not counted again.
CREATE TABLE functions (
  name        TEXT NOT NULL PRIMARY KEY,
  versions    INTEGER NOT NULL,   -- the highest version number ever given
  revisions   INTEGER NOT NULL    -- the same for deployments
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
  function    TEXT NOT NULL,
  revision    INTEGER NOT NULL,   -- the highest is in force
  split       TEXT NOT NULL,      -- JSON: weights by version number
  cause       TEXT NOT NULL,
  before      INTEGER,            -- the revision that a rollback goes back to
  canary      TEXT,               -- JSON
  created_at  INTEGER NOT NULL,   -- milliseconds since the Unix epoch
  PRIMARY KEY (function, revision)
) STRICT, WITHOUT ROWID;

INSERT INTO history
  SELECT d.function, 1, json_group_object(d.number, d.weight), 'deploy', NULL, NULL,
         max(v.created_at)
  FROM deployments d JOIN versions v USING (function, number) GROUP BY d.function;

INSERT INTO functions
  SELECT function, max(number), 1 FROM versions GROUP BY function;

DROP TABLE deployments;
ALTER TABLE history RENAME TO deployments;
