-- Calls, what was marked beside them, and the sums kept with them.
-- Rows are appended and never edited; corrections are new rows.

-- Who recorded calls: the journals' writers.
CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- What many calls have in common.
CREATE TABLE kind (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,           -- of the values: finds them
  provider TEXT NOT NULL,
  surface TEXT NOT NULL,
  model TEXT,                            -- the response model, else the requested one
  request_model TEXT,
  key_fingerprint TEXT,
  app TEXT,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  completeness TEXT NOT NULL,
  billable INTEGER NOT NULL,
  cost_state TEXT NOT NULL
) STRICT;

CREATE TABLE call (
  seq INTEGER PRIMARY KEY,
  event_id BLOB NOT NULL,
  source INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,          -- nanoseconds since 1970, UTC
  kind INTEGER NOT NULL,
  response_key INTEGER,                  -- finds a response: its run of calls and a checksum of its id
  user TEXT,
  customer TEXT,
  agent TEXT,
  session TEXT,
  project TEXT,
  cost_pico INTEGER,                     -- NULL: not known, which is not zero
  charge_pico INTEGER,
  input_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX call_event ON call (event_id, source);
CREATE INDEX call_occurred ON call (occurred_at, customer);
CREATE INDEX call_response ON call (response_key) WHERE response_key IS NOT NULL;

-- Calls that were appended together: what is read only when one of them is looked at, and their link
-- of the chain.
CREATE TABLE block (
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  detail BLOB NOT NULL,                  -- the journal's records as they came, and what was decided (blocks.py)
  hash BLOB NOT NULL                     -- SHA-256 of a version byte, the block before's hash, this block
) STRICT;

-- Calls with everything they have in columns.
CREATE VIEW call_whole AS
SELECT
  c.seq AS seq, c.event_id AS event_id, s.name AS source, c.occurred_at AS occurred_at,
  (SELECT recorded_at FROM block WHERE first_seq <= c.seq ORDER BY first_seq DESC LIMIT 1) AS recorded_at,
  k.provider AS provider, k.surface AS surface, k.model AS model, k.request_model AS request_model,
  c.response_key AS response_key, k.key_fingerprint AS key_fingerprint, k.app AS app, c.user AS user,
  c.customer AS customer, c.agent AS agent, c.session AS session, c.project AS project,
  k.status AS status, k.outcome AS outcome, k.completeness AS completeness, k.billable AS billable,
  k.cost_state AS cost_state, c.cost_pico AS cost_pico, c.charge_pico AS charge_pico,
  c.input_tokens AS input_tokens, c.cache_read_input_tokens AS cache_read_input_tokens,
  c.cache_creation_input_tokens AS cache_creation_input_tokens, c.output_tokens AS output_tokens,
  c.reasoning_output_tokens AS reasoning_output_tokens, NULL AS rating
FROM call c CROSS JOIN kind k ON k.id = c.kind CROSS JOIN source s ON s.id = c.source;

-- Gaps, torn tails, lost records, clock jumps: what a reader of the calls has to know.
CREATE TABLE mark (
  id INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  writer TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,                  -- JSON
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (
  seq INTEGER PRIMARY KEY,               -- the last call it covers
  hash BLOB NOT NULL,
  mark_id INTEGER NOT NULL,              -- the last mark it covers
  mark_hash BLOB NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER call_never_updated BEFORE UPDATE ON call
  BEGIN SELECT RAISE(ABORT, 'calls are never edited; append a correction'); END;
CREATE TRIGGER call_never_deleted BEFORE DELETE ON call
  BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END;
CREATE TRIGGER source_never_updated BEFORE UPDATE ON source
  BEGIN SELECT RAISE(ABORT, 'calls are never edited; append a correction'); END;
CREATE TRIGGER source_never_deleted BEFORE DELETE ON source
  BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END;
CREATE TRIGGER kind_never_updated BEFORE UPDATE ON kind
  BEGIN SELECT RAISE(ABORT, 'calls are never edited; append a correction'); END;
CREATE TRIGGER kind_never_deleted BEFORE DELETE ON kind
  BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END;
CREATE TRIGGER block_never_updated BEFORE UPDATE ON block
  BEGIN SELECT RAISE(ABORT, 'calls are never edited; append a correction'); END;
CREATE TRIGGER block_never_deleted BEFORE DELETE ON block
  BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END;
CREATE TRIGGER mark_never_updated BEFORE UPDATE ON mark
  BEGIN SELECT RAISE(ABORT, 'marks are never edited'); END;
CREATE TRIGGER mark_never_deleted BEFORE DELETE ON mark
  BEGIN SELECT RAISE(ABORT, 'marks are never deleted'); END;
CREATE TRIGGER checkpoint_never_updated BEFORE UPDATE ON checkpoint
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never edited'); END;
CREATE TRIGGER checkpoint_never_deleted BEFORE DELETE ON checkpoint
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;

-- How far each writer's journal has been applied, committed with the rows themselves.
CREATE TABLE applied (
  writer TEXT PRIMARY KEY,
  segment INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  seq INTEGER NOT NULL,                  -- the next record's number
  finished INTEGER NOT NULL,             -- the writer is dead and nothing of it is left
  last_call INTEGER NOT NULL,            -- the newest call when this was written
  hash BLOB NOT NULL                     -- over this row and that call's hash
) STRICT, WITHOUT ROWID;

-- Exchanges that were begun and have not ended.
CREATE TABLE pending (
  event_id BLOB PRIMARY KEY,
  writer TEXT NOT NULL,
  intent BLOB NOT NULL,
  partial BLOB
) STRICT, WITHOUT ROWID;

-- Exchanges that fetched a result made earlier (GET of a response) and were billed for it.
CREATE TABLE retrieval (
  provider TEXT NOT NULL,
  response_id TEXT NOT NULL,
  event_id BLOB NOT NULL,
  PRIMARY KEY (provider, response_id)
) STRICT, WITHOUT ROWID;

-- Sums. Money is two columns, whole micro-dollars and the pico-dollars beyond them: a sum of
-- pico-dollars alone would leave 64 bits at nine million dollars. The empty text is "none".
-- $SUMS stands for the columns that every table of sums has (measures.py).

-- Every combination of the dimensions that have few values.
CREATE TABLE cell (
  id INTEGER PRIMARY KEY,
  surface TEXT NOT NULL, provider TEXT NOT NULL, status TEXT NOT NULL, cost_state TEXT NOT NULL,
  app TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL, request_model TEXT NOT NULL,
  outcome TEXT NOT NULL,
  UNIQUE (model, key, app, status, cost_state, request_model, surface, provider, outcome)
) STRICT;

-- Written with the calls.
CREATE TABLE hour_cell (
  hour INTEGER NOT NULL, cell INTEGER NOT NULL,
  $SUMS,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  PRIMARY KEY (hour, cell)
) STRICT, WITHOUT ROWID;

-- One dimension at a time; dimension 0 is all calls together, the others as in filter.py. Those of
-- `cell` are made once the hour is quiet.
CREATE TABLE hour_value (
  dimension INTEGER NOT NULL, hour INTEGER NOT NULL, value TEXT NOT NULL,
  $SUMS,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  PRIMARY KEY (dimension, hour, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE minute_model (
  minute INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (minute, provider, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_project_model (
  day INTEGER NOT NULL, project TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (day, project, provider, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_customer_model (
  day INTEGER NOT NULL, customer TEXT NOT NULL,
  provider TEXT NOT NULL, surface TEXT NOT NULL, model TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (day, customer, provider, surface, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_customer_key (
  day INTEGER NOT NULL, customer TEXT NOT NULL, key TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (day, customer, key)
) STRICT, WITHOUT ROWID;

-- Made of those above once an hour or a day is quiet; which pair has which number is in tables.py.
CREATE TABLE hour_pair (
  pair INTEGER NOT NULL, hour INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (pair, hour, a, b)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_pair (
  pair INTEGER NOT NULL, day INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (pair, day, a, b)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_value (
  dimension INTEGER NOT NULL, day INTEGER NOT NULL, value TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (dimension, day, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_cell (
  day INTEGER NOT NULL, cell INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (day, cell)
) STRICT, WITHOUT ROWID;

-- Hours and days whose made sums are not there, or not the newest: others answer for them.
CREATE TABLE stale_hour (hour INTEGER PRIMARY KEY, touched_at INTEGER NOT NULL) STRICT;
CREATE TABLE stale_day (day INTEGER PRIMARY KEY) STRICT;

-- Days on which a dimension had more values than are counted each: the rest of them is `(other)`.
CREATE TABLE overflow (
  day INTEGER NOT NULL, dimension INTEGER NOT NULL,
  PRIMARY KEY (day, dimension)
) STRICT, WITHOUT ROWID;
