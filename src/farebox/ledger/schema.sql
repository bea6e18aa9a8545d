-- The record: rows that are appended and never edited. There are no sums here; questions are answered
-- by the replica that follows it (farebox/analytics). What is read only of single calls is in `block`.

-- Writers, by the name they give themselves.
CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- What many calls have in common, stored once. `digest` is SHA-256 over the values.
CREATE TABLE call_class (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  provider TEXT NOT NULL,
  surface TEXT NOT NULL,
  host TEXT NOT NULL,
  model TEXT,                            -- the response's, else the request's
  request_model TEXT,
  key_fingerprint TEXT,
  status INTEGER NOT NULL,               -- 0: the client was sent none
  outcome TEXT NOT NULL,
  error_class TEXT,
  streamed INTEGER NOT NULL,
  completeness TEXT NOT NULL,
  billable INTEGER NOT NULL,
  cost_state TEXT NOT NULL
) STRICT;

-- Personal values, each once, with a salt of its own. Erasing one sets value and salt to NULL; rows refer
-- to it by number and the chain covers the commitment, so numbers, sums and chain stay. A mark of kind
-- `erased` has the numbers.
CREATE TABLE personal (
  id INTEGER PRIMARY KEY,
  field TEXT NOT NULL,
  value TEXT,
  salt BLOB,
  commitment BLOB NOT NULL               -- SHA-256(salt, field, 0, value)
) STRICT;
CREATE UNIQUE INDEX personal_value ON personal (field, value) WHERE value IS NOT NULL;

-- Whose calls they are: every combination once. `fields` is JSON, name to [value, what said so]; a value
-- is a text, or the number of a personal one. `digest` is SHA-256 over the other columns.
CREATE TABLE attribution (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  verified INTEGER NOT NULL,             -- bound by a key or a client token, not only stated
  fields TEXT NOT NULL
) STRICT;
CREATE INDEX attribution_session ON attribution (fields ->> '$.session[0]');

-- One row a call, and two more for each correction: a reversal (sign -1) of the row before and a
-- replacement (sign 1), both at the call's moment. Money and tokens carry the sign, so that sums add up.
CREATE TABLE call (
  seq INTEGER PRIMARY KEY,
  event_id BLOB NOT NULL,                -- 16 bytes: a UUID, else of SHA-256(source, 0, id)
  source INTEGER NOT NULL,
  revision INTEGER NOT NULL,             -- 0 as it was seen; 1, 3, 5 … reversals; 2, 4, 6 … replacements
  sign INTEGER NOT NULL,
  reverses INTEGER,                      -- the row that a reversal takes back
  occurred_at INTEGER NOT NULL,          -- nanoseconds since 1970, UTC
  call_class INTEGER NOT NULL,
  attribution INTEGER NOT NULL,
  step TEXT,
  parent_step TEXT,
  response_key INTEGER,                  -- finds a response: its run of rows and a checksum of its id
  max_tokens INTEGER,                    -- what the request allowed the response to have
  first_byte_us INTEGER NOT NULL,
  total_us INTEGER NOT NULL,
  cost_pico INTEGER,                     -- NULL: not known, which is not zero
  charge_pico INTEGER,
  input_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX call_identity ON call (event_id, source, revision);
CREATE INDEX call_response ON call (response_key) WHERE response_key IS NOT NULL AND revision = 0;
CREATE UNIQUE INDEX call_reversed ON call (reverses) WHERE reverses IS NOT NULL;

-- Rows that were appended together: what is read only when one of them is looked at, and their link of
-- the chain, which covers the personal values that came with them, too.
CREATE TABLE block (
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  last_personal INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  detail BLOB NOT NULL,                  -- records and ratings (append/blocks.py)
  hash BLOB NOT NULL                     -- SHA-256 of a version byte, the block before's hash, this block
) STRICT;

-- How a call was seen by others than the one that made its first row: proxy, SDK, OTLP, agent log, kernel.
-- A witness that turns out to be of another call is written again; its newest row stands. A chain of its own.
CREATE TABLE witness (
  id INTEGER PRIMARY KEY,
  call_seq INTEGER NOT NULL,             -- the call's row of revision 0
  kind TEXT NOT NULL,
  source INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  attribution INTEGER NOT NULL,          -- whose call it says it is
  record BLOB NOT NULL,                  -- what it said, without that
  figures_digest BLOB NOT NULL,
  after_seq INTEGER NOT NULL,            -- the newest row when this was appended
  last_personal INTEGER NOT NULL,        -- it covers the personal values that came with it, too
  recorded_at INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX witness_call ON witness (call_seq);
CREATE INDEX witness_event ON witness (event_id);

-- What came of the work, and how good it was: no cost of its own, the same identity and attribution.
CREATE TABLE outcome (
  id INTEGER PRIMARY KEY,
  event_id BLOB NOT NULL,
  source INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  sign INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  attribution INTEGER NOT NULL,
  step TEXT,
  name TEXT NOT NULL,
  value TEXT,                            -- decimal
  payload_sha256 BLOB NOT NULL,
  after_seq INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (event_id, source, revision)
) STRICT;
CREATE TABLE score (
  id INTEGER PRIMARY KEY,
  event_id BLOB NOT NULL,
  source INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  sign INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  attribution INTEGER NOT NULL,
  step TEXT,
  name TEXT NOT NULL,
  value TEXT,                            -- decimal
  payload_sha256 BLOB NOT NULL,
  after_seq INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (event_id, source, revision)
) STRICT;

-- Gaps, torn tails, lost records, clock jumps, final invoices: what a reader of the calls has to know.
CREATE TABLE mark (
  id INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  writer TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,                  -- JSON
  hash BLOB NOT NULL
) STRICT;

CREATE INDEX mark_erased ON mark (id) WHERE kind = 'erased';

-- The newest row of each chain beside the calls, so that rows cut from its end are missed.
CREATE TABLE chain_end (
  chain TEXT PRIMARY KEY,                -- mark, witness, outcome, score
  last_id INTEGER NOT NULL,
  hash BLOB NOT NULL                     -- that row's
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
  seq INTEGER PRIMARY KEY,               -- the last row it covers
  hash BLOB NOT NULL,
  mark_id INTEGER NOT NULL,              -- the last mark it covers
  mark_hash BLOB NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT;

-- What a checkpoint says, with the ends of the other chains, signed by this installation's key. Without a line
-- here a checkpoint was written where nothing could be signed.
CREATE TABLE checkpoint_signature (
  seq INTEGER PRIMARY KEY,               -- the checkpoint's
  text TEXT NOT NULL,
  key TEXT NOT NULL,                     -- Ed25519, the public part, hexadecimal
  signature TEXT NOT NULL
) STRICT;

-- How far each writer's journal has been applied, committed with the rows themselves.
CREATE TABLE applied (
  writer TEXT PRIMARY KEY,
  segment INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  seq INTEGER NOT NULL,                  -- the next record's number
  finished INTEGER NOT NULL,             -- the writer is dead and nothing of it is left
  last_call INTEGER NOT NULL,            -- the newest row when this was written
  hash BLOB NOT NULL                     -- over this row and that row's block's hash
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

-- Estimates that came before the call they are for; the two are in different journals.
CREATE TABLE waiting_estimate (
  event_id BLOB NOT NULL,
  source TEXT NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (event_id, source)
) STRICT, WITHOUT ROWID;

-- Small state that rating and estimating go by; nothing else here is derived.

-- What each charge of a customer's plan has seen in a period: what the next call adds to it depends on that.
CREATE TABLE plan_period (
  charge TEXT NOT NULL,                  -- SUBSCRIPTION/PLAN@VERSION/CHARGE
  period_ns INTEGER NOT NULL,            -- when it begins
  quantity TEXT NOT NULL,                -- exact: 1250, or 1/3
  events INTEGER NOT NULL,
  PRIMARY KEY (period_ns, charge)
) STRICT, WITHOUT ROWID;

-- By which mappings and plans the calls above were ascribed and charged, so that a change of them is noticed.
CREATE TABLE known_terms (
  customer TEXT PRIMARY KEY,             -- SHA-256 of its name, or empty: what names stand for
  digest TEXT NOT NULL,
  since_ns INTEGER NOT NULL              -- when its running period began
) STRICT, WITHOUT ROWID;
-- How far the calls have been looked at again after such a change; one row, and none when that is done.
CREATE TABLE terms_walk (
  digest TEXT PRIMARY KEY,               -- of what is applied
  seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tokens and bytes of the last measured calls of a model, to estimate calls that state no usage by.
CREATE TABLE calibration (
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  surface TEXT NOT NULL,
  streamed INTEGER NOT NULL,
  samples BLOB NOT NULL,                 -- MessagePack: input tokens and output tokens a million bytes
  PRIMARY KEY (provider, model, surface, streamed)
) STRICT, WITHOUT ROWID;

-- What a later witness is compared with: every witness, once more than one kind has been seen. Made of
-- the rows above, for the calls from `joined_since` on, and made again for earlier ones when they are asked for.
CREATE TABLE sighting (
  id INTEGER PRIMARY KEY,
  call_seq INTEGER NOT NULL,             -- the call it is of now
  core INTEGER NOT NULL,                 -- the same for witnesses that ids join
  row_seq INTEGER,                       -- the first row that was made of it, where one was
  told INTEGER NOT NULL,                 -- the call its newest row of `witness` names, else 0
  event_key INTEGER NOT NULL,
  moment_key INTEGER NOT NULL,           -- two seconds and a fingerprint
  response_key INTEGER,                  -- a day and an id
  request_key INTEGER,
  facts BLOB NOT NULL
) STRICT;
CREATE INDEX sighting_call ON sighting (call_seq);
CREATE INDEX sighting_event ON sighting (event_key);
CREATE INDEX sighting_moment ON sighting (moment_key);
CREATE INDEX sighting_response ON sighting (response_key) WHERE response_key IS NOT NULL;
CREATE INDEX sighting_request ON sighting (request_key) WHERE request_key IS NOT NULL;
CREATE TABLE joined_since (
  seq INTEGER PRIMARY KEY                -- calls from this row on have their sightings
) STRICT;

CREATE TRIGGER source_never_updated BEFORE UPDATE ON source
  BEGIN SELECT RAISE(ABORT, 'sources are never edited'); END;
CREATE TRIGGER source_never_deleted BEFORE DELETE ON source
  BEGIN SELECT RAISE(ABORT, 'sources are never deleted'); END;
CREATE TRIGGER call_class_never_updated BEFORE UPDATE ON call_class
  BEGIN SELECT RAISE(ABORT, 'classes of calls are never edited'); END;
CREATE TRIGGER call_class_never_deleted BEFORE DELETE ON call_class
  BEGIN SELECT RAISE(ABORT, 'classes of calls are never deleted'); END;
CREATE TRIGGER personal_only_erased BEFORE UPDATE ON personal
  WHEN NEW.id <> OLD.id OR NEW.field <> OLD.field OR NEW.commitment <> OLD.commitment
    OR NEW.value IS NOT NULL OR NEW.salt IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'personal values are never edited, only erased'); END;
CREATE TRIGGER personal_never_deleted BEFORE DELETE ON personal
  BEGIN SELECT RAISE(ABORT, 'personal values are erased, not deleted'); END;
CREATE TRIGGER attribution_never_updated BEFORE UPDATE ON attribution
  BEGIN SELECT RAISE(ABORT, 'attributions are never edited; append a correction'); END;
CREATE TRIGGER attribution_never_deleted BEFORE DELETE ON attribution
  BEGIN SELECT RAISE(ABORT, 'attributions are never deleted'); END;
CREATE TRIGGER call_never_updated BEFORE UPDATE ON call
  BEGIN SELECT RAISE(ABORT, 'calls are never edited; append a correction'); END;
CREATE TRIGGER call_never_deleted BEFORE DELETE ON call
  BEGIN SELECT RAISE(ABORT, 'calls are never deleted; append a reversal'); END;
CREATE TRIGGER block_never_updated BEFORE UPDATE ON block
  BEGIN SELECT RAISE(ABORT, 'blocks are never edited'); END;
CREATE TRIGGER block_never_deleted BEFORE DELETE ON block
  BEGIN SELECT RAISE(ABORT, 'blocks are never deleted'); END;
CREATE TRIGGER witness_never_updated BEFORE UPDATE ON witness
  BEGIN SELECT RAISE(ABORT, 'witnesses are never edited'); END;
CREATE TRIGGER witness_never_deleted BEFORE DELETE ON witness
  BEGIN SELECT RAISE(ABORT, 'witnesses are never deleted'); END;
CREATE TRIGGER outcome_never_updated BEFORE UPDATE ON outcome
  BEGIN SELECT RAISE(ABORT, 'outcomes are never edited; append a reversal'); END;
CREATE TRIGGER outcome_never_deleted BEFORE DELETE ON outcome
  BEGIN SELECT RAISE(ABORT, 'outcomes are never deleted; append a reversal'); END;
CREATE TRIGGER score_never_updated BEFORE UPDATE ON score
  BEGIN SELECT RAISE(ABORT, 'scores are never edited; append a reversal'); END;
CREATE TRIGGER score_never_deleted BEFORE DELETE ON score
  BEGIN SELECT RAISE(ABORT, 'scores are never deleted; append a reversal'); END;
CREATE TRIGGER mark_never_updated BEFORE UPDATE ON mark
  BEGIN SELECT RAISE(ABORT, 'marks are never edited'); END;
CREATE TRIGGER mark_never_deleted BEFORE DELETE ON mark
  BEGIN SELECT RAISE(ABORT, 'marks are never deleted'); END;
CREATE TRIGGER checkpoint_never_updated BEFORE UPDATE ON checkpoint
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never edited'); END;
CREATE TRIGGER checkpoint_never_deleted BEFORE DELETE ON checkpoint
  BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
CREATE TRIGGER checkpoint_signature_never_updated BEFORE UPDATE ON checkpoint_signature
  BEGIN SELECT RAISE(ABORT, 'signatures are never edited'); END;
CREATE TRIGGER checkpoint_signature_never_deleted BEFORE DELETE ON checkpoint_signature
  BEGIN SELECT RAISE(ABORT, 'signatures are never deleted'); END;
