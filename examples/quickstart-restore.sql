-- A new process: the job of quickstart.sql comes back from its savepoint, with the tables and settings it had, reads the
-- rest of the records, and ends.

!savepoints delays
!restore delays
!job delays

-- From here on plain queries over what is there now.
RESET;

-- Every flight was counted once, whichever of the two processes read it.
SELECT sum(flights) AS counted FROM delays;
SELECT count(*) AS flights FROM flights;

-- And the windows are those of a single query over the files: nothing is left when one is taken from the other.
SELECT window_start, carrier, flights, cancelled, worst FROM delays
EXCEPT
SELECT date_bin(INTERVAL '1' HOUR, ts), carrier, count(*), count(*) FILTER (WHERE dep_delay IS NULL), max(dep_delay)
FROM flights GROUP BY date_bin(INTERVAL '1' HOUR, ts), carrier;
