-- A statement that starts a job gives the prompt back, and what is done to the job is said by its handle.
--args -u scripted: --json

INSERT INTO orders;

!jobs

!savepoint %1 --dir /backup

!wait %1 --until running --timeout 1m

!stop %1

!savepoint %7
