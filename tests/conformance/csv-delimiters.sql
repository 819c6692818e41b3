-- Delimiters and quotes of the csv format.

CREATE TABLE out_semicolon (a INT, b STRING, c DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${dir}/s', 'format' = 'csv', 'csv.field-delimiter' = ';', 'csv.quote-character' = '''');

INSERT INTO out_semicolon VALUES (1, 'a;b', 1.5e0), (2, 'it''s', 1e10), (3, 'x y', 1e-7);

SELECT * FROM out_semicolon;

CREATE TABLE as_lines (line STRING) WITH ('connector' = 'filesystem', 'path' = '${dir}/s', 'format' = 'csv', 'csv.field-delimiter' = '|', 'csv.disable-quote-character' = 'true');

SELECT line FROM as_lines;
