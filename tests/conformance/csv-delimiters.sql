-- Delimiters and quotes of the csv format.

CREATE TABLE out_semicolon (a INT, b STRING, c DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${dir}/s', 'format' = 'csv', 'csv.field-delimiter' = ';', 'csv.quote-character' = '''');

INSERT INTO out_semicolon VALUES (1, 'a;b', 1.5e0), (2, 'it''s', 1e10), (3, 'x y', 1e-7);

SELECT * FROM out_semicolon;
--: a INT, b STRING, c DOUBLE
--> [1, "a;b", 1.5]
--> [2, "it's", 10000000000.0]
--> [3, "x y", 1e-7]

CREATE TABLE as_lines (line STRING) WITH ('connector' = 'filesystem', 'path' = '${dir}/s', 'format' = 'csv', 'csv.field-delimiter' = '|', 'csv.disable-quote-character' = 'true');

SELECT line FROM as_lines;
--: line STRING
--> ["1;'a;b';1.5"]
--> ["2;'it''s';1.0E10"]
--> ["3;'x y';1.0E-7"]
--local: line STRING
--local> ["1;'a;b';1.5"]
--local> ["2;'it''s';10000000000.0"]
--local> ["3;x y;1e-7"]
