-- NOT NULL columns.

CREATE TABLE strict (a INT NOT NULL, b STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/strict', 'format' = 'csv');

INSERT INTO strict VALUES (1, 'x');

INSERT INTO strict (b) VALUES ('x');

INSERT INTO strict SELECT a, 'y' FROM (VALUES (2), (CAST(NULL AS INT))) AS t(a);

SELECT * FROM strict;

DESCRIBE strict;
