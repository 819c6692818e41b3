-- A statement that starts a job gives the prompt back, and what is done to the job is said by its handle.
--args -u scripted: --json

INSERT INTO orders;
--> {"handle":1,"job_id":"<job-1>","cluster_id":null,"name":"orders","state":"RUNNING","action":"none","known":"live","as_of":"<time>","engine":"scripted","url":"scripted:","origin":"session","sql":"INSERT INTO orders","started":"<time>","ended":null,"ended_by":null,"duration_ms":<duration>,"savepoint":null,"restored_from":null,"error":null,"rows_in":null,"rows_out":null,"late_rows":null,"checkpoint_id":null,"checkpoint_taken":null}
--! [1] orders · job <job-1> · RUNNING

!jobs
--> {"handle":1,"job_id":"<job-1>","cluster_id":null,"name":"orders","state":"RUNNING","action":"none","known":"live","as_of":"<time>","engine":"scripted","url":"scripted:","origin":"session","sql":"INSERT INTO orders","started":"<time>","ended":null,"ended_by":null,"duration_ms":<duration>,"savepoint":null,"restored_from":null,"error":null,"rows_in":null,"rows_out":null,"late_rows":null,"checkpoint_id":null,"checkpoint_taken":null}

!savepoint %1 --dir /backup
--> {"path":"/backup/savepoint-<job-1>","kind":"savepoint","job_id":"<job-1>","checkpoint_id":7,"taken":"<time>","size":1234,"format_version":1,"label":null,"verdict":"usable","reasons":[],"sources":["cluster"]}
--! [1] orders · savepoint · job <job-1> · checkpoint 7 · 1.2 kB · <duration>

!wait %1 --until running --timeout 1m
--> {"handle":1,"job_id":"<job-1>","cluster_id":null,"name":"orders","state":"RUNNING","action":"none","known":"live","as_of":"<time>","engine":"scripted","url":"scripted:","origin":"session","sql":"INSERT INTO orders","started":"<time>","ended":null,"ended_by":null,"duration_ms":<duration>,"savepoint":"/backup/savepoint-<job-1>","restored_from":null,"error":null,"rows_in":null,"rows_out":null,"late_rows":null,"checkpoint_id":null,"checkpoint_taken":null}
--! [1] orders is RUNNING

!stop %1
--> {"path":"/savepoints/savepoint-<job-1>","kind":"savepoint","job_id":"<job-1>","checkpoint_id":7,"taken":"<time>","size":1234,"format_version":1,"label":null,"verdict":"usable","reasons":[],"sources":["cluster"]}
--! [1] orders stopped with a savepoint · job <job-1> · checkpoint 7 · 1.2 kB · <duration>

!savepoint %7
--! error: line 23, column 1: no job %7 in this session
--! hint: this session has %1 orders · !jobs -a lists earlier ones
--exit 1
