-- Versions are never changed; a deployment says which of them get traffic.
CREATE TABLE versions (
  function    TEXT NOT NULL,
  number      INTEGER NOT NULL,
  component   TEXT NOT NULL,      -- SHA-256 of the component, in hexadecimal
  manifest    TEXT NOT NULL,      -- JSON
  description TEXT NOT NULL,      -- JSON
  created_at  INTEGER NOT NULL,   -- milliseconds since the Unix epoch
  PRIMARY KEY (function, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE deployments (
  function    TEXT NOT NULL,
  number      INTEGER NOT NULL,
  weight      INTEGER NOT NULL CHECK (weight > 0),
  PRIMARY KEY (function, number),
  FOREIGN KEY (function, number) REFERENCES versions (function, number)
) STRICT, WITHOUT ROWID;
