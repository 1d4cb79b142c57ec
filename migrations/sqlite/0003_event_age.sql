-- The janitor forgets the events of jobs that ended long ago, oldest first.

CREATE INDEX job_events_age ON job_events(created_at);
