-- Accounts take turns at the queue; jobs tell how long they will take, and end of their own accord when they are old.

CREATE TABLE queue_turns (                   -- when each account was served last; without a row: never
  user_id TEXT PRIMARY KEY REFERENCES users(id),
  turn BIGINT NOT NULL);
CREATE INDEX queue_turns_order ON queue_turns(turn);

ALTER TABLE jobs ADD COLUMN started_at BIGINT;   -- of the running or last attempt
CREATE INDEX jobs_ended ON jobs(completed_at) WHERE completed_at IS NOT NULL AND deleted_at IS NULL;
