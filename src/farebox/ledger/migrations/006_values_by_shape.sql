-- A day's customers, users, agents and projects by shape, and by key and shape: made of its calls.
-- They take the place of what was written with the calls.

CREATE TABLE day_value_shape (
  dimension INTEGER NOT NULL, day INTEGER NOT NULL, value TEXT NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (dimension, day, value, shape)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_value_key (
  dimension INTEGER NOT NULL, day INTEGER NOT NULL, value TEXT NOT NULL,
  key TEXT NOT NULL, shape INTEGER NOT NULL,
  $SUMS,
  PRIMARY KEY (dimension, day, value, key, shape)
) STRICT, WITHOUT ROWID;

DROP TABLE day_project_model;
DROP TABLE day_customer_model;
DROP TABLE day_customer_key;

INSERT OR IGNORE INTO stale_day
  SELECT DISTINCT (hour - (hour % 24 + 24) % 24) / 24 FROM hour_value WHERE dimension = 0;
