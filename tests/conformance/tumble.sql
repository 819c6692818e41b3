-- Tumbling windows over rows that are all in time: the watermark waits for a minute.

CREATE TABLE events (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE)
WITH ('connector' = 'filesystem', 'path' = '${data}/events.csv', 'format' = 'csv');

SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
--: window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, k STRING, n BIGINT NOT NULL, total INT
--> ["2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", "a", 2, 5]
--> ["2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", "b", 1, 2]
--> ["2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", "a", 3, 17]
--> ["2024-01-01 00:00:20.000", "2024-01-01 00:00:30.000", "b", 2, 12]
--> ["2024-01-01 00:00:30.000", "2024-01-01 00:00:40.000", "b", 1, 9]

SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
--: window_end TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL
--> ["2024-01-01 00:01:00.000", 9]

SELECT window_start, window_end, AVG(v) AS mean FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE k = 'a' GROUP BY window_start, window_end;
--: window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, mean INT
--> ["2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", 2]
--> ["2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", 5]

SELECT k, v, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND));
--: k STRING, v INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL
--> ["a", 1, "2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", "2024-01-01 00:00:09.999"]
--> ["a", 3, "2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", "2024-01-01 00:00:19.999"]
--> ["a", 4, "2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", "2024-01-01 00:00:09.999"]
--> ["a", 6, "2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", "2024-01-01 00:00:19.999"]
--> ["a", 8, "2024-01-01 00:00:10.000", "2024-01-01 00:00:20.000", "2024-01-01 00:00:19.999"]
--> ["b", 2, "2024-01-01 00:00:00.000", "2024-01-01 00:00:10.000", "2024-01-01 00:00:09.999"]
--> ["b", 5, "2024-01-01 00:00:20.000", "2024-01-01 00:00:30.000", "2024-01-01 00:00:29.999"]
--> ["b", 7, "2024-01-01 00:00:20.000", "2024-01-01 00:00:30.000", "2024-01-01 00:00:29.999"]
--> ["b", 9, "2024-01-01 00:00:30.000", "2024-01-01 00:00:40.000", "2024-01-01 00:00:39.999"]

SELECT window_start, MAX(v) AS high FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end HAVING COUNT(*) > 2;
--: window_start TIMESTAMP(3) NOT NULL, high INT
--> ["2024-01-01 00:00:00.000", 4]
--> ["2024-01-01 00:00:10.000", 8]

SELECT window_start, k, COUNT(DISTINCT v) AS n FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '3' SECOND)) GROUP BY window_start, window_end, k;
--: window_start TIMESTAMP(3) NOT NULL, k STRING, n BIGINT NOT NULL
--> ["2023-12-31 23:59:53.000", "a", 1]
--> ["2024-01-01 00:00:03.000", "a", 3]
--> ["2024-01-01 00:00:03.000", "b", 1]
--> ["2024-01-01 00:00:13.000", "a", 1]
--> ["2024-01-01 00:00:23.000", "b", 3]
--local: window_start TIMESTAMP(9), k STRING, n BIGINT
--local> ["2023-12-31 23:59:53.000000000", "a", 1]
--local> ["2024-01-01 00:00:03.000000000", "a", 3]
--local> ["2024-01-01 00:00:03.000000000", "b", 1]
--local> ["2024-01-01 00:00:13.000000000", "a", 1]
--local> ["2024-01-01 00:00:23.000000000", "b", 3]
