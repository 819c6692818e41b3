-- The tables of the flight data, to be run at the prompt, from the repository's root: !run examples/tables.sql
-- Then, for instance: SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier ORDER BY flights DESC;

CREATE TABLE flights (
  ts TIMESTAMP(3), carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, distance INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' MINUTE
) WITH (
  'connector' = 'filesystem', 'path' = 'examples/data/flights', 'format' = 'csv', 'csv.allow-comments' = 'true'
);

-- The same files, watched: a query over it is a stream and goes on until it is ended.
CREATE TABLE incoming (
  ts TIMESTAMP(3), carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, distance INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' MINUTE
) WITH (
  'connector' = 'filesystem', 'path' = 'examples/data/flights', 'format' = 'csv', 'csv.allow-comments' = 'true',
  'source.monitor-interval' = '1 s'
);
