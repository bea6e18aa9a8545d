-- What was found out about a call after it was appended: another price, an estimate, the real count.
-- Never an UPDATE: the newest correction of a call stands in its place, the call itself stays.
-- Each one is a link of the same chain as the calls, behind the call `after_seq`.
CREATE TABLE correction (
  id INTEGER PRIMARY KEY,
  after_seq INTEGER NOT NULL,            -- the newest call when this was appended
  call_seq INTEGER NOT NULL,             -- the call that is corrected
  recorded_at INTEGER NOT NULL,
  kind TEXT NOT NULL,                    -- rerate, estimate, measured
  request TEXT,                          -- who asked: the journal's writer
  completeness TEXT NOT NULL,
  cost_state TEXT NOT NULL,
  cost_pico INTEGER,
  charge_pico INTEGER,
  input_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  usage BLOB,                            -- MessagePack: the extraction in place of the call's own; NULL: that stands
  rating BLOB NOT NULL,                  -- MessagePack: price lines and what was decided
  detail BLOB NOT NULL,                  -- MessagePack: why, what it was before, the bounds of an estimate
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX correction_call ON correction (call_seq);
CREATE INDEX correction_place ON correction (after_seq);

CREATE TRIGGER correction_never_updated BEFORE UPDATE ON correction
  BEGIN SELECT RAISE(ABORT, 'corrections are never edited; append another one'); END;
CREATE TRIGGER correction_never_deleted BEFORE DELETE ON correction
  BEGIN SELECT RAISE(ABORT, 'corrections are never deleted'); END;

-- Calls as they count now.
CREATE VIEW call_now AS
SELECT
  c.seq AS seq, c.event_id AS event_id, c.source AS source, c.occurred_at AS occurred_at,
  c.recorded_at AS recorded_at, c.provider AS provider, c.surface AS surface, c.model AS model,
  c.request_model AS request_model, c.response_key AS response_key, c.key_fingerprint AS key_fingerprint,
  c.app AS app, c.user AS user, c.customer AS customer, c.agent AS agent, c.session AS session,
  c.project AS project, c.status AS status, c.outcome AS outcome,
  coalesce(n.completeness, c.completeness) AS completeness,
  c.billable AS billable,
  coalesce(n.cost_state, c.cost_state) AS cost_state,
  CASE WHEN n.id IS NULL THEN c.cost_pico ELSE n.cost_pico END AS cost_pico,
  CASE WHEN n.id IS NULL THEN c.charge_pico ELSE n.charge_pico END AS charge_pico,
  coalesce(n.input_tokens, c.input_tokens) AS input_tokens,
  coalesce(n.cache_read_input_tokens, c.cache_read_input_tokens) AS cache_read_input_tokens,
  coalesce(n.cache_creation_input_tokens, c.cache_creation_input_tokens) AS cache_creation_input_tokens,
  coalesce(n.output_tokens, c.output_tokens) AS output_tokens,
  coalesce(n.reasoning_output_tokens, c.reasoning_output_tokens) AS reasoning_output_tokens,
  n.rating AS rating,
  n.usage AS usage,
  n.id AS correction
FROM call_whole c
LEFT JOIN correction n ON n.id = (SELECT max(id) FROM correction WHERE call_seq = c.seq);
