-- Cells without their key, and keys without their models: any filters and grouping over few of the
-- dimensions then read few sums. They take the place of the pairs of an hour and of a day.

CREATE TABLE shape (
  id INTEGER PRIMARY KEY,
  surface TEXT NOT NULL, provider TEXT NOT NULL, status TEXT NOT NULL, cost_state TEXT NOT NULL,
  app TEXT NOT NULL, model TEXT NOT NULL, request_model TEXT NOT NULL, outcome TEXT NOT NULL,
  UNIQUE (model, app, status, cost_state, request_model, surface, provider, outcome)
) STRICT;

CREATE TABLE hour_shape (
  hour INTEGER NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (hour, shape)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_shape (
  day INTEGER NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (day, shape)
) STRICT, WITHOUT ROWID;

-- Beside a key the models of a shape are the empty text.
CREATE TABLE hour_key_shape (
  hour INTEGER NOT NULL, key TEXT NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (hour, key, shape)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_key_shape (
  day INTEGER NOT NULL, key TEXT NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (day, key, shape)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_model_key (
  day INTEGER NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL,
  $SUMS,
  PRIMARY KEY (day, model, key)
) STRICT, WITHOUT ROWID;

DROP TABLE hour_pair;
DROP TABLE day_pair;

-- All of it is made anew.
INSERT OR IGNORE INTO stale_hour SELECT hour, 0 FROM hour_value WHERE dimension = 0;
INSERT OR IGNORE INTO stale_day
  SELECT DISTINCT (hour - (hour % 24 + 24) % 24) / 24 FROM hour_value WHERE dimension = 0;
