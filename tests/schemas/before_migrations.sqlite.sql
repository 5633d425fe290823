-- A database of the scheduler as commit 8640dd5 made it: before migrations, and one table short
-- (entity_verdicts), as still older ones are. Frozen: never edit.

CREATE TABLE checks (
  id VARCHAR(32) NOT NULL,
  entity VARCHAR(16) NOT NULL,
  revision VARCHAR(64) NOT NULL,
  "commit" VARCHAR(64) NOT NULL,
  environment VARCHAR(128) NOT NULL,
  run VARCHAR(32) NOT NULL,
  pool VARCHAR(64) NOT NULL,
  priority INTEGER NOT NULL,
  inputs_digest VARCHAR(64) NOT NULL,
  seed BIGINT NOT NULL,
  limits TEXT NOT NULL,
  state INTEGER NOT NULL,
  verdict INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  ended_attempts INTEGER NOT NULL,
  finished_by INTEGER NOT NULL,
  final_sequence BIGINT NOT NULL,
  cancel_requested BOOLEAN NOT NULL,
  create_time BIGINT NOT NULL,
  start_time BIGINT,
  finish_time BIGINT,
  not_before BIGINT,
  runner VARCHAR(128),
  incarnation VARCHAR(128),
  claim_id VARCHAR(128),
  claim_time BIGINT,
  lease_expires BIGINT,
  change BIGINT NOT NULL,
  published_time BIGINT,
  publications INTEGER NOT NULL,
  job_sequence BIGINT,
  PRIMARY KEY (id)
);

CREATE UNIQUE INDEX checks_active_inputs ON checks (inputs_digest) WHERE state < 4;

CREATE INDEX checks_change ON checks (change);

CREATE INDEX checks_entity ON checks (entity, id);

CREATE INDEX checks_leases ON checks (lease_expires) WHERE state in (2, 3);

CREATE INDEX checks_published ON checks (pool, environment) WHERE state = 1 and published_time is not null;

CREATE INDEX checks_verdict ON checks (verdict, id);

CREATE INDEX checks_waiting ON checks (pool, environment, priority desc, id) WHERE state = 1 and published_time is null;

CREATE TABLE counter (
  name VARCHAR(16) NOT NULL,
  value BIGINT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE outbox (
  number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  subject VARCHAR(256) NOT NULL,
  message_id VARCHAR(256) NOT NULL,
  payload BLOB NOT NULL
);

CREATE TABLE requests (
  kind VARCHAR(16) NOT NULL,
  request_id VARCHAR(64) NOT NULL,
  resource VARCHAR(32) NOT NULL,
  PRIMARY KEY (kind, request_id)
);

CREATE TABLE runners (
  id VARCHAR(128) NOT NULL,
  incarnation VARCHAR(128) NOT NULL,
  pool VARCHAR(64) NOT NULL,
  slots INTEGER NOT NULL,
  free_slots INTEGER NOT NULL,
  backend VARCHAR(32) NOT NULL,
  runtime_version VARCHAR(128) NOT NULL,
  host VARCHAR(256) NOT NULL,
  draining BOOLEAN NOT NULL,
  heartbeat_time BIGINT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE runs (
  id VARCHAR(32) NOT NULL,
  title TEXT NOT NULL,
  revision VARCHAR(64) NOT NULL,
  "commit" VARCHAR(64) NOT NULL,
  create_time BIGINT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE attempts (
  check_id VARCHAR(32) NOT NULL,
  attempt INTEGER NOT NULL,
  runner VARCHAR(128) NOT NULL,
  incarnation VARCHAR(128) NOT NULL,
  claim_time BIGINT NOT NULL,
  start_time BIGINT,
  end_time BIGINT,
  verdict INTEGER NOT NULL,
  reason TEXT,
  reported BOOLEAN NOT NULL,
  PRIMARY KEY (check_id, attempt),
  FOREIGN KEY(check_id) REFERENCES checks (id)
);

CREATE TABLE check_artefacts (
  check_id VARCHAR(32) NOT NULL,
  place INTEGER NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  path TEXT NOT NULL,
  size BIGINT NOT NULL,
  content_type VARCHAR(128) NOT NULL,
  PRIMARY KEY (check_id, place),
  FOREIGN KEY(check_id) REFERENCES checks (id)
);

CREATE INDEX ix_check_artefacts_sha256 ON check_artefacts (sha256);

CREATE TABLE results (
  check_id VARCHAR(32) NOT NULL,
  verdict INTEGER NOT NULL,
  message TEXT NOT NULL,
  log VARCHAR(64) NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (check_id),
  FOREIGN KEY(check_id) REFERENCES checks (id)
);

CREATE TABLE run_checks (
  run_id VARCHAR(32) NOT NULL,
  check_id VARCHAR(32) NOT NULL,
  PRIMARY KEY (run_id, check_id),
  FOREIGN KEY(run_id) REFERENCES runs (id),
  FOREIGN KEY(check_id) REFERENCES checks (id)
);

CREATE INDEX ix_run_checks_check_id ON run_checks (check_id);

INSERT INTO counter (name, value) VALUES ('change', 7);

INSERT INTO runs (id, title, revision, "commit", create_time)
VALUES ('00000000000000000000000000000001', 'all', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'cccccccccccccccccccccccccccccccccccccccc', 1767323045000000);

INSERT INTO checks (
  id, entity, revision, "commit", environment, run, pool, priority, inputs_digest, seed, limits,
  state, verdict, attempt, failures, ended_attempts, finished_by, final_sequence,
  cancel_requested, create_time, start_time, finish_time, "change", publications
) VALUES
  ('00000000000000000000000000000002', 'AAAAA', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'cccccccccccccccccccccccccccccccccccccccc',
   'demo_environment', '00000000000000000000000000000001', 'default', 0, 'digest of AAAAA', 42, '{"wall_seconds": 12.5}',
   4, 1, 1, 0, 0, 1, 8, 0, 1767323045000000, 1767323046000000, 1767323047000000, 3, 0),
  ('00000000000000000000000000000003', 'AAAAA', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'cccccccccccccccccccccccccccccccccccccccc',
   'demo_environment', '00000000000000000000000000000001', 'default', 0, 'digest of AAAAA', 42, '{"wall_seconds": 12.5}',
   4, 3, 1, 0, 0, 1, 8, 0, 1767323048000000, 1767323049000000, 1767323050000000, 6, 0),
  ('00000000000000000000000000000004', 'BBBBB', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'cccccccccccccccccccccccccccccccccccccccc',
   'demo_environment', '', 'default', 0, 'digest of BBBBB', 42, '{"wall_seconds": 12.5}',
   1, 0, 0, 0, 0, 0, 0, 0, 1767323051000000, NULL, NULL, 7, 0);

INSERT INTO run_checks (run_id, check_id) VALUES
  ('00000000000000000000000000000001', '00000000000000000000000000000002'),
  ('00000000000000000000000000000001', '00000000000000000000000000000003');

INSERT INTO attempts (
  check_id, attempt, runner, incarnation, claim_time, start_time, end_time, verdict, reported
) VALUES
  ('00000000000000000000000000000002', 1, 'one', 'first', 1767323046000000, 1767323046000000, 1767323047000000, 1, 0);

INSERT INTO results (check_id, verdict, message, log, payload) VALUES
  ('00000000000000000000000000000002', 1, 'success',
   '5555555555555555555555555555555555555555555555555555555555555555', x'2801'),
  ('00000000000000000000000000000003', 3, 'ZeroDivisionError', '', x'2801');

INSERT INTO check_artefacts (check_id, place, sha256, path, size, content_type) VALUES
  ('00000000000000000000000000000002', 0,
   '5555555555555555555555555555555555555555555555555555555555555555', 'plot.png', 5, 'image/png');
