-- What each contract term with tiers has seen in a calendar month (UTC): the next call's tier depends on it.
-- Whole numbers as text: a month in pico-dollars may need more than 64 bits.
CREATE TABLE contract_month (
  term TEXT NOT NULL,
  month TEXT NOT NULL,
  units TEXT NOT NULL,
  base_pico TEXT NOT NULL,
  PRIMARY KEY (month, term)
) STRICT, WITHOUT ROWID;
