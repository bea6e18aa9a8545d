-- Estimates that came before the call they are for; the two are in different journals.
CREATE TABLE waiting_estimate (
  event_id BLOB NOT NULL,
  source TEXT NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (event_id, source)
) STRICT, WITHOUT ROWID;
