-- A streaming job over real flight records: it becomes a job, gets a first checkpoint, and is stopped with a savepoint.
-- quickstart-restore.sql brings it back in another process. Run both by quickstart.sh, from the repository's root.

-- The records arrive at a rate, as they would in life, so that the savepoint falls in the middle of them.
SET 'local.source.rows-per-second' = '1000';
SET 'execution.runtime-mode' = 'streaming';
SET 'execution.checkpointing.interval' = '500 ms';

CREATE TABLE flights (
  ts TIMESTAMP(3), carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, distance INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' MINUTE
) WITH (
  'connector' = 'filesystem', 'path' = 'examples/data/flights', 'format' = 'csv', 'csv.allow-comments' = 'true'
);

CREATE TABLE delays (
  window_start TIMESTAMP(3), carrier STRING, flights BIGINT, cancelled BIGINT, worst INT
) WITH (
  'connector' = 'filesystem', 'path' = 'target/quickstart/delays', 'format' = 'csv'
);

-- The & gives the script back at once; without it a job whose input ends would be waited for.
INSERT INTO delays
SELECT window_start, carrier, count(*), count(*) FILTER (WHERE dep_delay IS NULL), max(dep_delay)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, carrier &;

!wait %1 --until first-checkpoint --timeout 1m
!jobs
!stop %1
!job %1
