-- Late rows are dropped in streaming mode and counted in batch mode.

CREATE TABLE events (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'filesystem', 'path' = '${data}/events.csv', 'format' = 'csv');

SELECT window_start, window_end, COUNT(*) AS n, SUM(v) AS total FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
--batch: window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL, total INT
--batch> ["2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", 3, 7]
--batch> ["2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", 3, 17]
--batch> ["2024-01-01 00:00:20.000", "2024-01-01 00:00:30.000", 2, 12]
--batch> ["2024-01-01 00:00:30.000", "2024-01-01 00:00:40.000", 1, 9]
--streaming: window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL, total INT
--streaming> ["2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", 2, 3]
--streaming> ["2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", 1, 3]
--streaming> ["2024-01-01 00:00:20.000", "2024-01-01 00:00:30.000", 2, 12]
--streaming> ["2024-01-01 00:00:30.000", "2024-01-01 00:00:40.000", 1, 9]

SELECT k, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
--batch: k STRING, window_end TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL
--batch> ["a", "2024-01-01 00:00:10.000", 2]
--batch> ["a", "2024-01-01 00:00:20.000", 3]
--batch> ["b", "2024-01-01 00:00:10.000", 1]
--batch> ["b", "2024-01-01 00:00:30.000", 2]
--batch> ["b", "2024-01-01 00:00:40.000", 1]
--streaming: k STRING, window_end TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL
--streaming> ["a", "2024-01-01 00:00:10.000", 1]
--streaming> ["a", "2024-01-01 00:00:20.000", 1]
--streaming> ["b", "2024-01-01 00:00:10.000", 1]
--streaming> ["b", "2024-01-01 00:00:30.000", 2]
--streaming> ["b", "2024-01-01 00:00:40.000", 1]
